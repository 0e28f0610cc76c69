#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the two-moons classifier (2 -> 16 tanh -> 1) and writes model/weights.safetensors.

Pure Python and a fixed seed: the same weights on every run.
"""
import json
import math
import random
import struct
from pathlib import Path

HIDDEN, EPOCHS, RATE = 16, 60, 0.05


def two_moons(rng, count):
    points = []
    for i in range(count):
        t, moon = rng.uniform(0, math.pi), i % 2
        x = math.cos(t) if moon == 0 else 1 - math.cos(t)
        y = math.sin(t) if moon == 0 else 0.5 - math.sin(t)
        points.append(((x + rng.gauss(0, 0.1), y + rng.gauss(0, 0.1)), moon))
    return points


def forward(w1, b1, w2, b2, x):
    h = [math.tanh(w[0] * x[0] + w[1] * x[1] + b) for w, b in zip(w1, b1)]
    z = sum(w * v for w, v in zip(w2, h)) + b2
    return h, 1 / (1 + math.exp(-z))


def train(rng, data):
    w1 = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(HIDDEN)]
    b1, w2, b2 = [0.0] * HIDDEN, [rng.gauss(0, 0.5) for _ in range(HIDDEN)], 0.0
    for _ in range(EPOCHS):
        rng.shuffle(data)
        for x, y in data:
            h, p = forward(w1, b1, w2, b2, x)
            error = p - y
            for i in range(HIDDEN):
                grad = error * w2[i] * (1 - h[i] * h[i])
                w2[i] -= RATE * error * h[i]
                b1[i] -= RATE * grad
                w1[i][0] -= RATE * grad * x[0]
                w1[i][1] -= RATE * grad * x[1]
            b2 -= RATE * error
    return w1, b1, w2, b2


def write_safetensors(path, tensors):
    header, body = {}, b""
    for name, (shape, values) in tensors.items():
        data = struct.pack(f"<{len(values)}f", *values)
        header[name] = {
            "dtype": "F32",
            "shape": shape,
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def main():
    rng = random.Random(7)
    data = two_moons(rng, 400)
    w1, b1, w2, b2 = train(rng, data)
    right = sum((forward(w1, b1, w2, b2, x)[1] > 0.5) == (y == 1) for x, y in data)
    print(f"accuracy {right / len(data):.3f}")
    write_safetensors(
        Path(__file__).parent / "model" / "weights.safetensors",
        {
            "hidden.weight": ([HIDDEN, 2], [v for row in w1 for v in row]),
            "hidden.bias": ([HIDDEN], b1),
            "output.weight": ([1, HIDDEN], w2),
            "output.bias": ([1], [b2]),
        },
    )


if __name__ == "__main__":
    main()
