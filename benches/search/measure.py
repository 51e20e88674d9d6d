"""How recall, rates and latencies are taken: the same way for every engine.

A searcher is a function that takes the number of a query and returns the ids it finds, nearest first. An engine's
`searcher(...)` makes one; each client makes its own.
"""

import time

import numpy

from data import distances

K = 10
# Distances that differ by less than rounding are equal.
EQUAL = 1e-6


def recall(data, found, truth=None, limits=None, k=K):
    """The mean share of the true k nearest in `found`, lists of ids by query. Another row at the distance of the k-th
    nearest counts too, each row once. Queries with fewer than k true neighbours count by what there is."""
    truth, limits = (data.truth, data.limits) if truth is None else (truth, limits)
    shares = []
    for query, ids in enumerate(found):
        wanted = truth[query, :k]
        wanted = wanted[wanted >= 0]
        if not len(wanted):
            shares.append(1.0)
            continue
        got = set(ids[:k])
        hits = got.intersection(wanted.tolist())
        others = [i for i in got - hits if 0 <= i < data.rows]
        ties = 0
        if others and len(hits) < len(wanted):
            limit = limits[query, len(wanted) - 1]
            far = distances(data.base[others], data.queries[query], data.metric)
            ties = int((far <= limit + EQUAL * max(1.0, abs(limit))).sum())
        shares.append(min(len(hits) + ties, len(wanted)) / len(wanted))
    return float(numpy.mean(shares))


def ask_all(search, count):
    """The answers to queries 0..count."""
    return [list(search(i)) for i in range(count)]


def timed_pass(search, count, seconds, start=0):
    """Asks queries one after the other, over and over, for `seconds`: (queries a second, latencies in seconds)."""
    clock, latencies, i = time.perf_counter, [], start
    began = before = clock()
    while before - began < seconds:
        search(i % count)
        after = clock()
        latencies.append(after - before)
        before, i = after, i + 1
    return len(latencies) / (before - began), numpy.array(latencies)


def at_recall(points, wanted):
    """The rate at recall `wanted`, from points (recall, rate): along the line, with log rates, between the two best
    points around it; the best rate where all points have more recall. None where none reaches it."""
    enough = [p for p in points if p[0] >= wanted]
    if not enough:
        return None
    high = max(enough, key=lambda p: p[1])
    below = [p for p in points if p[0] < wanted and p[1] > high[1]]
    if not below:
        return high[1]
    low = max(below, key=lambda p: p[0])
    share = (high[0] - wanted) / (high[0] - low[0])
    return float(numpy.exp(numpy.log(high[1]) * (1 - share) + numpy.log(low[1]) * share))
