"""Sections that only read: build, size, exact, search, clients, overhead, cold."""

import json
import os
import re

import numpy

from clients import searching
from engines import OPERATORS
from measure import K, ask_all, at_recall, recall, timed_pass
from run import median, say
from session import wire

# A sweep ends when an engine has reached this recall.
ENOUGH = 0.998
WANTED = (0.95, 0.99)


def build(run):
    """Loads every engine, and builds with one thread and with as many as the option says; the last build stays."""
    for name, engine in run.engines.items():
        run.live[name] = engine
        seconds = run.attempt(engine, "build", engine.load, run.data, run.categories)
        if seconds is not None:
            run.record("load", name, seconds, "s")
        for threads in run.options.build_threads:
            if name not in run.live:
                break
            seconds = run.attempt(engine, "build", engine.build, threads)
            if seconds is not None:
                say(f"  {name}: {seconds:.2f} s, {threads} threads")
                run.record("build", name, seconds, "s", threads=threads)


def size(run):
    """Bytes of the table and the index, as the server counts them; of a library's index, its file."""
    for name, engine in list(run.live.items()):
        sizes = run.attempt(engine, "size", engine.size)
        if sizes:
            run.record("size", name, sizes[0], "bytes", what="table")
            run.record("size", name, sizes[1], "bytes", what="index")


def exact(run):
    """Milliseconds a query of the exact engines, with one thread and with two workers. A library is given two threads,
    which none of those here uses for a single query."""
    count = min(len(run.data.queries), run.options.exact_queries)
    queries = run.data.queries[:count]
    engines = {n: e for n, e in run.live.items() if e.exact}
    times = {}
    for round_number in range(run.options.rounds):
        for name, engine in engines.items():
            for workers in (0, 2):
                searcher = exact_searcher(engine, queries, workers)
                first = ask_all(searcher.ask, count)
                if round_number == 0:
                    reached = recall(run.data, first)
                    if reached < 0.9999:
                        say(f"  {name} is exact but has recall {reached:.4f}")
                    run.record("exact", name, reached, "recall", workers=workers)
                _, latencies = timed_pass(searcher.ask, count, run.options.seconds)
                times.setdefault((name, workers), []).append(1000 * float(numpy.median(latencies)))
                searcher.close()
    for (name, workers), all_times in times.items():
        planned = None
        if run.live[name].in_server:
            plan = run.live[name].plan(settings=[*run.live[name].forced, *parallel(workers)])
            planned = int((re.search(r"Workers Planned: (\d+)", plan) or [0, 0])[1])
        run.record("exact", name, median(all_times), "ms", workers=workers, planned=planned, runs=all_times)
        say(f"  {name}: {median(all_times):.2f} ms, {workers} workers ({planned} planned)")


def parallel(workers):
    """Settings of a session that may use so many workers, whatever the table's size."""
    if not workers:
        return ["max_parallel_workers_per_gather = 0", "pg_zvec.query_threads = 0"]
    return [f"max_parallel_workers_per_gather = {workers}", f"pg_zvec.query_threads = {workers}",
            "parallel_setup_cost = 0", "parallel_tuple_cost = 0",
            "min_parallel_table_scan_size = 0", "min_parallel_index_scan_size = 0"]  # fmt: skip


def exact_searcher(engine, queries, workers):
    if engine.in_server:
        return engine.searcher(queries, settings=parallel(workers))
    return engine.searcher(queries, threads=max(1, workers))


