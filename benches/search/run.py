"""A run: its options, server, engines and results, which every section is handed."""

import datetime
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import time

import numpy

from engines import CATEGORIES, SQL_ENGINES, Missing
from libraries import LIBRARIES


def say(*words):
    """Progress, on stderr: the report is what goes to stdout."""
    print(*words, file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values)


class Run:
    """Everything a section needs. `engines` are those that the machine has, by name; `live` those of them that hold the
    data set at hand, `dirty` the live ones whose rows a section has changed."""

    def __init__(self, options, server, scratch, results):
        self.options, self.server, self.file = options, server, results
        self.lines = []
        self.engines, self.live, self.dirty = {}, {}, set()
        self.data = self.categories = None
        chosen = options.engines.split(",") if options.engines else None
        known = [make.name.replace(" ", "_") for make in SQL_ENGINES + LIBRARIES]
        if unknown := [name for name in chosen or () if name not in known]:
            raise SystemExit(f"unknown engines {', '.join(unknown)}; there are {', '.join(known)}")
        for make in SQL_ENGINES + LIBRARIES:
            if chosen and make.name.replace(" ", "_") not in chosen:
                continue
            engine = make(server if make.in_server else scratch, options)
            try:
                engine.require()
                self.engines[engine.name] = engine
            except Missing as reason:
                self.skip(engine.name, "all", reason)

    def record(self, section, engine, value, unit, **parameters):
        """Writes one result: a line of JSON."""
        line = {"section": section, "data": self.data.title() if self.data else None, "engine": engine,
                "parameters": parameters, "value": value, "unit": unit}  # fmt: skip
        self.lines.append(line)
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def skip(self, engine, section, reason):
        say(f"skipped: {engine} ({section}): {reason}")
        self.record(section, engine, None, "skipped", reason=str(reason).strip())

    def machine(self):
        """The line that says where and when this is measured."""
        with open("/proc/cpuinfo") as f:
            model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
        with self.server.session() as s:
            settings = {name: s.value(f"SHOW {name}") for name in ("shared_buffers", "fsync", "autovacuum", "jit")}
            version = s.value("SHOW server_version")
        versions = {"PostgreSQL": version, "Python": platform.python_version(), "numpy": numpy.__version__}
        versions |= {name: engine.version() for name, engine in self.engines.items()}
        alone, together = (max(busy(n) for _ in range(3)) for n in (1, 2))
        line = {
            "section": "machine", "cpu": model, "cores": os.cpu_count(),
            "memory_GB": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30,
            "load_average": os.getloadavg()[0],
            "two_processes": together / alone, "versions": versions, "settings": settings, "commit": commit(),
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        }  # fmt: skip
        self.lines.append(line)
        self.file.write(json.dumps(line) + "\n")

    def use(self, data):
        """Goes over to another data set: nothing is loaded yet."""
        self.data = data
        self.categories = numpy.random.default_rng(7).integers(0, CATEGORIES, data.rows).astype(numpy.int32)
        self.live, self.dirty = {}, set()

    def attempt(self, engine, section, action, *arguments, **options):
        """Runs a step of one engine; an engine that fails in it is skipped from then on, and None returned."""
        try:
            return action(*arguments, **options)
        except Exception as reason:  # noqa: BLE001 (one engine's failure must not end the others' measurements)
            if self.options.strict:
                raise
            self.skip(engine.name, section, f"{type(reason).__name__}: {reason}")
            self.live.pop(engine.name, None)
            return None

    def renew(self):
        """Loads and builds again what sections have changed."""
        for name in sorted(self.dirty & set(self.live)):
            engine = self.live[name]
            say(f"  {name}: loading and building again")
            self.attempt(engine, "renew", engine.load, self.data, self.categories)
            if name in self.live:
                self.attempt(engine, "renew", engine.build, self.options.threads)
        self.dirty = set()

    def found(self, section, engine=None, unit=None, **parameters):
        """Results of the data set at hand: the lines that have all of this."""
        title = self.data.title() if self.data else None
        return [
            line for line in self.lines
            if line["section"] == section and line.get("data") == title and engine in (None, line["engine"])
            and unit in (None, line["unit"]) and line["parameters"].items() >= parameters.items()
        ]  # fmt: skip

    def lines_of(self, section):
        """All results of a section, of whatever data set."""
        return [line for line in self.lines if line["section"] == section]

    def figure(self, section, engine, unit, **parameters):
        """The last such result's value, None without."""
        lines = self.found(section, engine, unit, **parameters)
        return lines[-1]["value"] if lines else None


def _count(seconds, pipe):
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        done += 1
    pipe.send(done)


def busy(processes, seconds=0.5):
    """How much `processes` processes that share nothing do together."""
    pipes = [multiprocessing.Pipe(duplex=False) for _ in range(processes)]
    for _, theirs in pipes:
        multiprocessing.Process(target=_count, args=(seconds, theirs), daemon=True).start()
    return sum(ours.recv() for ours, _ in pipes)


def commit():
    """The checkout's commit, with "and changes" where files differ from it."""

    def git(*words):
        where = os.path.dirname(os.path.abspath(__file__))
        return subprocess.run(["git", "-C", where, *words], capture_output=True, text=True).stdout.strip()

    short = git("rev-parse", "--short", "HEAD") or "unknown"
    return f"{short} and changes" if git("status", "--porcelain") else short
