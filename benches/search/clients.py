"""Several clients at once: processes, each with a session or a searcher of its own."""

import multiprocessing
import time

import numpy

from measure import timed_pass


def _search(engine, queries, options, ef, seconds, start, ready, pipe):
    """A client's whole life: it warms up, waits for the others, asks for `seconds`, tells its rate and latencies."""
    searcher = engine.searcher(queries, **options)
    if ef is not None:
        searcher.set_ef(ef)
    timed_pass(searcher.ask, len(queries), min(0.5, seconds / 2), start)
    ready.wait()
    pipe.send(timed_pass(searcher.ask, len(queries), seconds, start))
    searcher.close()


def searching(engine, queries, clients, ef, seconds, **options):
    """The rate of `clients` processes together, and their latencies in seconds. `options` go to the searchers."""
    context = multiprocessing.get_context(engine.start_method)
    ready = context.Barrier(clients)
    pipes, processes = [], []
    for client in range(clients):
        ours, theirs = context.Pipe(duplex=False)
        start = client * len(queries) // clients
        process = context.Process(
            target=_search, args=(engine, queries, options, ef, seconds, start, ready, theirs), daemon=True
        )
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    results = [receive(pipe, process, ready) for pipe, process in zip(pipes, processes)]
    for process in processes:
        process.join()
    return sum(rate for rate, _ in results), numpy.concatenate([latencies for _, latencies in results])


def receive(pipe, process, ready):
    """What a client sends; RuntimeError if it ends without."""
    try:
        return pipe.recv()
    except EOFError:
        ready.abort()
        process.join()
        raise RuntimeError(f"a client ended with exit code {process.exitcode}; see its message above") from None


class Inserting:
    """A process that inserts rows as fast as it can until it is told to stop: `with Inserting(...) as load:`; then
    `load.inserted` is their number and `load.rate` how many a second. Row number n, from `first`, gets item n of `rows`
    and begins with id `first_id`."""

    def __init__(self, engine, rows, first_id, first):
        self.context = multiprocessing.get_context("fork")
        self.stop = self.context.Event()
        self.pipe, theirs = self.context.Pipe(duplex=False)
        self.process = self.context.Process(
            target=self._insert, args=(engine, rows, first_id, first, theirs), daemon=True
        )
        self.rate = self.inserted = None

    def _insert(self, engine, rows, first_id, first, pipe):
        insert, close = engine.inserter()
        i, began = 0, time.perf_counter()
        while not self.stop.is_set():
            insert(first_id + i, i % 10000, rows[(first + i) % len(rows)])
            i += 1
        pipe.send((i, i / (time.perf_counter() - began)))
        close()

    def __enter__(self):
        self.process.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.stop.set()
        if self.pipe.poll(30):
            self.inserted, self.rate = self.pipe.recv()
        self.process.join()
