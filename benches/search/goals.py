"""What pg_zvec wants to reach, and what a run measured of it.

Each function here yields (number, what, measured, bound) for a data set: `bound` is ">= 0.8" or "<= 1.1"; `measured` is
None where the run did not measure one of the figures that it needs.
"""

from filtering import KNOWN, SHARES
from reading import WANTED

OURS, BASE = "zvec_hnsw", "hnswlib"


def ratio(a, b):
    return a / b if a is not None and b else None


def at(run, wanted, engine=OURS):
    return run.figure("search", engine, "QPS at recall", recall=wanted)


def searching(run):
    bounds = {0.95: 1.0, 0.99: 1.5} if run.data.name == "synthetic" else {0.95: 0.8, 0.99: 1.2}
    for wanted in WANTED:
        rates = at(run, wanted), at(run, wanted, BASE)
        yield 1, f"QPS at recall {wanted}, / {BASE}'s", ratio(*rates), f">= {bounds[wanted]}"
    for wanted in WANTED:
        one, two = (run.figure("clients", OURS, "QPS", clients=n, recall=wanted) for n in (1, 2))
        yield 1, f"QPS of two clients / one client's, at recall {wanted}", ratio(two, one), ">= 1.9"
    tails = [line["parameters"]["p99_us"] / line["parameters"]["p50_us"] for line in run.found("search", OURS, "QPS")
             if line["parameters"]["recall"] >= WANTED[0]]  # fmt: skip
    yield 1, f"latency p99 / p50, the worst ef with recall >= {WANTED[0]}", max(tails, default=None), "<= 3"


def building(run):
    seconds = [run.figure("build", engine, "s", threads=2) for engine in (OURS, BASE)]
    yield 3, f"build with 2 threads, seconds / {BASE}'s", ratio(*seconds), "<= 0.5"
    yield 3, f"QPS at recall 0.99 of that index / {BASE}'s", ratio(at(run, 0.99), at(run, 0.99, BASE)), ">= 1"


def inserting(run):
    with_index, without = (run.figure("insert", engine, "rows/s") for engine in (OURS, "zvec"))
    yield 4, "single-row inserts a second, with the index / without", ratio(with_index, without), ">= 0.7"
    steady = run.found("insert", OURS, "rows/s, slowest window")
    if steady:
        p = steady[-1]["parameters"]
        share = steady[-1]["value"] / p["median"]
        # "steady" has no number in the goal: half is the bound here
        yield 4, f"slowest {p['window']:,} of {p['rows']:,} inserts / the median rate", share, ">= 0.5"
    rest, load = (run.found("insert", OURS, f"QPS {when}") for when in ("at rest", "under load"))
    if rest and load:
        rest, load = rest[-1], load[-1]
        yield 4, "QPS beside inserts / at rest", ratio(load["value"], rest["value"]), ">= 0.8"
        yield 4, "recall beside inserts / at rest", \
            ratio(load["parameters"]["recall"], rest["parameters"]["recall"]), ">= 0.8"  # fmt: skip


def vacuuming(run):
    seconds = run.figure("vacuum", OURS, "s", what="VACUUM")
    yield 5, "VACUUM after 30 % deleted, seconds / build's with 2 threads", \
        ratio(seconds, run.figure("build", OURS, "s", threads=2)), "<= 0.1"  # fmt: skip
    for wanted in WANTED:
        # when the graph is repaired
        lines = [run.found("vacuum", OURS, "QPS", when=when, wanted=wanted) for when in ("before", "after")]
        if all(lines):
            before, after = (found[-1] for found in lines)
            yield 5, f"QPS after it / before, at recall {wanted}", ratio(after["value"], before["value"]), ">= 1"
            yield 5, f"recall after it / before, at recall {wanted}", \
                ratio(after["parameters"]["recall"], before["parameters"]["recall"]), ">= 1"  # fmt: skip


