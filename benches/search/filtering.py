"""The filter section: searches with `WHERE cat < x`, where cat is random, at the engines' default settings.

Client and server process share one core, if they may: to wake another one takes as long as half of a query. LATERAL: the same
queries in one statement, without round trips.
"""

import os
from contextlib import contextmanager

from engines import CATEGORIES
from measure import K, ask_all, recall, timed_pass
from run import median, say

SHARES = (0.5, 0.1, 0.01, 0.001)
# what the engine has to find the rows by
KNOWN = {"row": "nothing", "btree": "a btree", "included": "an included column"}


def filters(run):
    """Rows returned, recall and rate at each share of rows that the condition keeps, without an index on cat, with
    a btree, and with cat included in the vectors' index; the unfiltered rate beside them."""
    engines = {n: e for n, e in run.live.items() if e.in_server and e.index_am}
    count = min(len(run.data.queries), run.options.filter_queries)
    truths = {share: run.data.where(run.categories < share * CATEGORIES) for share in SHARES}
    for known in KNOWN:
        for engine in engines.values():
            if known == "included" and not engine.includes:
                continue
            if known == "btree":
                engine.run(f"CREATE INDEX {engine.table}_cat ON {engine.table} (cat)", f"ANALYZE {engine.table}")
            if known == "included":
                engine.build(run.options.threads, include="cat")
            run.attempt(engine, "filter", filters_of, run, engine, truths, count, known)
            if known == "btree":
                engine.run(f"DROP INDEX {engine.table}_cat")
            if known == "included":
                engine.build(run.options.threads)


def filters_of(run, engine, truths, count, known):
    queries, settings = run.data.queries[:count], engine.filter_settings()
    searchers, rates, together = {}, {}, {}
    wheres = {share: None if share is None else f"cat < {round(share * CATEGORIES)}" for share in (None, *SHARES)}
    for share, where in wheres.items():
        searchers[share] = engine.searcher(queries, where=where, settings=settings, free=True)
        found = ask_all(searchers[share].ask, count)
        truth, limits = truths[share] if share else (run.data.truth, run.data.limits)
        fewest = min(len(ids) for ids in found)
        wrong = sum(1 for ids in found for i in ids if share and run.categories[i] >= share * CATEGORIES)
        reached = recall(run.data, found, truth[:count], limits[:count])
        parameters = {"share": share or 1, "known": known}
        run.record("filter", engine.name, reached, "recall", **parameters)
        run.record("filter", engine.name, fewest, "rows, the fewest", wanted=int(min(K, (truth >= 0).sum(1).min())),
                   wrong=wrong, plan=engine.plan(where, settings), **parameters)  # fmt: skip
    lateral = engine.lateral(queries, settings)
    for _ in range(run.options.rounds):
        for share, searcher in searchers.items():
            with on_one_core(searcher.pid):
                rates.setdefault(share, []).append(timed_pass(searcher.ask, count, run.options.seconds)[0])
            together.setdefault(share, []).append(count / lateral(wheres[share]))
    lateral.close()
    for share, searcher in searchers.items():
        searcher.close()
        for unit, values in (("QPS", rates[share]), ("QPS, LATERAL", together[share])):
            run.record("filter", engine.name, median(values), unit, share=share or 1, known=known, runs=values)
    shown = ", ".join(f"{100 * (s or 1):g} %: {median(r):.0f} ({median(together[s]):.0f})" for s, r in rates.items())
    say(f"  {engine.name}, with {KNOWN[known]}: QPS (LATERAL) at {shown}")


@contextmanager
def on_one_core(pid):
    """This process and `pid` on one core, where the system lets it; other processes stay where they are."""
    before = os.sched_getaffinity(0)
    core = {max(before)}
    try:
        os.sched_setaffinity(pid, core)
        os.sched_setaffinity(0, core)
    except (PermissionError, ProcessLookupError):
        pass
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
