"""Sections that change the rows: insert, vacuum. They mark what has to be loaded again."""

import time

import numpy

from clients import Inserting, searching
from data import Dataset
from engines import CATEGORIES
from measure import ask_all, recall
from reading import WANTED, ef_for
from run import median, say

DELETED = 0.3
WINDOW = 2000


def new_rows(data, count=20000):
    """Vectors to insert: rows of the data set, each moved by a tenth of its length in a direction of its own."""
    random = numpy.random.default_rng(11)
    rows = data.base[random.integers(0, data.rows, min(count, data.rows))]
    noise = random.standard_normal(rows.shape, dtype=numpy.float32)
    lengths = numpy.linalg.norm(rows, axis=1, keepdims=True) / numpy.linalg.norm(noise, axis=1, keepdims=True)
    return rows + numpy.float32(0.1) * noise * lengths


def insert(run):
    """Single rows, a transaction each: the rate with the index and of the table without; recall and rate of searches
    while that goes on; a long run in windows, if asked for."""
    vectors = new_rows(run.data)
    engines = {n: e for n, e in run.live.items() if e.in_server or hasattr(e, "inserter")}
    inserted = dict.fromkeys(engines, 0)
    rates = {}
    for _ in range(run.options.rounds):
        for name, engine in engines.items():
            if name in run.live:
                run.dirty.add(name)
                rate = run.attempt(engine, "insert", insert_for, run, engine, vectors, inserted)
                if rate:
                    rates.setdefault(name, []).append(rate)
    for name, values in rates.items():
        run.record("insert", name, median(values), "rows/s", runs=values)
        say(f"  {name}: {median(values):.0f} single-row inserts a second")
    for name, engine in engines.items():
        if name in run.live and engine.in_server and engine.tuned:
            run.attempt(engine, "insert", search_under_load, run, engine, vectors, inserted)
            if run.options.steady:
                run.attempt(engine, "insert", insert_steadily, run, engine, vectors, inserted)


def insert_for(run, engine, vectors, inserted):
    """Inserts for the seconds of the option; returns rows a second."""
    items = engine.insertable(vectors)
    do, close = engine.inserter()
    done, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < run.options.insert_seconds and done < run.options.most_inserts:
        row = run.data.rows + inserted[engine.name] + done
        do(row, row % CATEGORIES, items[(row - run.data.rows) % len(items)])
        done += 1
    inserted[engine.name] += done
    close()
    return done / elapsed


def insert_steadily(run, engine, vectors, inserted):
    """Inserts as many rows as the option says; records the rate of each window of WINDOW rows."""
    items = engine.insertable(vectors)
    do, close = engine.inserter()
    windows, began = [], time.perf_counter()
    for i in range(run.options.steady):
        do(run.data.rows + inserted[engine.name] + i, i % CATEGORIES, items[i % len(items)])
        if (i + 1) % WINDOW == 0:
            windows.append(WINDOW / (time.perf_counter() - began))
            began = time.perf_counter()
    inserted[engine.name] += run.options.steady
    close()
    run.record("insert", engine.name, min(windows), "rows/s, slowest window", rows=run.options.steady, window=WINDOW,
               median=median(windows), windows=windows)  # fmt: skip
    say(
        f"  {engine.name}: {run.options.steady} rows, {median(windows):.0f} a second, {min(windows):.0f} at the slowest"
    )


def search_under_load(run, engine, vectors, inserted):
    """The rate and recall at rest, and while another process inserts."""
    name, seconds = engine.name, 2 * run.options.seconds
    ef = ef_for(run, name, WANTED[0])
    every = with_inserted(run.data, vectors, inserted[name]).solve()
    searcher = engine.searcher(run.data.queries)
    searcher.set_ef(ef)
    quiet_recall = recall(every, ask_all(searcher.ask, len(run.data.queries)))
    quiet, _ = searching(engine, run.data.queries, 1, ef, seconds)
    first = run.data.rows + inserted[name]
    before = every.rows
    with Inserting(engine, engine.insertable(vectors), first, inserted[name]) as load:
        loaded, _ = searching(engine, run.data.queries, 1, ef, seconds)
        found = ask_all(searcher.ask, len(run.data.queries))
    searcher.close()
    inserted[name] += load.inserted
    run.record("insert", name, quiet, "QPS at rest", ef=ef, recall=quiet_recall)
    run.record("insert", name, loaded, "QPS under load", ef=ef, recall=recall_of_old(every, found, before),
               rows_per_second=load.rate)  # fmt: skip
    say(f"  {name}: {quiet:.0f} QPS at rest, {loaded:.0f} beside {load.rate:.0f} inserts a second")


def with_inserted(data, vectors, count):
    """The data set with the first `count` rows that were inserted."""
    added = vectors[numpy.arange(count) % len(vectors)]
    return Dataset(data.name, data.metric, numpy.vstack([data.base, added]), data.queries)


def recall_of_old(data, found, rows):
    """Recall among the rows that were there before: which newer ones a search should have seen nobody knows. The r old
    rows of an answer should be the r nearest old ones."""
    shares = []
    for query, ids in enumerate(found):
        old = [i for i in ids if i < rows]
        if old:
            shares.append(recall_share(data, query, old))
    return float(numpy.mean(shares)) if shares else None


def recall_share(data, query, ids):
    one = Dataset(data.name, data.metric, data.base, data.queries[query : query + 1])
    return recall(one, [ids], data.truth[query : query + 1], data.limits[query : query + 1], k=len(ids))


def vacuum(run):
    """Deletes 30 % of the rows at random; VACUUM's seconds; rate and recall before, between and after."""
    kept = run.categories >= DELETED * CATEGORIES
    truth = run.data.where(kept)
    for name, engine in list(run.live.items()):
        if engine.in_server:
            run.dirty.add(name)
            run.attempt(engine, "vacuum", vacuum_of, run, engine, truth)


def vacuum_of(run, engine, truth):
    name, table = engine.name, engine.table
    engine.run(f"ALTER TABLE {table} SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)", "CHECKPOINT")

    def look(when, truth, limits):
        for wanted in WANTED if engine.tuned else ():
            ef = ef_for(run, name, wanted)
            rates = [searching(engine, run.data.queries, 1, ef, run.options.seconds)[0]
                     for _ in range(run.options.rounds)]  # fmt: skip
            searcher = engine.searcher(run.data.queries)
            searcher.set_ef(ef)
            reached = recall(run.data, ask_all(searcher.ask, len(run.data.queries)), truth, limits)
            searcher.close()
            run.record("vacuum", name, median(rates), "QPS", when=when, wanted=wanted, ef=ef, recall=reached)

    look("before", run.data.truth, run.data.limits)
    seconds = engine.run(f"DELETE FROM {table} WHERE cat < {round(DELETED * CATEGORIES)}")
    run.record("vacuum", name, seconds, "s", what="DELETE")
    look("deleted", *truth)
    engine.run("CHECKPOINT")
    seconds = engine.run(f"VACUUM {table}")
    run.record("vacuum", name, seconds, "s", what="VACUUM")
    say(f"  {name}: VACUUM {seconds:.3f} s")
    run.record("vacuum", name, engine.repaired(), "s", what="repair in the background")
    look("after", *truth)
