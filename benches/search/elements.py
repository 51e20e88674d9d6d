"""Element types beside each other and beside libraries: `make bench PART=elements`. Each type holds the same data set
as far as its elements can: whole numbers from -127 to 127 for `zint8`, what is above its dimension's mean for `zbit`.

Sizes; scans without an index by every metric; searches of graphs at equal recall. Times are processor time of the
session, or of this process for a library, one thread each. The session's are of a loop in the server (LATERAL), so no
round trip is in them. Figures are medians of rounds, in which the types and libraries take turns, all on one core."""

import os
import tempfile
import time

import numpy

import data as datasets
from data import Dataset
from engines import ZvecHnsw
from goals import ratio
from main import arguments
from measure import K, ask_all, at_recall, recall
from reading import ENOUGH, WANTED, parallel
from report import judged, machine, number, table
from run import Run, median, say
from session import Server, Session

OF_NUMBERS = {"l2": "<->", "ip": "<#>", "cosine": "<=>", "l1": "<+>"}
METRICS = {"zvec": OF_NUMBERS, "zhalf": OF_NUMBERS, "zint8": OF_NUMBERS, "zbit": {"hamming": "<~>", "jaccard": "<%>"}}
BITS = {"zvec": 32, "zhalf": 16, "zint8": 8, "zbit": 1}
# which of zvec's metrics has as much to compute
BESIDE = {"hamming": "l2", "jaccard": "cosine"}
# rows a second of a scan, at least so many times zvec's
FASTER = {"zhalf": 1.6, "zint8": 2.5, "zbit": 10}


def as_elements(type, data):
    """The data set as the type's elements have it, as numbers, with the true neighbours. By L2 bits, 0 and 1, have the
    order of Hamming distances."""
    largest, means = numpy.abs(data.base).max(), data.base.mean(axis=0)
    make = {"zvec": lambda v: v, "zhalf": lambda v: v.astype("f2").astype("f4"),
            "zint8": lambda v: numpy.rint(v * (127 / largest)).clip(-127, 127),
            "zbit": lambda v: (v > means).astype("f4")}[type]  # fmt: skip
    return Dataset(data.name, "l2", make(data.base).astype("f4"), make(data.queries).astype("f4")).solve()