def scanning(run):
    flat, scan, library = (run.figure("exact", e, "ms", workers=0) for e in ("zvec_flat", "zvec", "faiss flat"))
    yield 6, "exact, zvec_flat: ms / faiss IndexFlat's, one thread", ratio(flat, library), "<= 1.1"
    yield 6, "exact, no index: ms / faiss IndexFlat's, one thread", ratio(scan, library), "<= 2.5"
    for engine, alone in (("zvec_flat", flat), ("zvec", scan)):
        two = run.figure("exact", engine, "ms", workers=2)
        yield 6, f"exact, {engine}: speed with 2 parallel workers / one process's", ratio(alone, two), ">= 1.7"


def both_sizes(run, engine):
    sizes = [run.figure("size", engine, "bytes", what=what) for what in ("table", "index")]
    return None if None in sizes else sum(sizes)


def sizing(run):
    ours, others = both_sizes(run, OURS), both_sizes(run, "pgvector")
    yield 7, "table and index / pgvector's", ratio(ours, others), "<= 0.85"
    yield 7, "table and index / the raw vectors", ratio(ours, run.data.raw_bytes), ""
    compact = f"{OURS} compact"
    if run.found("size", compact):
        yield 7, "compact choice: table and index / the raw vectors", \
            ratio(both_sizes(run, compact), run.data.raw_bytes), "<= 1.35"  # fmt: skip
        for wanted in WANTED:
            yield 7, f"compact choice: QPS / the default's, at recall {wanted}", \
                ratio(at(run, wanted, compact), at(run, wanted)), ">= 0.5"  # fmt: skip


def filtering(run):
    bounds_of = {"included": (0.8, 0.8, 0.8, 1.0), "btree": (0.8, 0.6, 0.7, 1.5), "row": (0.8, 0.4, 0.15, 0.1)}
    for known, bounds in bounds_of.items():
        how = f"with {KNOWN[known]}"
        free = run.figure("filter", OURS, "QPS", share=1, known=known)
        for share, bound in zip(SHARES, bounds):
            rate = run.figure("filter", OURS, "QPS", share=share, known=known)
            yield 8, f"filter that keeps {100 * share:g} %, {how}: QPS / unfiltered", ratio(rate, free), f">= {bound}"
        lines = run.found("filter", OURS, "recall", known=known)
        yield 8, f"filters {how}: the lowest recall", min((line["value"] for line in lines), default=None), ">= 0.98"
        lines = run.found("filter", OURS, "rows, the fewest", known=known)
        short = [line["value"] / line["parameters"]["wanted"] for line in lines if line["parameters"]["wanted"]]
        yield 8, f"filters {how}: the fewest rows / those there are, at most 10", min(short, default=None), ">= 1"


def overheads(run):
    for by in ("client", "server loop"):
        value = run.figure("overhead", OURS, "us", what="100 rows minus SELECT 1", by=by)
        yield "also", f"microseconds of a search of 100 rows beyond SELECT 1, by the {by}", value, "<= 60"


ALL = (searching, building, inserting, vacuuming, scanning, sizing, filtering, overheads)


def of_growth(lines):
    """The same of a whole run's growth section: from the fewest rows to the most."""
    found = {(line["engine"], line["unit"], line["parameters"]["rows"]): line["value"] for line in lines
             if line["section"] == "growth"}  # fmt: skip
    rows = sorted({n for engine, _, n in found if engine == OURS})
    if len(rows) < 2:
        return
    few, many = rows[0], rows[-1]
    name = f"from {few:,} to {many:,} rows"
    times = [found.get((OURS, "ms at recall 0.95", n)) for n in (few, many)]
    yield 10, f"time of a query at recall 0.95, {name}", ratio(times[1], times[0]), "<= 2"
    seconds = [found.get((OURS, "build us a row", n)) for n in (few, many)]
    yield 10, f"build time a row, {name}", ratio(seconds[1], seconds[0]), "<= 1.6"


def met(measured, bound):
    """Whether the figure keeps the bound: "yes", "no", or "" where there is nothing to judge."""
    if measured is None or not bound:
        return ""
    sign, limit = bound.split()
    good = measured >= float(limit) if sign == ">=" else measured <= float(limit)
    return "yes" if good else "no"
