"""The developers' inner loop: ef, recall@10 and QPS of zvec_hnsw, with hnswlib beside it, in less than a minute.

    benches/search/python.sh benches/search/quick.py --data FOLDER --host SOCKET_FOLDER --port 5432

connects to a running server that has the extension, loads mnist-784 (or the first --rows of it, or synthetic data) into
a table if that is missing, builds the index if that is missing, and prints a table. What it makes stays: the next run
only searches. --rebuild drops the index first, --reload the table.
"""

import argparse
import os
import time

import hnswlib

import data as datasets
from measure import K, ask_all, at_recall, recall, timed_pass
from session import Session, wire

OPERATORS = {"l2": ("<->", "zvec_l2_ops"), "cosine": ("<=>", "zvec_cosine_ops")}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--host", help="folder of the server's socket, or its name (else PGHOST)")
    p.add_argument("--port", help="(else PGPORT)")
    p.add_argument("--dbname", help="(else PGDATABASE)")
    p.add_argument("--user", default=os.environ.get("PGUSER", "postgres"))
    p.add_argument(
        "--data", default=os.environ.get("DATA"), help="folder with mnist-784 and debian-packages (else DATA)"
    )
    p.add_argument("--set", default="mnist", choices=["mnist", "debian", "synthetic"], help="data set")
    p.add_argument("--rows", type=int, help="at most so many rows (synthetic: 20000)")
    p.add_argument("--dims", type=int, help="dimensions of synthetic data (256)")
    p.add_argument("--queries", type=int, default=1000)
    p.add_argument("--am", default="zvec_hnsw", help="access method of the index: zvec_hnsw, zvec_flat, hnsw, none")
    p.add_argument("--type", default="zvec", help="the column's type (pgvector: vector)")
    p.add_argument("--ops", help="operator class, if not the one of the metric (pgvector: vector_l2_ops)")
    p.add_argument("--table-am", default="zvec")
    p.add_argument("--guc", default="zvec.ef_search", help="the setting for ef")
    p.add_argument("--m", type=int, default=16)
    p.add_argument("--efc", type=int, default=64)
    p.add_argument("--with", dest="options", help="all of the index's options, instead of --m and --efc")
    p.add_argument("--setting", action="append", default=[], help="name=value for each session, may be repeated")
    p.add_argument("--ef", default="10,16,24,32,48,64,96,128,192,256")
    p.add_argument("--seconds", type=float, default=0.5, help="for each point, after one pass for recall")
    p.add_argument("--threads", type=int, default=2, help="for hnswlib's build")
    p.add_argument("--rebuild", action="store_true")
    p.add_argument("--reload", action="store_true")
    p.add_argument("--no-hnswlib", action="store_true")
    return p.parse_args()


def prepare(a, session, data):
    """The table and index on the server, made where they are missing; returns the table's name."""
    table = f"quick_{a.set}_{data.rows}_{data.dims}" + ("" if a.table_am == "zvec" else f"_{a.table_am}")
    operator, ops = OPERATORS[data.metric]
    if a.reload:
        session.run(f"DROP TABLE IF EXISTS {table}")
    if session.value("SELECT to_regclass(%s)::text", table) is None:
        began = time.perf_counter()
        session.run(f"CREATE TABLE {table} (id int, cat int, v {a.type}({data.dims})) USING {a.table_am}")
        session.load(table, data.base)
        print(f"loaded {data.rows} rows: {time.perf_counter() - began:.2f} s", flush=True)
        session.run(f"VACUUM ANALYZE {table}")
    index = f"{table}_{a.am}"
    if a.rebuild:
        session.run(f"DROP INDEX IF EXISTS {index}")
    if a.am != "none" and session.value("SELECT to_regclass(%s)::text", index) is None:
        for (other,) in session.run("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass",
                                    table):  # fmt: skip
            print(f"dropped {other}: one index at a time")
            session.run(f"DROP INDEX {other}")
        options = a.options or (f"m = {a.m}, ef_construction = {a.efc}" if a.am.endswith("hnsw") else "")
        began = time.perf_counter()
        session.run(f"CREATE INDEX {index} ON {table} USING {a.am} (v {a.ops or ops})"
                    + (f" WITH ({options})" if options else ""))  # fmt: skip
        print(f"built {index} ({options}): {time.perf_counter() - began:.2f} s", flush=True)
    size = session.run("SELECT pg_table_size(%s::regclass) / 1e6, pg_indexes_size(%s::regclass) / 1e6", table, table)[0]
    print(f"table {size[0]:.0f} MB, index {size[1]:.0f} MB; raw vectors {data.raw_bytes / 1e6:.0f} MB")
    return table


