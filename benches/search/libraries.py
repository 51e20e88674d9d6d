"""The engines outside the server: libraries that search in the benchmark's own process."""

import importlib.metadata
import os
import shutil
import time

import numpy

from data import normalised
from engines import Missing, Searcher
from measure import K


class Library:
    """A library's index in memory; methods as in engines.SqlEngine. Modules are imported where they are used: a missing
    one costs its own engine only."""

    in_server = False
    start_method = "fork"
    exact = False
    tuned = True

    def __init__(self, scratch, options):
        self.scratch, self.options = scratch, options
        self.data = self.built = None
        self.rows = 0

    def require(self):
        try:
            self.version()
            self.module()
        except (ImportError, importlib.metadata.PackageNotFoundError) as e:
            raise Missing(str(e)) from e

    def version(self):
        return importlib.metadata.version(self.package)

    def load(self, data, categories):
        self.data, self.rows = data, data.rows

    @staticmethod
    def insertable(vectors):
        """Rows as `inserter` takes them."""
        return [vector[None] for vector in vectors]

    def size(self):
        """(0, bytes of the index in memory or in its file): the library's own copy of the vectors included."""
        file = os.path.join(self.scratch, f"{self.name}.index")
        self.save(file)
        size = os.path.getsize(file)
        os.remove(file)
        return 0, size

    def drop(self):
        self.built = None


class Hnswlib(Library):
    name, title, package = "hnswlib", "hnswlib", "hnswlib"

    def module(self):
        import hnswlib

        return hnswlib

    def build(self, threads):
        began = time.perf_counter()
        index = self.module().Index(space=self.data.metric, dim=self.data.dims)
        index.init_index(self.data.rows, M=self.options.m, ef_construction=self.options.ef_construction, random_seed=1)
        index.add_items(self.data.base, num_threads=threads)
        seconds = time.perf_counter() - began
        index.set_num_threads(1)
        self.built = index
        return seconds

    def searcher(self, queries):
        index = self.built

        def ask(i):
            return index.knn_query(queries[i], K, num_threads=1)[0][0].tolist()

        return Searcher(ask, index.set_ef)

    def inserter(self):
        # room for the rows to come
        index = self.built
        index.resize_index(index.get_current_count() + self.options.most_inserts)

        def insert(row, category, vector):
            index.add_items(vector, row, num_threads=1)

        return insert, lambda: None

    def save(self, file):
        self.built.save_index(file)


class Faiss(Library):
    """What faiss's indexes share. Cosine is the inner product of normalised vectors."""

    package = "faiss-cpu"

    def module(self):
        import faiss

        return faiss

    def prepared(self, vectors):
        return normalised(vectors) if self.data.metric == "cosine" else vectors

    def metric(self):
        faiss = self.module()
        return faiss.METRIC_L2 if self.data.metric == "l2" else faiss.METRIC_INNER_PRODUCT

    def build(self, threads):
        faiss = self.module()
        faiss.omp_set_num_threads(threads)
        rows = self.prepared(self.data.base)
        began = time.perf_counter()
        self.built = self.make(faiss)
        self.built.add(rows)
        seconds = time.perf_counter() - began
        faiss.omp_set_num_threads(1)
        return seconds

    def searcher(self, queries, threads=1):
        index, asked = self.built, self.prepared(queries)
        self.module().omp_set_num_threads(threads)

        def ask(i):
            return index.search(asked[i : i + 1], K)[1][0].tolist()

        def set_ef(ef):
            index.hnsw.efSearch = ef

        return Searcher(ask, set_ef if self.tuned else None)

    def save(self, file):
        self.module().write_index(self.built, file)


class FaissHnsw(Faiss):
    name, title = "faiss hnsw", "faiss-cpu IndexHNSWFlat"

    def make(self, faiss):
        index = faiss.IndexHNSWFlat(self.data.dims, self.options.m, self.metric())
        index.hnsw.efConstruction = self.options.ef_construction
        return index

    def inserter(self):
        def insert(row, category, vector):
            self.built.add(vector)

        return insert, lambda: None


class FaissFlat(Faiss):
    name, title, exact, tuned = "faiss flat", "faiss-cpu IndexFlat", True, False

    def make(self, faiss):
        return faiss.IndexFlat(self.data.dims, self.metric())


