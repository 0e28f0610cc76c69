#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""growth_chart.py CSV SVG: time above, memory below, one column for each thing that grows; all axes are
logarithmic, so that a straight line of slope 1 is growth in proportion."""
from __future__ import annotations

import csv
import math
import sys
from dataclasses import dataclass

WIDTH, HEIGHT, GAP, LEFT, TOP = 270, 190, 62, 64, 66
COLOURS = {"cold": "#c2410c", "again": "#1d4ed8"}
NAMES = {"cold": "empty store, to a tar", "again": "again, no export"}
TITLES = {"files": "small files in a COPY", "layers": "RUN steps", "megabytes": "MB in one file"}
LIMIT_MIB = 64
STYLE = """text { font: 12px sans-serif; fill: #333 } .title { font-size: 14px; font-weight: bold }
.grid { stroke: #e5e7eb } .frame { fill: none; stroke: #9ca3af } .line { fill: none; stroke-width: 2 }
.limit { stroke: #b91c1c; stroke-dasharray: 5 4 } .end { text-anchor: end } .middle { text-anchor: middle }"""


@dataclass
class Axis:
    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)

    def decades(self) -> list[float]:
        first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
        return [10.0**n for n in range(first, last + 1)]


def decades_around(values: list[float]) -> tuple[float, float]:
    return 10.0 ** math.floor(math.log10(min(values))), 10.0 ** math.ceil(math.log10(max(values)))


def number(value: float) -> str:
    for factor, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:g}{suffix}"
    return f"{value:g}"


def text(x: float, y: float, content: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{content}</text>'


def segment(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def grid(x: Axis, y: Axis) -> list[str]:
    parts = []
    for value in x.decades():
        parts.append(segment(x.at(value), y.start, x.at(value), y.end, "grid"))
        parts.append(text(x.at(value), y.start + 16, number(value), "middle"))
    for value in y.decades():
        parts.append(segment(x.start, y.at(value), x.end, y.at(value), "grid"))
        parts.append(text(x.start - 6, y.at(value) + 4, number(value), "end"))
    parts.append(f'<rect x="{x.start}" y="{y.end}" width="{WIDTH}" height="{HEIGHT}" class="frame"/>')
    return parts


def curve(points: list[tuple[float, float]], x: Axis, y: Axis, colour: str) -> list[str]:
    places = [(x.at(a), y.at(b)) for a, b in points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    dots = [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
    return [f'<polyline points="{path}" class="line" stroke="{colour}"/>'] + dots


def panel(rows: list[dict], column: int, line: int, field: str, scale: tuple[float, float]) -> list[str]:
    left, top = LEFT + column * (WIDTH + GAP), TOP + line * (HEIGHT + GAP)
    x = Axis(*decades_around([float(r["size"]) for r in rows]), left, left + WIDTH)
    y = Axis(*scale, top + HEIGHT, top)
    parts = grid(x, y)
    if field == "peak_mib":
        parts.append(segment(x.start, y.at(LIMIT_MIB), x.end, y.at(LIMIT_MIB), "limit"))
        parts.append(text(x.end - 4, y.at(LIMIT_MIB) - 5, f"{LIMIT_MIB} MiB", "end"))
        parts.append(text(left + WIDTH / 2, y.start + 36, TITLES[rows[0]["axis"]], "middle"))
    for step, colour in COLOURS.items():
        points = [(float(r["size"]), float(r[field])) for r in rows if r["step"] == step]
        parts += curve(points, x, y, colour)
    return parts


def legend() -> list[str]:
    parts = []
    for place, (step, colour) in enumerate(COLOURS.items()):
        x = LEFT + 2 * (WIDTH + GAP) - 110 + 200 * place
        parts.append(f'<line x1="{x}" y1="24" x2="{x + 22}" y2="24" class="line" stroke="{colour}"/>')
        parts.append(text(x + 28, 28, NAMES[step], ""))
    return parts


def chart(rows: list[dict]) -> str:
    width, height = LEFT + 3 * (WIDTH + GAP) - GAP // 2, TOP + 2 * (HEIGHT + GAP)
    parts = [text(LEFT, 28, "mlbuild: how time and memory grow", "title")] + legend()
    fields = (("seconds", "seconds"), ("peak_mib", "peak memory, MiB"))
    for line, (field, title) in enumerate(fields):
        scale = decades_around([float(r[field]) for r in rows] + [LIMIT_MIB] * line)
        parts.append(text(LEFT, TOP + line * (HEIGHT + GAP) - 8, title, ""))
        for column, axis in enumerate(TITLES):
            of_axis = [r for r in rows if r["axis"] == axis]
            parts += panel(of_axis, column, line, field, scale)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">\n<style>{STYLE}</style>\n'
            f'<rect width="{width}" height="{height}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def main(source: str, target: str) -> None:
    with open(source, encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    with open(target, "w", encoding="ascii") as file:
        file.write(chart(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
