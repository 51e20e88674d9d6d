"""pgvector-python with asyncpg."""
import asyncio

import asyncpg
import numpy as np
from pgvector.asyncpg import register_vector
from pgvector import HalfVector

import common


async def work():
    async def init(connection):
        await register_vector(connection)

    async with asyncpg.create_pool(host=common.HOST, port=common.PORT, user=common.USER, database=common.DATABASE, init=init, min_size=1) as pool:
        await pool.execute("DROP TABLE IF EXISTS apg_items")
        await pool.execute("CREATE TABLE apg_items (id bigserial PRIMARY KEY, embedding vector(3), half halfvec(3))")
        await pool.executemany("INSERT INTO apg_items (embedding, half) VALUES ($1, $2)",
                               [(np.array([i, i % 7, 1.5]), HalfVector([i, 0, 1])) for i in range(50)])
        row = await pool.fetchrow("SELECT embedding, half FROM apg_items WHERE id = 5")
        assert common.numbers(row["embedding"]) == [4, 4, 1.5] and common.numbers(row["half"]) == [4, 0, 1], row
        rows = await pool.fetch("SELECT id FROM apg_items WHERE id <> 11 ORDER BY embedding <-> $1 LIMIT 2", np.array([10.2, 3, 1.5]))
        assert [r["id"] for r in rows] == [12, 10], rows
        await pool.execute("UPDATE apg_items SET embedding = $1 WHERE id = 1", np.array([99, 99, 99]))
        await pool.execute("DELETE FROM apg_items WHERE half <-> $1 < 0.5", HalfVector([3, 0, 1]))
        assert await pool.fetchval("SELECT count(*) FROM apg_items") == 49
        await pool.execute("CREATE INDEX ON apg_items USING zvec_hnsw (embedding vector_l2_ops)")
        assert await pool.fetchval("SELECT id FROM apg_items ORDER BY embedding <-> $1 LIMIT 1", np.array([98, 99, 99])) == 1
    common.in_zvec("apg_items", "embedding", 49)


def pool():
    """a pool, NumPy in and out"""
    asyncio.run(work())


common.run("pgvector-python with asyncpg", pool)
