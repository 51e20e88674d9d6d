"""The Markdown that a run prints."""

import goals
from filtering import KNOWN
from reading import WANTED


def number(value, digits=3):
    """A figure with about so many digits; a dash for None."""
    if value is None:
        return "-"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def table(heads, rows):
    """A Markdown table, the first column to the left; None where there are no rows."""
    if not rows:
        return None
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def machine(line, options):
    """A paragraph about the machine, from the run's first line."""
    versions = ", ".join(f"{name} {version}" for name, version in line["versions"].items())
    settings = ", ".join(f"{name} = {value}" for name, value in line["settings"].items())
    return (
        f"{line['cpu']}, {line['cores']} cores, {line['memory_GB']} GB of memory; {line['date'][:10]}; "
        f"commit {line['commit']}; {versions}; {settings}. Before the run the load average was "
        f"{line['load_average']:.2f}, and two processes that only compute did {line['two_processes']:.2f} times the "
        "work of one. "
        f"HNSW everywhere with m = {options.m}, ef_construction = {options.ef_construction}. Prepared statements with "
        f"binary parameters over the local socket; medians of {options.rounds} rounds, in which the engines take turns."
    )


def engines(run):
    """One row an engine: build, rates, exact search, inserts, VACUUM, size."""
    heads = ["engine", "QPS at >= 0.95", "QPS at >= 0.99"]
    heads += [f"build, {n} thread{'s' if n > 1 else ''}, s" for n in run.options.build_threads]
    heads += ["exact, ms", "exact, 2 workers, ms", "inserts/s", "VACUUM, s", "table + index, MB"]
    rows = []
    for name, engine in run.engines.items():
        if not run.found("size", name) and not run.found("build", name):
            continue
        sizes = [run.figure("size", name, "bytes", what=what) for what in ("table", "index")]
        cells = [run.figure("search", name, "QPS at recall", recall=wanted) for wanted in WANTED]
        cells += [run.figure("build", name, "s", threads=n) for n in run.options.build_threads]
        cells += [run.figure("exact", name, "ms", workers=workers) for workers in (0, 2)]
        cells += [run.figure("insert", name, "rows/s"), run.figure("vacuum", name, "s", what="VACUUM")]
        size = "-" if None in sizes else " + ".join(number(size / 1e6) for size in sizes if size) or "0"
        rows.append([engine.title, *map(number, cells), size])
    return table(heads, rows)


def sweep(run):
    """Recall and rate by ef."""
    names = [n for n in run.engines if run.found("search", n, "QPS")]
    efs = sorted({line["parameters"]["ef"] for line in run.found("search", unit="QPS")})
    rows = []
    for ef in efs:
        row = [ef]
        for name in names:
            lines = run.found("search", name, "QPS", ef=ef)
            row.append(f"{lines[-1]['parameters']['recall']:.4f} {number(lines[-1]['value'])}" if lines else "")
        rows.append(row)
    return table(["ef: recall@10, QPS", *names], rows)


def clients(run):
    rows = []
    for wanted in WANTED:
        for name in run.engines:
            rates = [run.figure("clients", name, "QPS", clients=n, recall=wanted) for n in (1, 2)]
            line = run.found("search", name, "QPS", ef=ef) if (ef := at_ef(run, name, wanted)) else []
            if None not in rates and line:
                tail = [line[-1]["parameters"][p] for p in ("p50_us", "p99_us")]
                rows.append([f"{name}, recall {wanted}", ef, *map(number, rates + tail), number(rates[1] / rates[0])])
    return table(["engine", "ef", "QPS, 1 client", "QPS, 2 clients", "p50, us", "p99, us", "2 clients / 1"], rows)


def at_ef(run, name, wanted):
    lines = run.found("clients", name, "QPS", clients=1, recall=wanted)
    return lines[-1]["parameters"]["ef"] if lines else None


def filters(run):
    rows = []
    for line in run.found("filter", unit="QPS"):
        p = line["parameters"]
        same = {"share": p["share"], "known": p["known"]}
        reached = run.figure("filter", line["engine"], "recall", **same)
        fewest = run.figure("filter", line["engine"], "rows, the fewest", **same)
        together = run.figure("filter", line["engine"], "QPS, LATERAL", **same)
        how = f"with {KNOWN[p['known']]}"
        rows.append(
            [f"{line['engine']}, {how}", f"{100 * p['share']:g} %", fewest, f"{reached:.4f}", number(line["value"]),
             number(together)]
        )
    return table(["filter", "rows kept", "fewest returned", "recall", "QPS", "QPS, LATERAL"], rows)


def deletions(run):
    rows = [[line["engine"], line["parameters"]["when"], line["parameters"]["ef"],
             f"{line['parameters']['recall']:.4f}", number(line["value"])]
            for line in run.found("vacuum", unit="QPS")]  # fmt: skip
    return table(["30 % deleted", "when", "ef", "recall", "QPS"], rows)


def loads(run):
    rows = []
    for unit in ("QPS at rest", "QPS under load"):
        for line in run.found("insert", unit=unit):
            p = line["parameters"]
            reached = f"{p['recall']:.4f}" if p["recall"] is not None else "-"
            rows.append(
                [line["engine"], unit[4:], p["ef"], reached, number(line["value"]), number(p.get("rows_per_second"))]
            )
    return table(["beside inserts", "when", "ef", "recall", "QPS", "inserts/s"], rows)


def overhead(run):
    rows = []
    for line in run.found("overhead"):
        p = line["parameters"]
        rows.append([f"{line['engine']}: {p['what']}, by the {p['by']}", number(line["value"])])
    return table(["overhead, ef 10", "us"], rows)


def cold(run):
    rows = [[line["engine"], line["parameters"]["ef"], number(line["value"]), line["unit"],
             "emptied" if line["parameters"]["caches_dropped"] else "kept"] for line in run.found("cold")
            if line["value"] is not None]  # fmt: skip
    return table(["first 100 queries after a restart", "ef", "figure", "unit", "kernel's cache"], rows)


def judged(found):
    """The goals that were measured as a table; then what was not, by the goal's number where nothing of it was."""
    found = list(found)
    rows = [
        [f"{n}: {what}", number(value), bound, goals.met(value, bound)]
        for n, what, value, bound in found
        if value is not None
    ]
    measured = {n for n, _, value, _ in found if value is not None}
    missing = [f"{n}: {what}" if n in measured else f"{n}" for n, what, value, _ in found if value is None]
    missing = f"Goals not measured: {'; '.join(dict.fromkeys(missing))}." if missing else None
    return "\n\n".join(filter(None, [table(["goal", "measured", "wanted", "met?"], rows), missing]))


def of_data_set(run):
    """The chapter of the data set at hand."""
    parts = [f"## {run.data.title()}"]
    for part in (engines, sweep, clients, filters, loads, deletions, overhead, cold):
        parts.append(part(run))
    parts.append(judged([goal for chapter in goals.ALL for goal in chapter(run)]))
    return "\n\n".join(part for part in parts if part)


def of_growth(lines):
    """The chapter of the growth section."""
    found = {(line["engine"], line["parameters"]["rows"], line["unit"]): line["value"] for line in lines
             if line["section"] == "growth"}  # fmt: skip
    if not found:
        return ""
    units = sorted({unit for _, _, unit in found})
    keys = sorted({(engine, rows) for engine, rows, _ in found})
    rows = [
        [engine, f"{count:,}", *(number(found.get((engine, count, unit))) for unit in units)] for engine, count in keys
    ]
    parts = ["## Growth", table(["engine", "rows", *units], rows), judged(goals.of_growth(lines))]
    return "\n\n".join(part for part in parts if part)
