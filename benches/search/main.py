"""The search benchmark: vector search in the server beside libraries in the process. run.sh starts it in a private
server; alone it connects where libpq's environment variables or --conninfo say, and makes tables named bench_*.

Prints Markdown; writes results.jsonl, report.md and SVG plots to --out."""

import argparse
import os
import sys
import tempfile

import data as datasets
import filtering
import plots
import reading
import report
import writing
from growth import growth
from run import Run, say
from session import Server

SECTIONS = {
    "build": reading.build, "size": reading.size, "exact": reading.exact, "search": reading.search,
    "clients": reading.clients, "overhead": reading.overhead, "filter": filtering.filters, "cold": reading.cold,
    "insert": writing.insert, "vacuum": writing.vacuum,
}  # fmt: skip
# The sections of a second data set, and of any unless others are named.
FEW, MOST = "build,size,exact,search,clients", "build,size,exact,search,clients,overhead,filter,insert,vacuum"


def numbers(words):
    return [int(word) for word in words.split(",")]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "--data", default=os.environ.get("DATA"), help="folder with mnist-784 and debian-packages (else DATA)"
    )
    p.add_argument(
        "--set", action="append", metavar="NAME[:ROWS[xDIMS]][=SECTIONS]",
        help=f"mnist, debian or synthetic; may be repeated. Sections: {','.join(SECTIONS)}, or all, most (all without "
        f"cold), few ({FEW}). Unless given: mnist=most and debian=few if there is a folder, else "
        "synthetic:50000x256=most",
    )  # fmt: skip
    p.add_argument(
        "--full", action="store_true", help="also synthetic:200000x768, synthetic:100000x1536 and the growth"
    )
    p.add_argument("--rows", type=int, help="at most so many rows of each set, to try things out")
    p.add_argument(
        "--growth", type=numbers, default=[], metavar="ROWS,ROWS,...", help="row numbers of the growth section"
    )
    p.add_argument("--growth-dims", type=int, default=256)
    p.add_argument("--engines", help="names, with _ for a space, with commas between (default: all)")
    p.add_argument("--m", type=int, default=16)
    p.add_argument("--ef-construction", type=int, default=64)
    p.add_argument("--compact", help="options of zvec_hnsw for its smaller choice: measured as an engine of its own")
    p.add_argument("--ef", type=numbers, default=[10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512])
    p.add_argument("--queries", type=int, default=1000)
    p.add_argument("--filter-queries", type=int, default=200)
    p.add_argument("--exact-queries", type=int, default=20)
    p.add_argument("--rounds", type=int, default=3, help="figures are medians of so many")
    p.add_argument("--seconds", type=float, default=1.0, help="of each measurement of a rate")
    p.add_argument("--insert-seconds", type=float, default=3.0)
    p.add_argument("--steady", type=int, default=0, help="rows of the long run of inserts (200000 with --full)")
    p.add_argument("--most-inserts", type=int, default=100000, help="in one round")
    p.add_argument("--threads", type=int, default=2, help="of the build that is searched")
    p.add_argument("--one-build", action="store_true", help="no build with one thread")
    p.add_argument("--memory", default="2GB", help="maintenance_work_mem for builds")
    p.add_argument("--drop-caches", action="store_true", help="cold: empty the machine's page cache")
    p.add_argument("--conninfo", default="")
    p.add_argument("--restart-command", default=os.environ.get("BENCH_RESTART"), help="restarts the server")
    p.add_argument("--out", default=".", help="folder for the report, the plots and results.jsonl")
    p.add_argument("--results", help="file that the results are added to, instead of results.jsonl there")
    p.add_argument("--strict", action="store_true", help="an engine's failure ends the run")
    a = p.parse_args()
    a.build_threads = [a.threads] if a.one_build else sorted({1, a.threads})
    if not a.set:
        a.set = ["mnist=most", "debian=few"] if a.data else ["synthetic:50000x256=most"]
    if a.full:
        a.set += ["synthetic:200000x768=few", "synthetic:100000x1536=few"]
        a.growth = a.growth or [25000, 50000, 100000, 200000, 400000]
        a.steady = a.steady or 200000
    return a


def parsed(word, rows):
    """A --set: (name, rows, dimensions, sections)."""
    what, _, sections = word.partition("=")
    name, _, shape = what.partition(":")
    own_rows, _, dims = shape.partition("x")
    if name not in ("mnist", "debian", "synthetic"):
        raise SystemExit(f"no data set is called {name!r}: mnist, debian and synthetic are")
    sections = {"": MOST, "all": ",".join(SECTIONS), "most": MOST, "few": FEW}.get(sections, sections).split(",")
    for section in sections:
        if section not in SECTIONS:
            raise SystemExit(f"no section is called {section!r}: {', '.join(SECTIONS)} are")
    limits = [int(n) for n in (own_rows, rows) if n]
    return name, min(limits, default=None), int(dims) if dims else None, sections


def main():
    a = arguments()
    sets = [parsed(word, a.rows) for word in a.set]
    os.makedirs(a.out, exist_ok=True)
    results = a.results or os.path.join(a.out, "results.jsonl")
    chapters = []
    with open(results, "a") as file, tempfile.TemporaryDirectory(prefix="pg_zvec.bench.") as scratch:
        run = Run(a, Server(a.conninfo, a.restart_command), scratch, file)
        run.machine()
        for name, rows, dims, sections in sets:
            say(f"{name}: reading, and the true neighbours")
            run.use(datasets.load(name, a.data, rows, dims, a.queries))
            say(run.data.title())
            for section in dict.fromkeys(["build", *sections]):
                run.renew()
                say(f" {section}")
                SECTIONS[section](run)
            chapters.append(report.of_data_set(run))
            chapters += [f"![{file_name}]({file_name})" for file_name in plots.of_data_set(run, a.out)]
            for engine in run.engines.values():
                engine.drop()
        if a.growth:
            growth(run)
            chapters.append(report.of_growth(run.lines))
        text = "\n\n".join([report.machine(run.lines_of("machine")[0], a), *chapters])
    print(text)
    with open(os.path.join(a.out, "report.md"), "w") as f:
        f.write(text + "\n")
    say(f"results in {results}, report and plots in {a.out}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