def search(run):
    """Recall and rate of the engines that have an ef, one client, all engines at one ef before the next ef."""
    engines = {n: e for n, e in run.live.items() if e.tuned}
    count = len(run.data.queries)
    searchers, recalls, rates, latencies = {}, {}, {}, {}
    for name, engine in engines.items():
        searchers[name] = run.attempt(engine, "search", engine.searcher, run.data.queries)
        if engine.in_server and searchers[name]:
            tell_plan(run, engine)
    searchers = {name: searcher for name, searcher in searchers.items() if searcher}
    for round_number in range(run.options.rounds):
        for ef in run.options.ef:
            for name, searcher in searchers.items():
                if round_number == 0 and not any(r >= ENOUGH for (n, _), r in recalls.items() if n == name):
                    searcher.set_ef(ef)
                    recalls[name, ef] = recall(run.data, ask_all(searcher.ask, count))
                elif (name, ef) not in recalls:
                    continue
                searcher.set_ef(ef)
                rate, times = timed_pass(searcher.ask, count, run.options.seconds)
                rates.setdefault((name, ef), []).append(rate)
                latencies.setdefault((name, ef), []).append(times)
    for (name, ef), reached in recalls.items():
        p50, p99 = numpy.percentile(numpy.concatenate(latencies[name, ef]), [50, 99]) * 1e6
        run.record("search", name, median(rates[name, ef]), "QPS", ef=ef, clients=1, recall=reached, p50_us=p50,
                   p99_us=p99, runs=rates[name, ef])  # fmt: skip
    for name, searcher in searchers.items():
        searcher.close()
        points = [(recalls[n, ef], median(rates[n, ef])) for n, ef in recalls if n == name]
        for wanted in WANTED:
            rate = at_recall(points, wanted)
            run.record("search", name, rate, "QPS at recall", recall=wanted)
            say(f"  {name}: {f'{rate:.0f} QPS' if rate else 'not reached:'} recall {wanted}")


def tell_plan(run, engine):
    """Says so if a free planner does not use the index to search, and if a planner that may not scan the table does not
    either: then the figures are not the index's."""
    for who, settings in (("a free planner", ()), ("even without sequential scans the planner", engine.forced)):
        plan = engine.plan(settings=settings)
        if engine.index() not in plan:
            say(f"  {engine.name}: {who} does not use {engine.index()}:\n{plan}")
            run.record("search", engine.name, plan, "plan without the index", who=who)


def ef_for(run, name, wanted):
    """The smallest ef that reached recall `wanted` in the search section; the largest tried if none did."""
    lines = sorted(run.found("search", name, "QPS", clients=1), key=lambda line: line["parameters"]["ef"])
    enough = [line["parameters"]["ef"] for line in lines if line["parameters"]["recall"] >= wanted]
    if enough:
        return enough[0]
    return lines[-1]["parameters"]["ef"] if lines else 64


def clients(run):
    """The rate of one and of two client processes, at the ef for each of the wanted recalls."""
    engines = {n: e for n, e in run.live.items() if e.tuned}
    for wanted in WANTED:
        rates = {}
        for _ in range(run.options.rounds):
            for name, engine in engines.items():
                for number in (1, 2):
                    if name not in run.live:
                        break
                    result = run.attempt(engine, "clients", searching, engine, run.data.queries, number,
                                         ef_for(run, name, wanted), run.options.seconds)  # fmt: skip
                    if result:
                        rates.setdefault((name, number), []).append(result[0])
        for (name, number), values in rates.items():
            run.record("clients", name, median(values), "QPS", clients=number, recall=wanted,
                       ef=ef_for(run, name, wanted), runs=values)  # fmt: skip
        for name in {name for name, _ in rates}:
            if (name, 2) in rates:
                ratio = median(rates[name, 2]) / median(rates[name, 1])
                say(f"  {name}: two clients {ratio:.2f} x one, at recall {wanted}")


def overhead(run):
    """What a search costs beside the graph: a prepared search at ef 10 in an index of 100 rows, minus `SELECT 1`; by
    the client's clock, and in a loop inside the server (no protocol, no parameter to parse)."""
    for engine in list(run.live.values()):
        if engine.in_server and engine.tuned:
            run.attempt(engine, "overhead", overhead_of, run, engine)


