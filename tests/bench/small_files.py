#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""small_files.py COUNT DIR: files of 3 KiB of text on average, a hundred in a folder."""
import sys
from pathlib import Path

PER_FOLDER = 100
WORDS = "layer digest blob stage solver record export mount tree cache".split()


def text(number: int) -> str:
    lines = 20 + number * 7919 % 260
    return "".join(f"{number} {line} {WORDS[(number + line) % len(WORDS)]} {number * line}\n"
                   for line in range(lines))


def main(count: int, directory: Path) -> None:
    for number in range(count):
        folder = directory / str(number // PER_FOLDER)
        if number % PER_FOLDER == 0:
            folder.mkdir(parents=True)
        (folder / f"{number}.txt").write_text(text(number), encoding="ascii")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