class Usearch(Library):
    name, title, package = "usearch", "usearch", "usearch"

    def module(self):
        import usearch.index

        return usearch.index

    def build(self, threads):
        rows = numpy.arange(self.data.rows)
        began = time.perf_counter()
        index = self.module().Index(
            ndim=self.data.dims, metric={"l2": "l2sq", "cosine": "cos"}[self.data.metric], dtype="f32",
            connectivity=self.options.m, expansion_add=self.options.ef_construction,
        )  # fmt: skip
        index.add(rows, self.data.base, threads=threads)
        self.built = index
        return time.perf_counter() - began

    def searcher(self, queries):
        index = self.built

        def ask(i):
            return index.search(queries[i], K, threads=1).keys.tolist()

        def set_ef(ef):
            index.expansion_search = ef

        return Searcher(ask, set_ef)

    def inserter(self):
        def insert(row, category, vector):
            self.built.add(row, vector[0], threads=1)

        return insert, lambda: None

    def save(self, file):
        self.built.save(file)


class ZvecLibrary(Library):
    """Alibaba's zvec, its HNSW index; searched through the call that returns row numbers only, its fastest."""

    name, title, package = "zvec library", "zvec (Alibaba's)", "zvec"
    # its threads do not survive a fork
    start_method = "spawn"
    started = False

    def module(self):
        import zvec

        if not ZvecLibrary.started:
            zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1, optimize_threads=self.options.threads)
            ZvecLibrary.started = True
        return zvec

    def __getstate__(self):
        # a process that is handed the engine opens the files itself
        return {**self.__dict__, "built": None, "data": None}

    @property
    def path(self):
        return os.path.join(self.scratch, "zvec")

    def build(self, threads):
        zvec = self.module()
        self.drop()
        metric = {"l2": zvec.MetricType.L2, "cosine": zvec.MetricType.COSINE}[self.data.metric]
        parameters = zvec.HnswIndexParam(
            metric_type=metric, m=self.options.m, ef_construction=self.options.ef_construction
        )
        vectors = zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, self.data.dims, index_param=parameters)
        began = time.perf_counter()
        schema = zvec.CollectionSchema("bench", fields=None, vectors=vectors)
        collection = zvec.create_and_open(self.path, schema, zvec.CollectionOption(read_only=False, enable_mmap=True))
        for start in range(0, self.data.rows, 1000):
            rows = enumerate(self.data.base[start : start + 1000], start)
            collection.insert([zvec.Doc(id=str(i), vectors={"v": row}) for i, row in rows])
        collection.optimize(zvec.OptimizeOption(concurrency=threads))
        seconds = time.perf_counter() - began
        collection.flush()
        collection.close()
        return seconds

    def open(self):
        zvec = self.module()
        if self.built is None:
            self.built = zvec.open(self.path, zvec.CollectionOption(read_only=True, enable_mmap=True))
        return self.built

    def searcher(self, queries):
        zvec, collection, wanted = self.module(), self.open(), [100]
        # the row numbers inside are in the order of insertion where nothing is deleted: asked once, to be sure
        sample = list(range(0, self.rows, max(1, self.rows // 100)))
        if [int(i) for i in collection.resolve_internal_ids(sample)] != sample:
            raise RuntimeError("zvec numbers its rows in another way than this benchmark knows")

        def ask(i):
            query = zvec.Query("v", vector=queries[i], param=wanted[0])
            return collection.query_internal_ids(query, topk=K).tolist()

        def set_ef(ef):
            wanted[0] = zvec.HnswQueryParam(ef=ef)

        set_ef(100)
        return Searcher(ask, set_ef)

    def inserter(self):
        zvec = self.module()
        self.close()
        collection = zvec.open(self.path, zvec.CollectionOption(read_only=False, enable_mmap=True))

        def insert(row, category, vector):
            collection.insert(zvec.Doc(id=str(row), vectors={"v": vector[0]}))

        return insert, collection.close

    def size(self):
        files = (os.path.join(folder, f) for folder, _, names in os.walk(self.path) for f in names)
        return 0, sum(os.path.getsize(f) for f in files)

    def close(self):
        if self.built is not None:
            self.built.close()
            self.built = None

    def drop(self):
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)


LIBRARIES = [Hnswlib, FaissFlat, FaissHnsw, Usearch, ZvecLibrary]
