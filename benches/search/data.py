"""Data sets: base vectors, queries, and each query's true neighbours.

Vectors are float32 arrays of (rows, dimensions), one row after the other; the row number is the id that engines return.
"""

import gzip
import os
from dataclasses import dataclass

import numpy

METRICS = ("l2", "cosine")
# True neighbours kept for each query, and candidates that are computed again exactly to find them.
KEPT, CANDIDATES = 100, 120


@dataclass
class Dataset:
    """Vectors and queries to search for; `truth` are the ids of the nearest rows, nearest first, with `limits`: the
    distances (squared for L2) of those rows, float64. Both are (queries, KEPT)."""

    name: str
    metric: str
    base: numpy.ndarray
    queries: numpy.ndarray
    truth: numpy.ndarray = None
    limits: numpy.ndarray = None

    @property
    def rows(self):
        return len(self.base)

    @property
    def dims(self):
        return self.base.shape[1]

    @property
    def raw_bytes(self):
        return self.base.nbytes

    def title(self):
        return f"{self.name}, {self.rows:,} x {self.dims}, {self.metric}"

    def solve(self):
        """Finds the true neighbours by brute force."""
        self.truth, self.limits = nearest(self.base, self.queries, self.metric)
        return self

    def where(self, kept):
        """The true neighbours among the rows that the boolean array `kept` (rows) has: (truth, limits), filled up with
        -1 and infinity where there are fewer than KEPT."""
        ids = numpy.flatnonzero(kept)
        truth, limits = nearest(self.base[ids], self.queries, self.metric)
        return numpy.where(truth >= 0, ids[truth], -1), limits


def distances(base, query, metric):
    """Distances of one query (dimensions) to rows of `base`, float64, squared for L2."""
    rows = base.astype(numpy.float64)
    query = query.astype(numpy.float64)
    if metric == "l2":
        return ((rows - query) ** 2).sum(axis=1)
    norms = numpy.linalg.norm(rows, axis=1) * numpy.linalg.norm(query)
    return 1 - rows @ query / numpy.where(norms > 0, norms, numpy.inf)


def nearest(base, queries, metric, block=20000):
    """The KEPT nearest rows of each query: (ids, distances), each (queries, KEPT), nearest first.

    Candidates come from products of float32 matrices, `block` rows at a time; their order from float64.
    """
    count = len(queries)
    if metric == "cosine":
        asked = normalised(queries)
    else:
        asked = queries
    ids = numpy.empty((count, 0), dtype=numpy.int64)
    scores = numpy.empty((count, 0), dtype=numpy.float32)
    for start in range(0, len(base), block):
        rows = base[start : start + block]
        if metric == "cosine":
            score = -(asked @ normalised(rows).T)
        else:
            score = numpy.einsum("ij,ij->i", rows, rows) - 2 * (asked @ rows.T)
        ids = numpy.hstack([ids, numpy.broadcast_to(numpy.arange(start, start + len(rows)), score.shape)])
        scores = numpy.hstack([scores, score])
        if scores.shape[1] > CANDIDATES:
            best = numpy.argpartition(scores, CANDIDATES - 1, axis=1)[:, :CANDIDATES]
            ids, scores = numpy.take_along_axis(ids, best, 1), numpy.take_along_axis(scores, best, 1)
    truth = numpy.full((count, KEPT), -1, dtype=numpy.int64)
    limits = numpy.full((count, KEPT), numpy.inf)
    for i, query in enumerate(queries):
        exact = distances(base[ids[i]], query, metric)
        order = numpy.lexsort((ids[i], exact))[:KEPT]
        truth[i, : len(order)], limits[i, : len(order)] = ids[i][order], exact[order]
    return truth, limits


def normalised(vectors):
    """Vectors of length 1 in place of `vectors`; zero vectors stay."""
    norms = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / numpy.where(norms > 0, norms, 1)


