"""Plots as SVG, written by hand so that they stay a few kilobytes: recall against QPS, and bars."""

import math
import os
from html import escape

COLOURS = {
    "zvec_hnsw": "#d62728", "zvec_hnsw compact": "#ff9896", "zvec_flat": "#e377c2", "zvec": "#9467bd",
    "heap": "#8c564b", "hnswlib": "#1f77b4", "faiss hnsw": "#2ca02c", "faiss flat": "#98df8a", "usearch": "#17becf",
    "zvec library": "#ff7f0e", "pgvector": "#7f7f7f", "pgvector scan": "#c7c7c7",
}  # fmt: skip
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 400, 70, 50, 40


def text(x, y, words, anchor="middle", size=12, extra=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}"{extra}>{escape(str(words))}</text>'


def document(width, height, parts):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def short(value):
    """A tick's label."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def recall_against_rate(title, series):
    """`series`: name -> points (recall, QPS). To the right 1 - recall shrinks; both axes are logarithmic."""
    series = {name: sorted(points) for name, points in series.items() if points}
    if not series:
        return None
    rates = [rate for points in series.values() for _, rate in points]
    low, high = 10 ** math.floor(math.log10(min(rates))), max(rates) * 1.2
    ticks = [0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999]
    right, span = WIDTH - 150, (math.log10(1 - ticks[0]), math.log10(1 - ticks[-1]))

    def x(recall):
        place = math.log10(max(1 - recall, 1 - ticks[-1]))
        return LEFT + (place - span[0]) / (span[1] - span[0]) * (right - LEFT)

    def y(rate):
        share = (math.log10(rate) - math.log10(low)) / (math.log10(high) - math.log10(low))
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    parts = [text(LEFT, 22, title, "start", 14), text((LEFT + right) / 2, HEIGHT - 10, "recall@10")]
    parts.append(
        text(16, HEIGHT / 2, "queries a second, one client", extra=f' transform="rotate(-90 16 {HEIGHT / 2:.0f})"')
    )
    for tick in ticks:
        parts.append(f'<path d="M{x(tick):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(text(x(tick), HEIGHT - BOTTOM + 16, f"{tick:g}", size=10))
    decade = low
    while decade <= high:
        for step in (1, 2, 5):
            if low <= decade * step <= high:
                parts.append(f'<path d="M{LEFT} {y(decade * step):.1f}H{right}" stroke="#ddd"/>')
                parts.append(text(LEFT - 6, y(decade * step) + 4, short(decade * step), "end", 10))
        decade *= 10
    for i, (name, points) in enumerate(series.items()):
        colour = COLOURS.get(name, "black")
        inside = [(x(r), y(q)) for r, q in points if r >= ticks[0]]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in inside)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5" fill="{colour}"/>' for a, b in inside]
        level = TOP + 14 + 20 * i
        parts.append(f'<path d="M{right + 10} {level - 4}h20" stroke="{colour}" stroke-width="2"/>')
        parts.append(text(right + 35, level, name, "start", 11))
    return document(WIDTH, HEIGHT, parts)


def bars(title, unit, rows):
    """`rows`: (label, parts), `parts` being (colour, value): one bar each, its parts end to end."""
    rows = [(label, parts) for label, parts in rows if sum(value for _, value in parts)]
    if not rows:
        return None
    left, right, height = 170, WIDTH - 70, TOP + 24 * len(rows) + 10
    most = max(sum(value for _, value in parts) for _, parts in rows)
    drawn = [text(10, 22, f"{title}, {unit}", "start", 14)]
    for i, (label, parts) in enumerate(rows):
        y, x = TOP + 24 * i, left
        drawn.append(text(left - 8, y + 13, label, "end", 11))
        for colour, value in parts:
            width = value / most * (right - left)
            drawn.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="17" fill="{colour}"/>')
            x += width
        drawn.append(text(x + 6, y + 13, f"{sum(value for _, value in parts):.3g}", "start", 11))
    return document(WIDTH, height, drawn)


def of_data_set(run, folder):
    """Draws the data set at hand: SVG files in `folder`, whose names are returned."""
    series = {
        name: [(line["parameters"]["recall"], line["value"]) for line in run.found("search", name, "QPS")]
        for name in run.engines
    }
    builds, sizes = [], []
    for name in run.engines:
        colour = COLOURS.get(name, "black")
        for threads in run.options.build_threads:
            seconds = run.figure("build", name, "s", threads=threads)
            builds.append((f"{name}, {threads} thread{'s' if threads > 1 else ''}", [(colour, seconds or 0)]))
        table, index = (run.figure("size", name, "bytes", what=what) or 0 for what in ("table", "index"))
        sizes.append((name, [("#bbbbbb", table / 1e6), (colour, index / 1e6)]))
    drawings = {
        "recall": recall_against_rate(run.data.title(), series),
        "build": bars(f"Build, {run.data.title()}", "seconds", builds),
        "size": bars(f"Table (grey) and index, {run.data.title()}", "MB", sizes),
    }
    stem = f"{run.data.name}-{run.data.rows}x{run.data.dims}"
    names = []
    for what, drawing in drawings.items():
        if drawing:
            names.append(f"{stem}-{what}.svg")
            with open(os.path.join(folder, names[-1]), "w") as f:
                f.write(drawing)
    return names