def library(a, data):
    """hnswlib's index with the same m and ef_construction, kept in a file between runs."""
    place = os.environ.get("XDG_CACHE_HOME")
    place = os.path.join(place, "pg_zvec") if place else os.path.join(os.path.dirname(__file__), "../../.scratch")
    file = os.path.join(place, f"hnswlib-{a.set}-{data.rows}-{data.dims}-{a.m}-{a.efc}.bin")
    index = hnswlib.Index(space=data.metric, dim=data.dims)
    index.set_num_threads(1)
    if os.path.exists(file):
        index.load_index(file, max_elements=data.rows)
    else:
        began = time.perf_counter()
        index.init_index(data.rows, M=a.m, ef_construction=a.efc, random_seed=1)
        index.add_items(data.base, num_threads=a.threads)
        print(f"built hnswlib, {a.threads} threads: {time.perf_counter() - began:.2f} s", flush=True)
        os.makedirs(place, exist_ok=True)
        index.save_index(file)
    return index


def main():
    a = arguments()
    data = datasets.load(a.set, a.data, a.rows, a.dims, a.queries)
    print(data.title())
    parts = {"host": a.host, "port": a.port, "dbname": a.dbname, "user": a.user}
    conninfo = " ".join(f"{name}={value}" for name, value in parts.items() if value)
    session = Session(conninfo, ["client_min_messages = warning"] + a.setting)
    session.run("CREATE EXTENSION IF NOT EXISTS " + ("pg_zvec" if a.type == "zvec" else a.type))
    if a.am != "none" and not session.has("access method", a.am):
        print(f"the server has no access method {a.am}: no index instead")
        a.am = "none"
    table = prepare(a, session, data)
    sql = f"SELECT id FROM {table} ORDER BY v {OPERATORS[data.metric][0]} $1 LIMIT {K}"
    if a.am != "none":
        plan = session.plan(sql.replace("$1", f"(SELECT v FROM {table} LIMIT 1)"))
        if a.am not in plan:
            print("the planner prefers another plan, so enable_seqscan and enable_sort are off:\n" + plan)
            session.run("SET enable_seqscan = off")
            session.run("SET enable_sort = off")
    else:
        session.run("SET enable_indexscan = off")
    ask, parameters = session.asker(sql), wire(data.queries)
    if a.am.endswith("hnsw") and not session.has("setting", a.guc):
        raise SystemExit(f"the server has no setting {a.guc}; --guc names another")
    engines = [(a.am if a.am != "none" else "no index", lambda i: ask(parameters[i]),
                (lambda ef: session.run(f"SET {a.guc} = {ef}")) if a.am.endswith("hnsw") else None)]  # fmt: skip
    if not a.no_hnswlib:
        index = library(a, data)
        engines.append(("hnswlib", lambda i: index.knn_query(data.queries[i], K, num_threads=1)[0][0].tolist(),
                        index.set_ef))  # fmt: skip
    print(f"{'ef':>4}" + "".join(f"  {name:>10} recall      QPS    p50 us    p99 us" for name, _, _ in engines))
    points = {name: [] for name, _, _ in engines}
    for step, ef in enumerate(int(x) for x in a.ef.split(",")):
        line = f"{ef:>4}"
        for name, search, set_ef in engines:
            if set_ef is None and step:
                continue
            if set_ef:
                set_ef(ef)
            count = len(data.queries) if set_ef else min(len(data.queries), 50)
            reached = recall(data, ask_all(search, count))
            rate, latencies = timed_pass(search, count, a.seconds)
            p50, p99 = (1e6 * sorted(latencies)[int(len(latencies) * p)] for p in (0.5, 0.99))
            points[name].append((reached, rate))
            line += f"  {reached:>17.4f} {rate:>8.0f} {p50:>9.0f} {p99:>9.0f}"
        print(line, flush=True)
    for wanted in (0.95, 0.99):
        rates = {name: at_recall(points[name], wanted) for name in points}
        text = ", ".join(f"{name} {f'{rate:.0f}' if rate else 'not reached'}" for name, rate in rates.items())
        ours = rates[engines[0][0]]
        ratio = f" (ratio {ours / rates['hnswlib']:.2f})" if ours and rates.get("hnswlib") else ""
        print(f"QPS at recall {wanted}: {text}{ratio}")
    session.close()


if __name__ == "__main__":
    main()