def load(name, folder=None, rows=None, dims=None, queries=1000, seed=1):
    """Makes the data set `name`: mnist or debian, from `folder`, or synthetic. `rows`: at most so many rows."""
    if name == "synthetic":
        return synthetic(rows or 20000, dims or 256, queries, seed).solve()
    if not folder:
        raise SystemExit(f"{name} has to be read from a folder: give DATA=folder, or use synthetic data")
    return {"mnist": mnist, "debian": debian}[name](folder, rows, queries, seed)


def mnist(folder, rows=None, queries=1000, seed=1):
    """The MNIST digits' pixels, 784 dimensions, L2; rows and queries of unsigned bytes, and the neighbours by brute
    force, from `folder`/mnist-784."""

    def read(file, kind, width):
        with gzip.open(os.path.join(folder, "mnist-784", file)) as f:
            return numpy.frombuffer(f.read(), dtype=kind).reshape(-1, width)

    base = read("base.u8.gz", "u1", 784)
    asked = read("queries.u8.gz", "u1", 784)[:queries].astype(numpy.float32)
    whole = not rows or rows >= len(base)
    data = Dataset("mnist-784", "l2", numpy.ascontiguousarray(base[:rows], dtype=numpy.float32), asked)
    if not whole:
        return data.solve()
    data.truth = read("neighbors.i32.gz", "<i4", 100)[:queries].astype(numpy.int64)[:, :KEPT]
    data.limits = numpy.stack([distances(data.base[t], q, "l2") for t, q in zip(data.truth, asked)])
    return data


def debian(folder, rows=None, queries=1000, seed=1):
    """Embeddings of the descriptions of Debian's packages, 384 dimensions, cosine. Queries are rows held out at
    random; `folder`/debian-packages."""
    vectors = numpy.load(os.path.join(folder, "debian-packages", "embeddings.f16.npy")).astype(numpy.float32)
    order = numpy.random.default_rng(seed).permutation(len(vectors))
    queries = min(queries, len(vectors) // 10)
    held, kept = order[:queries], numpy.sort(order[queries:])[:rows]
    return Dataset("debian-packages", "cosine", vectors[kept].copy(), vectors[held].copy()).solve()


def synthetic(rows, dims, queries=1000, seed=1, clusters=None, metric="l2"):
    """Seeded clustered vectors: Gaussian clusters of unequal sizes whose covariances decay along directions of their
    own, so that the vectors of a cluster fill fewer dimensions than there are, as embeddings do. Queries are drawn
    alike. Rows before row n are the same for every `rows` > n of equal `clusters`."""
    random = numpy.random.default_rng(seed)
    clusters = clusters or 200
    centers = random.standard_normal((clusters, dims), dtype=numpy.float32)
    weights = random.dirichlet(numpy.full(clusters, 2.0))
    # a cluster's axes: a random rotation is dear, signs and an order of the dimensions mixed by a common one are not
    mix, _ = numpy.linalg.qr(random.standard_normal((dims, dims)))
    mix = mix.astype(numpy.float32)
    orders = numpy.stack([random.permutation(dims) for _ in range(clusters)])
    decays = random.uniform(0.5, 1.0, clusters)
    spread = 1.6 / (1 + numpy.arange(dims)) ** decays[:, None]
    spread = (spread / numpy.sqrt((spread**2).sum(axis=1, keepdims=True) / dims) * 0.9).astype(numpy.float32)

    def draw(count, source, block=10000):
        out = numpy.empty((count, dims), dtype=numpy.float32)
        for start in range(0, count, block):
            # whole blocks are drawn even where fewer rows are kept, so that fewer rows are the same rows
            of = source.choice(clusters, block, p=weights)
            noise = source.standard_normal((block, dims), dtype=numpy.float32)
            kept = min(block, count - start)
            scale = numpy.zeros((kept, dims), dtype=numpy.float32)
            numpy.put_along_axis(scale, orders[of[:kept]], spread[of[:kept]], axis=1)
            out[start : start + kept] = centers[of[:kept]] + (noise[:kept] * scale) @ mix
        return out

    base = draw(rows, numpy.random.default_rng(seed + 1))
    return Dataset("synthetic", metric, base, draw(queries, numpy.random.default_rng(seed + 2)))
