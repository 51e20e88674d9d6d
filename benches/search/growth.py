"""The growth section: how the time of a query and of a build grows with the rows, synthetic data of one kind."""

import data as datasets
from measure import ask_all, at_recall, recall, timed_pass
from run import say

RECALL = 0.95


def growth(run):
    """Builds and sweeps the indexes with an ef at each number of rows."""
    for rows in run.options.growth:
        run.use(datasets.load("synthetic", rows=rows, dims=run.options.growth_dims, queries=run.options.queries))
        say(f"growth: {run.data.title()}")
        for name, engine in run.engines.items():
            if engine.tuned:
                run.live[name] = engine
                run.attempt(engine, "growth", growth_of, run, engine)
                engine.drop()


def growth_of(run, engine):
    data, points = run.data, []
    engine.load(data, run.categories)
    seconds = engine.build(run.options.threads)
    run.record("growth", engine.name, 1e6 * seconds / data.rows, "build us a row", rows=data.rows)
    searcher = engine.searcher(data.queries)
    for ef in run.options.ef:
        searcher.set_ef(ef)
        reached = recall(data, ask_all(searcher.ask, len(data.queries)))
        rates = [timed_pass(searcher.ask, len(data.queries), run.options.seconds)[0] for _ in range(run.options.rounds)]
        points.append((reached, sorted(rates)[len(rates) // 2]))
        if reached > RECALL + 0.02:
            break
    searcher.close()
    rate = at_recall(points, RECALL)
    run.record("growth", engine.name, 1000 / rate if rate else None, f"ms at recall {RECALL}", rows=data.rows)
    say(f"  {engine.name}: {seconds:.1f} s to build, {f'{rate:.0f} QPS' if rate else 'not reached'}")
