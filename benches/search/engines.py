"""The engines inside the server: one class each, tables and indexes made and searched through SQL.

An engine has a name, `exact` (finds the true neighbours) and `tuned` (has an ef to choose), and does load, build,
searcher, size. libraries.py has the engines outside the server, with the same methods.
"""

import time
from dataclasses import dataclass
from typing import Callable, Optional

from measure import K
from session import Session, wire

# Every row's category is one of so many, at random; filters choose the first of them.
CATEGORIES = 10000
OPERATORS = {"l2": "<->", "cosine": "<=>"}

# how long a graph's repair may take after VACUUM
MOST_SECONDS_OF_REPAIR = 600


@dataclass
class Searcher:
    """`ask(i)` returns the ids found for query i; `set_ef` is None where there is no ef."""

    ask: Callable
    set_ef: Optional[Callable] = None
    close: Callable = lambda: None
    pid: int = 0


class Missing(Exception):
    """The engine is not there; the text says why."""


class SqlEngine:
    """A table with an index or without. Subclasses say which."""

    in_server = True
    start_method = "fork"
    exact = False
    tuned = False
    extension, type, table_am, index_am, ef_setting = "pg_zvec", "zvec", "zvec", None, None
    # whether the index can have further columns included
    includes = False
    # settings of a session that searches, where the index is what is measured
    forced = ()

    def __init__(self, server, options):
        self.server, self.options = server, options
        self.table = "bench_" + self.name.replace(" ", "_")
        self.data = self.session = None

    def require(self):
        """Raises Missing if the server lacks what the engine needs; creates the extension."""
        with self.server.session() as s:
            if not s.value("SELECT count(*) FROM pg_available_extensions WHERE name = %s", self.extension):
                raise Missing(f"the server has no extension {self.extension}")
            s.run(f"CREATE EXTENSION IF NOT EXISTS {self.extension}")
            for am in filter(None, (self.table_am, self.index_am)):
                if not s.has("access method", am):
                    raise Missing(f"the server has no access method {am}")

    def version(self):
        with self.server.session() as s:
            return s.value("SELECT extversion FROM pg_extension WHERE extname = %s", self.extension)

    def load(self, data, categories):
        """Makes the table anew, with the rows of `data`; returns the seconds of the COPY."""
        self.data = data
        with self.server.session() as s:
            s.run(f"DROP TABLE IF EXISTS {self.table}")
            s.run(f"CREATE TABLE {self.table} (id int, cat int, v {self.type}({data.dims})) USING {self.table_am}")
            began = time.perf_counter()
            s.load(self.table, data.base, categories, type=self.type)
            seconds = time.perf_counter() - began
            s.run("CHECKPOINT")
            s.run(f"VACUUM (FREEZE, ANALYZE) {self.table}")
        return seconds

    def index(self):
        return f"{self.table}_v"

    def index_options(self):
        return f"m = {self.options.m}, ef_construction = {self.options.ef_construction}"

    def build_settings(self, threads):
        """Settings that make CREATE INDEX use `threads` threads or processes."""
        return []

    def operator_class(self):
        return f"{self.type}_{self.data.metric}_ops"

    def build(self, threads, include=None):
        """Builds the index anew, with a column included perhaps; returns seconds, None without an index."""
        if not self.index_am:
            return None
        with self.server.session() as s:
            s.run(f"DROP INDEX IF EXISTS {self.index()}")
            s.run("CHECKPOINT")
            for setting in [f"maintenance_work_mem = '{self.options.memory}'"] + self.build_settings(threads):
                s.run(f"SET {setting}")
            options = self.index_options()
            began = time.perf_counter()
            s.run(f"CREATE INDEX {self.index()} ON {self.table} USING {self.index_am} (v {self.operator_class()})"
                  + (f" INCLUDE ({include})" if include else "") + (f" WITH ({options})" if options else ""))  # fmt: skip
            seconds = time.perf_counter() - began
            s.run("CHECKPOINT")
            s.run(f"ANALYZE {self.table}")
        return seconds

    def query(self, where=None, parameter="$1"):
        condition = f" WHERE {where}" if where else ""
        return f"SELECT id FROM {self.table}{condition} ORDER BY v {OPERATORS[self.data.metric]} {parameter} LIMIT {K}"

    def searcher(self, queries, where=None, settings=(), free=False):
        """A session of its own that searches for `queries` (count, dimensions), among the rows that `where` keeps. The
        planner has to take the engine's index, unless it is `free`."""
        session = Session(self.server.conninfo, [*(() if free else self.forced), *settings])
        ask, parameters = session.asker(self.query(where)), wire(queries, self.type)

        def set_ef(ef):
            session.run(f"SET {self.ef_setting} = {ef}")

        pid = session.connection.info.backend_pid
        return Searcher(lambda i: ask(parameters[i]), set_ef if self.tuned else None, session.close, pid)

    def keep(self, session, queries):
        """Makes a table (id int, cat int, v) of the queries; returns its name."""
        table = f"{self.table}_queries"
        session.run(f"DROP TABLE IF EXISTS {table}")
        session.run(f"CREATE TABLE {table} (id int, cat int, v {self.type}({self.data.dims}))")
        session.load(table, queries, type=self.type)
        session.run(f"VACUUM ANALYZE {table}")
        return table

    def lateral(self, queries, settings=()):
        """A function that searches for all of `queries` in one statement, among the rows that its argument keeps, and
        returns the seconds; with a close."""
        session = Session(self.server.conninfo, settings)
        table = self.keep(session, queries)

        def search(where):
            one = self.query(where, "q.v").replace("ORDER BY v", f"ORDER BY {self.table}.v")
            one = one.replace("SELECT id", f"SELECT {self.table}.id").replace(" cat ", f" {self.table}.cat ")
            began = time.perf_counter()
            session.run(f"SELECT count(*) FROM {table} AS q CROSS JOIN LATERAL ({one}) AS found")
            return time.perf_counter() - began

        def close():
            session.run(f"DROP TABLE {table}")
            session.close()

        search.close = close
        return search

    def plan(self, where=None, settings=()):
        """The plan of a search, its lines joined, as a free planner makes it."""
        with self.server.session(settings) as s:
            text = s.value(f"SELECT v::text FROM {self.table} LIMIT 1")
            return s.plan(self.query(where, f"'{text}'::{self.type}")).replace(text, "...")

    insertable = staticmethod(wire)

    def inserter(self):
        """A function that inserts one row (id, cat, an item of `insertable`) in a transaction, and a close."""
        session = Session(self.server.conninfo, ["synchronous_commit = off"])
        do = session.doer(f"INSERT INTO {self.table} (id, cat, v) VALUES ($1, $2, $3)")

        def insert(row, category, vector):
            do(row.to_bytes(4, "big"), category.to_bytes(4, "big"), vector)

        return insert, session.close

    def filter_settings(self):
        """Settings of a session that searches with a condition."""
        return []

    def run(self, *statements):
        """Runs statements in one session; returns the seconds they took."""
        with self.server.session() as s:
            began = time.perf_counter()
            for statement in statements:
                s.run(statement)
            return time.perf_counter() - began

    def size(self):
        """(bytes of the table with its TOAST relation, bytes of the vector's index)."""
        with self.server.session() as s:
            return (s.value("SELECT pg_table_size(%s::regclass)::bigint", self.table),
                    s.value("SELECT coalesce(pg_relation_size(to_regclass(%s)), 0)::bigint", self.index()))  # fmt: skip

    def drop(self):
        with self.server.session() as s:
            s.run(f"DROP TABLE IF EXISTS {self.table}")

    def repaired(self):
        """Waits until what VACUUM has left to others is done; returns the seconds."""
        return 0.0


