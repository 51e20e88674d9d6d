"""The filter section: searches with `WHERE cat < x`, where cat is random, at the engines' default settings."""

from engines import CATEGORIES
from measure import K, ask_all, recall, timed_pass
from run import median, say

SHARES = (0.5, 0.1, 0.01, 0.001)


def filters(run):
    """Rows returned, recall and rate at each share of rows that the condition keeps, without a btree on cat and with
    one; the unfiltered rate beside them."""
    engines = {n: e for n, e in run.live.items() if e.in_server and e.index_am}
    count = min(len(run.data.queries), run.options.filter_queries)
    truths = {share: run.data.where(run.categories < share * CATEGORIES) for share in SHARES}
    for btree in (False, True):
        for engine in engines.values():
            if btree:
                engine.run(f"CREATE INDEX {engine.table}_cat ON {engine.table} (cat)", f"ANALYZE {engine.table}")
            run.attempt(engine, "filter", filters_of, run, engine, truths, count, btree)
            if btree:
                engine.run(f"DROP INDEX {engine.table}_cat")


def filters_of(run, engine, truths, count, btree):
    queries, settings = run.data.queries[:count], engine.filter_settings()
    searchers, rates = {}, {}
    for share in (None, *SHARES):
        where = None if share is None else f"cat < {round(share * CATEGORIES)}"
        searchers[share] = engine.searcher(queries, where=where, settings=settings, free=True)
        found = ask_all(searchers[share].ask, count)
        truth, limits = truths[share] if share else (run.data.truth, run.data.limits)
        fewest = min(len(ids) for ids in found)
        wrong = sum(1 for ids in found for i in ids if share and run.categories[i] >= share * CATEGORIES)
        reached = recall(run.data, found, truth[:count], limits[:count])
        parameters = {"share": share or 1, "btree": btree}
        run.record("filter", engine.name, reached, "recall", **parameters)
        run.record("filter", engine.name, fewest, "rows, the fewest", wanted=int(min(K, (truth >= 0).sum(1).min())),
                   wrong=wrong, plan=engine.plan(where, settings), **parameters)  # fmt: skip
    for _ in range(run.options.rounds):
        for share, searcher in searchers.items():
            rates.setdefault(share, []).append(timed_pass(searcher.ask, count, run.options.seconds)[0])
    for share, searcher in searchers.items():
        searcher.close()
        run.record("filter", engine.name, median(rates[share]), "QPS", share=share or 1, btree=btree, runs=rates[share])
    shown = ", ".join(f"{100 * (s or 1):g} %: {median(r):.0f}" for s, r in rates.items())
    say(f"  {engine.name}, {'with' if btree else 'without'} btree: QPS at {shown}")
