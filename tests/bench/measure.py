#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one command and says what it took, and prints what many runs took.

  measure.py run [--peak] TOOL COMMAND...   one run, as a line of JSON
  measure.py header TOOL...                 the head of the table
  measure.py row TITLE TOOL... < RUNS       a row: medians, and how many times longer than the first tool
  measure.py csv TEXT < RUNS                TEXT, the median, the peak in MiB

The peak is the sum of Pss over the tool's own processes; those of a RUN step are other programs. Who takes
it disturbs a short run, so a run with --peak counts for the time only if it took longer than a second.
"""
from __future__ import annotations

import json
import mmap
import os
import signal
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = {
    "mlbuild": {"mlbuild", "mlbuild-zygote", "mlbuild-agent"},
    "buildah": {"buildah", "runc", "crun"},
    "skopeo": {"skopeo"},
    "buildkit": {"docker", "docker-buildx"},
}
MIB = 1024 * 1024
LONG_RUN = 1.0
TITLE, CELL = 44, 12


def names(process: Path) -> set[str]:
    """buildah names its children after what they do; a process with another root has no path to its program."""
    return {os.path.basename(os.readlink(process / "exe")), (process / "comm").read_text().strip()}


def pss(process: Path) -> int:
    for line in (process / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def pss_of(programs: set[str]) -> int:
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if names(process) & programs:
                total += pss(process)
        except OSError:  # it has ended, or is another user's
            pass
    return total


class PeakSampler:
    """Samples in a process of its own, often at first, so that a short run is seen as well."""

    SHORTEST, LONGEST = 0.002, 0.1

    def __init__(self, programs: set[str]) -> None:
        self.shared = mmap.mmap(-1, 8)
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self.sample(programs, parent)

    def sample(self, programs: set[str], parent: int) -> None:
        pause, peak = self.SHORTEST, 0
        while os.getppid() == parent:
            peak = max(peak, pss_of(programs))
            struct.pack_into("q", self.shared, 0, peak)
            time.sleep(pause)
            pause = min(pause * 1.3, self.LONGEST)
        os._exit(0)

    def stop(self) -> int:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return struct.unpack_from("q", self.shared, 0)[0]


def run(tool: str, command: list[str], with_peak: bool) -> dict:
    os.sync()  # what earlier runs wrote is not this one's to wait for
    sampler = PeakSampler(PROGRAMS[tool]) if with_peak else None
    start = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    seconds = time.perf_counter() - start
    peak = sampler.stop() if sampler else 0
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip().splitlines() or ["nothing"]
        print(f"{tool}: exit {done.returncode}: {said[-1]}", file=sys.stderr)
    return {"tool": tool, "seconds": seconds, "peak": peak, "sampled": with_peak,
            "failed": done.returncode != 0}


def seconds_text(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def line(title: str, cells: list[str]) -> str:
    return f"{title:{TITLE}}" + "".join(f"{cell:>{CELL}}" for cell in cells)


def header(tools: list[str]) -> str:
    first, *peers = tools
    cells = [first] + [cell for peer in peers for cell in (peer, "ratio")]
    return line("", cells + [f"{tool} MiB" for tool in tools])


def median_of(runs: list[dict]) -> float | None:
    """None if a run failed."""
    if not runs or any(r["failed"] for r in runs):
        return None
    return statistics.median(
        [r["seconds"] for r in runs if not r["sampled"] or r["seconds"] >= LONG_RUN]
        or [r["seconds"] for r in runs])


def peak_of(runs: list[dict]) -> int:
    return max((r["peak"] for r in runs), default=0)


def row(title: str, tools: list[str], runs: list[dict]) -> str:
    by_tool = {tool: [r for r in runs if r["tool"] == tool] for tool in tools}
    medians = {tool: median_of(by_tool[tool]) for tool in tools}
    first = medians[tools[0]]
    cells = []
    for tool, median in medians.items():
        cells.append("FAILED" if median is None else seconds_text(median))
        if tool != tools[0]:
            cells.append("" if median is None or first is None else f"{median / first:.1f}x")
    for tool in tools:
        peak = peak_of(by_tool[tool])
        cells.append(f"{peak / MIB:.1f}" if peak else "-")
    return line(title, cells)


def csv(text: str, runs: list[dict]) -> str:
    median = median_of(runs)
    if median is None:
        sys.exit(f"{text}: failed")
    return f"{text},{median:.4f},{peak_of(runs) / MIB:.1f}"


def main(verb: str, *args: str) -> None:
    if verb == "run":
        with_peak = args[0] == "--peak"
        tool, *command = args[1:] if with_peak else args
        print(json.dumps(run(tool, command, with_peak)))
    elif verb == "header":
        print(header(list(args)))
    else:
        runs = [json.loads(text) for text in sys.stdin]
        print(csv(args[0], runs) if verb == "csv" else row(args[0], list(args[1:]), runs), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