class Column(ZvecHnsw):
    """A zvec table with a column of the type; the graph comes when the scans without one are done."""

    def __init__(self, server, options, type):
        self.name = self.type = type
        super().__init__(server, options)

    def operator_class(self):
        return f"{self.type}_{next(iter(METRICS[self.type]))}_ops"

    def query(self, where=None, parameter="$1", metric=None):
        operator = METRICS[self.type][metric or next(iter(METRICS[self.type]))]
        return f"SELECT id FROM {self.table} t ORDER BY t.v {operator} {parameter} LIMIT {K}"

    def load(self, data, categories):
        super().load(data, categories)
        with self.server.session() as s:
            self.queries = self.keep(s, data.queries)

    def sizes(self):
        """Bytes of the data pages, and of all of the table, over those of the elements."""
        elements = self.data.rows * ((self.data.dims * BITS[self.type] + 7) // 8)
        with self.server.session() as s:
            pages = s.value("SELECT sum(data_bytes)::bigint FROM zvec_segments(%s)", self.table)
        return pages / elements, self.size()[0] / elements


class Loop:
    """A session of the server's on one core that runs a query for many vectors in one statement."""

    def __init__(self, column, settings):
        self.column, self.session = column, Session(column.server.conninfo, [*parallel(0), *settings])
        self.pid = self.session.value("SELECT pg_backend_pid()")
        os.sched_setaffinity(self.pid, os.sched_getaffinity(0))

    def milliseconds(self, count, metric=None):
        """Of a query, among the first `count`."""
        queries = f"(SELECT v FROM {self.column.queries} WHERE id < {count}) q"
        search = self.column.query(parameter="q.v", metric=metric)
        began = self.used()
        found = self.session.value(f"SELECT count(*) FROM {queries}, LATERAL ({search}) x")
        assert found == count * K, found
        return (self.used() - began) / count / 1e6

    def used(self):
        """Nanoseconds of processor time."""
        with open(f"/proc/{self.pid}/schedstat") as f:
            return int(f.read().split()[0])


def packed(data):
    """The data set's rows and queries of 0 and 1 as bits."""
    return [numpy.packbits(vectors > 0, axis=1) for vectors in (data.base, data.queries)]


def of_faiss(columns):
    """faiss's flat indexes of the same elements: (type, metric, function of a query's number)."""
    import faiss

    faiss.omp_set_num_threads(1)
    scalar = faiss.ScalarQuantizer
    make = {"zvec": faiss.IndexFlat, "zhalf": lambda n, by: faiss.IndexScalarQuantizer(n, scalar.QT_fp16, by),
            "zint8": lambda n, by: faiss.IndexScalarQuantizer(n, scalar.QT_8bit_direct_signed, by)}  # fmt: skip
    for type in make:
        data = columns[type].data
        for metric, by in (("l2", faiss.METRIC_L2), ("ip", faiss.METRIC_INNER_PRODUCT)):
            index = make[type](data.dims, by)
            index.train(data.base)
            index.add(data.base)
            yield type, metric, lambda i, index=index, q=data.queries: index.search(q[i : i + 1], K)[1][0]
    rows, queries = packed(columns["zbit"].data)
    index = faiss.IndexBinaryFlat(8 * rows.shape[1])
    index.add(rows)
    yield "zbit", "hamming", lambda i: index.search(queries[i : i + 1], K)[1][0]


def of_usearch(columns):
    """usearch's exact search, likewise."""
    from usearch.index import MetricKind, search

    kinds = {"l2": MetricKind.L2sq, "ip": MetricKind.IP, "cosine": MetricKind.Cos, "hamming": MetricKind.Hamming,
             "jaccard": MetricKind.Jaccard}  # fmt: skip
    for type, dtype in (("zvec", "f4"), ("zhalf", "f2"), ("zint8", "i1"), ("zbit", None)):
        data = columns[type].data
        rows, queries = [v.astype(dtype) for v in (data.base, data.queries)] if dtype else packed(data)
        settings = {"exact": True, "threads": 1, "dtype": None if dtype else "b1"}
        for metric in METRICS[type].keys() & kinds.keys():
            yield type, metric, lambda i, rows=rows, queries=queries, kind=kinds[metric], settings=settings: \
                search(rows, queries[i], K, kind, **settings).keys  # fmt: skip


LIBRARIES = {"faiss": of_faiss, "usearch": of_usearch}


def used_by(ask, count):
    """Milliseconds of this process for each of `count` queries."""
    began = time.process_time_ns()
    for i in range(count):
        ask(i)
    return (time.process_time_ns() - began) / count / 1e6


def scans(run, columns):
    """Milliseconds of a scan: of ours by (type, metric), and of libraries' by (type, metric, name)."""
    count = min(run.options.exact_queries, len(run.data.queries))
    timers = {}
    for type, column in columns.items():
        loop = Loop(column, [])
        plan = column.plan()
        assert "Sort" not in plan and column.index() not in plan, plan
        for metric in METRICS[type]:
            timers[type, metric] = lambda loop=loop, metric=metric: loop.milliseconds(count, metric)
    for name, searches in LIBRARIES.items():
        try:
            for type, metric, ask in searches(columns):
                if metric in ("l2", "hamming"):
                    assert recall(columns[type].data, ask_all(ask, count)) > 0.999, (type, name)
                timers[type, metric, name] = lambda ask=ask: used_by(ask, count)
        except ImportError as reason:
            run.skip(name, "elements", reason)
    times = {what: [] for what in timers}
    for _ in range(run.options.rounds):
        for what, timer in timers.items():
            times[what].append(timer())
    found = {what: median(values) for what, values in times.items()}
    for what, value in found.items():
        run.record("elements", what[0], value, "ms a scan", metric=what[1], library=what[2] if len(what) > 2 else None,
                   runs=times[what])  # fmt: skip
    return found


def graphs(run, columns):
    """Searches a second of the graphs by (type, recall)."""
    recalls, times, loops = {}, {}, {}
    for type, column in columns.items():
        say(f" {type}: {column.build(run.options.threads):.1f} s for the graph")
        searcher, count = column.searcher(column.data.queries), len(column.data.queries)
        assert column.index() in column.plan(settings=column.forced)
        for ef in run.options.ef:
            searcher.set_ef(ef)
            recalls[type, ef] = recall(column.data, ask_all(searcher.ask, count))
            if recalls[type, ef] > ENOUGH:
                break
        searcher.close()
        loops[type] = Loop(column, column.forced)
    for _ in range(run.options.rounds):
        for type, ef in sorted(recalls, key=lambda what: what[1]):
            loops[type].session.run(f"SET {columns[type].ef_setting} = {ef}")
            times.setdefault((type, ef), []).append(loops[type].milliseconds(len(columns[type].data.queries)))
    for (type, ef), values in times.items():
        run.record("elements", type, 1000 / median(values), "QPS", ef=ef, recall=recalls[type, ef], runs=values)
    points = {type: [] for type in columns}
    for (type, ef), values in times.items():
        points[type].append((recalls[type, ef], 1000 / median(values)))
    return {(type, wanted): at_recall(points[type], wanted) for type in columns for wanted in WANTED}


def aims(sizes, scanned, searched):
    """As in goals.py."""
    for type, least in FASTER.items():
        yield type, "bytes of data pages / of elements", sizes[type][0], "<= 1.05"
        for metric in METRICS[type]:
            beside, ours = BESIDE.get(metric, metric), scanned[type, metric]
            rate = f"rows a second of a scan by {metric}"
            yield type, f"{rate} / zvec's by {beside}", scanned["zvec", beside] / ours, f">= {least}"
            for name in LIBRARIES:
                if (type, metric, name) in scanned:
                    yield type, f"{rate} / {name}'s", scanned[type, metric, name] / ours, ">= 1"
        for wanted in WANTED:
            rates = searched[type, wanted], searched["zvec", wanted]
            yield type, f"searches a second of a graph at recall {wanted} / zvec's", ratio(*rates), ">= 1"


def main():
    a = arguments()
    a.engines = "zvec,faiss_flat,usearch"
    # all on one core, so that neither is slowed down by what runs on the other alone
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    server = Server(a.conninfo)
    with open(a.results or os.path.join(a.out, "results.jsonl"), "a") as file, tempfile.TemporaryDirectory() as scratch:
        run = Run(a, server, scratch, file)
        run.machine()
        name, rows = ("mnist", a.rows) if a.data else ("synthetic", a.rows or 50000)
        run.use(datasets.load(name, a.data, rows, None, a.queries))
        columns, sizes = {type: Column(server, a, type) for type in METRICS}, {}
        for type, column in columns.items():
            say(f" {type}: loading")
            column.load(as_elements(type, run.data), run.categories)
            sizes[type] = column.sizes()
            for what, value in zip(("data pages", "table"), sizes[type]):
                run.record("elements", type, value, "times the elements", what=what)
        scanned = scans(run, columns)
        searched = graphs(run, columns)
        of_types = [
            [type, *(f"{size:.3f}" for size in sizes[type]), *(number(searched[type, wanted]) for wanted in WANTED)]
            for type in columns
        ]
        of_scans = [
            [f"{type}, {metric}", *(number(scanned.get((type, metric, *name))) for name in [(), *zip(LIBRARIES)])]
            for type in columns for metric in METRICS[type]
        ]  # fmt: skip
        heads = ["type", "data pages / elements", "table / elements", *(f"QPS at {wanted}" for wanted in WANTED)]
        parts = [
            machine(run.lines_of("machine")[0], a), f"## {run.data.title()}", table(heads, of_types),
            table(["ms a scan", "ours", *LIBRARIES], of_scans), judged(aims(sizes, scanned, searched)),
        ]  # fmt: skip
        print("\n\n".join(parts), flush=True)
        for column in columns.values():
            column.run(f"DROP TABLE {column.queries}, {column.table}")


if __name__ == "__main__":
    main()
