"""What the programs share: where the server is, and what must hold of the tables that a library has made."""
import os
import sys
import traceback
import urllib.parse

import psycopg

HOST, PORT, USER = os.environ["PGHOST"], int(os.environ["PGPORT"]), os.environ["PGUSER"]
DATABASE = os.environ["PGDATABASE"]
DSN = f"host={HOST} port={PORT} user={USER} dbname={DATABASE}"


def url(driver):
    """The address as SQLAlchemy takes it; the server listens on a socket only."""
    return f"postgresql+{driver}://{USER}@/{DATABASE}?" + urllib.parse.urlencode({"host": HOST, "port": PORT})


def numbers(vector):
    """The elements: versions of the library give NumPy arrays, lists or objects of their own."""
    for method in ("to_list", "tolist"):
        if hasattr(vector, method):
            return getattr(vector, method)()
    return list(vector)


def execute(sql, parameters=None):
    with psycopg.connect(DSN, autocommit=True) as connection:
        cursor = connection.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else None


def in_zvec(table, column, live):
    """The table is of access method zvec, as the database's default says; its vectors are in the vector store, and sound."""
    method = execute("SELECT amname FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE c.oid = %s::regclass", [table])
    assert method == [("zvec",)], method
    stored = execute("SELECT sum(live)::int FROM zvec_segments(%s) WHERE column_name = %s", [table, column])
    assert stored == [(live,)], (table, column, stored)
    wrong = execute("SELECT * FROM zvec_check(%s)", [table])
    assert wrong == [], wrong


def plan_of(sql, parameters=None):
    """The plan's lines in one; sequential scans and sorts are made dear, so that an index that fits is taken."""
    with psycopg.connect(DSN, autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off; SET enable_sort = off; SET zvec.enable_exact_scan = off")
        return "\n".join(row[0] for row in connection.execute("EXPLAIN (COSTS OFF) " + sql, parameters))


def run(name, *tests):
    """Runs the tests, and tells of each."""
    failed = False
    for test in tests:
        what = (test.__doc__ or test.__name__).strip()
        try:
            test()
            print(f"ok clients: {name}: {what}", flush=True)
        except Exception:
            failed = True
            traceback.print_exc()
            print(f"not ok clients: {name}: {what}", flush=True)
    sys.exit(failed)