def overhead_of(run, engine):
    data, table = run.data, "bench_tiny"
    settings = [*engine.forced, f"{engine.ef_setting} = 10"]
    operator = OPERATORS[data.metric]
    with run.server.session() as s:
        s.run(f"DROP TABLE IF EXISTS {table}")
        s.run(f"CREATE TABLE {table} (id int, cat int, v {engine.type}({data.dims})) USING {engine.table_am}")
        s.load(table, data.base[:100])
        s.run(f"CREATE INDEX ON {table} USING {engine.index_am} (v {engine.operator_class()})")
        s.run(f"VACUUM ANALYZE {table}")
    vectors = wire(data.queries[:100])
    with run.server.session(settings) as s:
        asks = {
            "SELECT 1": s.asker("SELECT 1"),
            "the parameter alone": s.asker(f"SELECT 1 WHERE $1::{engine.type} IS NOT NULL"),
            "100 rows": s.asker(f"SELECT id FROM {table} ORDER BY v {operator} $1 LIMIT {K}"),
            "all rows": s.asker(engine.query()),
        }
        times = {what: [] for what in asks}
        for _ in range(run.options.rounds):
            for what, ask in asks.items():
                parameters = [()] * 100 if what == "SELECT 1" else [(v,) for v in vectors]
                _, latencies = timed_pass(lambda i, a=ask, p=parameters: a(*p[i]), 100, run.options.seconds)
                times[what].append(1e6 * float(numpy.median(latencies)))
        for what, values in times.items():
            run.record("overhead", engine.name, median(values), "us", what=what, by="client")
        ours = median(times["100 rows"]) - median(times["SELECT 1"])
        run.record("overhead", engine.name, ours, "us", what="100 rows minus SELECT 1", by="client")
        loops = ("1", f"id FROM {table} ORDER BY v {operator} q LIMIT {K}")
        nothing, whole = (min(server_loop(s, engine, table, query) for _ in range(5)) for query in loops)
    inside = whole - nothing
    run.record("overhead", engine.name, inside, "us", what="100 rows minus SELECT 1", by="server loop")
    engine.run(f"DROP TABLE {table}")
    say(f"  {engine.name}: {ours:.0f} us by the client, {inside:.0f} us in a loop inside the server")


def server_loop(session, engine, table, query, repeats=2000):
    """Microseconds of one of `repeats` runs of `SELECT query` in PL/pgSQL; `q` in it is the parameter."""
    session.run(f"""DO $$ DECLARE q {engine.type}; started timestamptz; BEGIN
        SELECT v INTO q FROM {table} LIMIT 1;
        FOR i IN 1..{repeats + 100} LOOP
            IF i = 101 THEN started := clock_timestamp(); END IF;
            PERFORM {query};
        END LOOP;
        PERFORM set_config('bench.us',
            (1e6 * extract(epoch FROM clock_timestamp() - started) / {repeats})::text, false);
    END $$""")
    return float(session.value("SELECT current_setting('bench.us')"))


def cold(run):
    """The first 100 queries after a restart: blocks read and milliseconds. --drop-caches empties the kernel's cache
    too, if it lets us; else the blocks come from there."""
    if not run.server.restart_command:
        run.skip("server", "cold", "no command to restart the server")
        return
    for name, engine in list(run.live.items()):
        if not (engine.in_server and engine.tuned):
            continue
        ef = ef_for(run, name, WANTED[0])
        with run.server.session() as s:
            s.run("CHECKPOINT")
        run.server.restart()
        dropped = run.options.drop_caches and drop_caches()
        blocks, times = [], []
        with run.server.session([*engine.forced, f"{engine.ef_setting} = {ef}"]) as s:
            explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + engine.query(parameter="%s")
            for query in run.data.queries[:100]:
                text = "[" + ",".join(str(float(x)) for x in query) + "]"
                plan = s.value(explain.replace("%s", f"'{text}'::{engine.type}"))
                plan = (json.loads(plan) if isinstance(plan, str) else plan)[0]
                blocks.append(plan["Plan"]["Shared Read Blocks"])
                times.append(plan["Execution Time"])
        run.record("cold", name, float(numpy.mean(blocks)), "blocks a query", ef=ef, caches_dropped=bool(dropped))
        run.record("cold", name, float(numpy.mean(times)), "ms", ef=ef, caches_dropped=bool(dropped))
        say(f"  {name}: {numpy.mean(blocks):.1f} blocks read a query, {numpy.mean(times):.2f} ms")


def drop_caches():
    """Empties the kernel's page cache; whether that was allowed."""
    try:
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3\n")
        return True
    except OSError:
        return False
