# SPDX-License-Identifier: Apache-2.0
"""Serves the two-moons classifier over HTTP: POST {"x": [a, b]} to /predict."""
import json
import math
import os
import struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import densenet

MODEL = Path(__file__).resolve().parent.parent / "model" / "weights.safetensors"


def load_safetensors(path):
    """Length of the header, the header as JSON, then the tensors' bytes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    return {
        name: body[slice(*entry["data_offsets"])]
        for name, entry in header.items()
        if name != "__metadata__"
    }


TENSORS = load_safetensors(MODEL)


def predict(x):
    hidden = densenet.dense(TENSORS["hidden.weight"], TENSORS["hidden.bias"], x, True)
    (logit,) = densenet.dense(TENSORS["output.weight"], TENSORS["output.bias"], hidden, False)
    probability = 1 / (1 + math.exp(-logit))
    return {"moon": int(probability > 0.5), "probability": round(probability, 4)}


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body):
        text = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        ok = self.path == "/health"
        self.answer(200 if ok else 404, {"status": "ok" if ok else "not found"})

    def do_POST(self):
        if self.path != "/predict":
            return self.answer(404, {"error": "not found"})
        try:
            length = int(self.headers.get("Content-Length", 0))
            x = json.loads(self.rfile.read(min(length, 65536)))["x"]
            self.answer(200, predict([float(value) for value in x]))
        except (KeyError, TypeError, ValueError) as error:
            self.answer(400, {"error": str(error)})

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8080"))
    ThreadingHTTPServer(("", port), Handler).serve_forever()
