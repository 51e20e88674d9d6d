"""pgvector-python with psycopg 3."""
import numpy as np
import psycopg
from pgvector.psycopg import register_vector
from pgvector import HalfVector, SparseVector

import common


def connect():
    connection = psycopg.connect(common.DSN, autocommit=True)
    register_vector(connection)
    return connection


def vectors():
    """vector, halfvec, bit and sparsevec, with NumPy"""
    with connect() as c:
        c.execute("DROP TABLE IF EXISTS py_items")
        c.execute("CREATE TABLE py_items (id bigserial PRIMARY KEY, category int, embedding vector(3), half halfvec(3), bits bit(3), sparse sparsevec(3))")
        for i in range(100):
            v = np.array([i, i % 7, 1.5], dtype=np.float32)
            c.execute("INSERT INTO py_items (category, embedding, half, bits, sparse) VALUES (%s, %s, %s, %s, %s)",
                      (i % 3, v, HalfVector(v), bin(8 + i % 8)[3:], SparseVector(v)))
        got = c.execute("SELECT embedding, half, sparse FROM py_items WHERE id = 5").fetchone()
        assert [common.numbers(vector) for vector in got] == [[4, 4, 1.5]] * 3, got
        query = np.array([10.2, 3, 1.5], dtype=np.float32)
        rows = c.execute("SELECT id, embedding <-> %s AS d FROM py_items ORDER BY d LIMIT 3", (query,)).fetchall()
        assert [row[0] for row in rows] == [11, 12, 10] and abs(rows[0][1] - 0.2) < 1e-5, rows
        rows = c.execute("SELECT id FROM py_items WHERE category = 2 ORDER BY half <-> %s LIMIT 2", (HalfVector(query),)).fetchall()
        assert [row[0] for row in rows] == [12, 9], rows
        c.execute("UPDATE py_items SET embedding = %s WHERE id = 1", (query,))
        assert c.execute("SELECT id FROM py_items ORDER BY embedding <=> %s, id LIMIT 1", (query,)).fetchone() == (1,)
        c.execute("DELETE FROM py_items WHERE embedding <-> %s < 0.1", (query,))
        assert c.execute("SELECT count(*), avg(embedding) FROM py_items WHERE id < 4").fetchone()[0] == 2
    common.in_zvec("py_items", "embedding", 99)


def binary_copy():
    """binary COPY, in and out"""
    with connect() as c:
        c.execute("DROP TABLE IF EXISTS py_loaded")
        c.execute("CREATE TABLE py_loaded (id int, embedding vector(64))")
        rows = np.random.default_rng(1).random((1000, 64), dtype=np.float32)
        with c.cursor().copy("COPY py_loaded (id, embedding) FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "vector"])
            for i, row in enumerate(rows):
                copy.write_row([i, row])
        with c.cursor().copy("COPY (SELECT id, embedding FROM py_loaded ORDER BY id) TO STDOUT WITH (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "vector"])
            for i, row in enumerate(copy.rows()):
                assert row[0] == i and np.array_equal(np.array(common.numbers(row[1]), dtype=np.float32), rows[i])
    common.in_zvec("py_loaded", "embedding", 1000)


def indexes():
    """hnsw of pgvector, then zvec_hnsw"""
    with connect() as c:
        q = c.execute("SELECT embedding FROM py_loaded WHERE id = 7").fetchone()[0]
        sql = "SELECT id FROM py_loaded ORDER BY embedding <=> %s LIMIT 5"
        exact = c.execute(sql, (q,)).fetchall()
        for method in ("hnsw", "zvec_hnsw"):
            c.execute(f"CREATE INDEX py_index ON py_loaded USING {method} (embedding vector_cosine_ops)")
            plan = common.plan_of("SELECT id FROM py_loaded ORDER BY embedding <=> '%s' LIMIT 5" % common.numbers(q))
            assert "Index Scan using py_index" in plan, plan
            with c.transaction():
                c.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL zvec.enable_exact_scan = off")
                assert c.execute(sql, (q,)).fetchall() == exact
            c.execute("DROP INDEX py_index")


common.run("pgvector-python with psycopg 3", vectors, binary_copy, indexes)