class HeapScan(SqlEngine):
    name, title, table_am, exact = "heap", "heap table, type zvec, sequential scan", "heap", True


class ZvecScan(SqlEngine):
    name, title, exact = "zvec", "zvec table, no index", True


class ZvecSort(SqlEngine):
    """The same by what PostgreSQL would do alone."""

    name, title, exact = "zvec sort", "zvec table, sequential scan and sort", True
    forced = ("zvec.enable_exact_scan = off",)


class Indexed(SqlEngine):
    """A table with an index, which searches use."""

    forced = ("enable_seqscan = off",)


class ZvecFlat(Indexed):
    name, title, exact, index_am = "zvec_flat", "zvec table, zvec_flat", True, "zvec_flat"

    def index_options(self):
        return ""


class ZvecHnsw(Indexed):
    includes = True
    name, title, index_am, tuned, ef_setting = "zvec_hnsw", "zvec table, zvec_hnsw", "zvec_hnsw", True, "zvec.ef_search"

    def build_settings(self, threads):
        return [f"pg_zvec.optimize_threads = {threads}"]

    def repaired(self):
        began = time.perf_counter()
        with self.server.session() as s:
            while s.value("SELECT sum(dead) FROM zvec_index_stats(%s)", self.table) > 0:
                if time.perf_counter() - began > MOST_SECONDS_OF_REPAIR:
                    raise Missing("nobody repairs the graph")
                time.sleep(0.01)
        return time.perf_counter() - began


class ZvecHnswCompact(ZvecHnsw):
    """The index with the options that make it smaller."""

    name, title = "zvec_hnsw compact", "zvec table, zvec_hnsw with the compact options"

    def require(self):
        if not self.options.compact:
            raise Missing("no compact options given")
        super().require()

    def index_options(self):
        return f"{super().index_options()}, {self.options.compact}"


class Pgvector(Indexed):
    name, title, extension, type, table_am = "pgvector", "pgvector hnsw", "vector", "vector", "heap"
    index_am, tuned, ef_setting = "hnsw", True, "hnsw.ef_search"

    def build_settings(self, threads):
        return [f"max_parallel_maintenance_workers = {threads - 1}", "min_parallel_table_scan_size = 0"]

    def filter_settings(self):
        """What makes a filtered search go on until it has all its rows, where this version can."""
        with self.server.session() as s:
            s.run("LOAD 'vector'")
            return ["hnsw.iterative_scan = strict_order"] if s.has("setting", "hnsw.iterative_scan") else []


class PgvectorScan(SqlEngine):
    """pgvector's type without an index, in a table of its own."""

    name, title, extension, type, table_am = "pgvector scan", "pgvector, sequential scan", "vector", "vector", "heap"
    exact = True


SQL_ENGINES = [HeapScan, ZvecSort, ZvecScan, ZvecFlat, ZvecHnsw, ZvecHnswCompact, PgvectorScan, Pgvector]
