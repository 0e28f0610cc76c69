#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fault_server.py PORT-FILE LOG-FILE: a registry on loopback that does wrong what the name of the
repository says. A second port is "another origin": whatever authorisation arrives there is a LEAK."""
import gzip
import hashlib
import http.server
import json
import random
import sys
import threading

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER_TAR = random.Random(1).randbytes(400000)
LAYER = gzip.compress(LAYER_TAR, mtime=0)


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config(layers):
    return json.dumps({"os": "linux", "architecture": "amd64", "config": {},
                       "rootfs": {"type": "layers", "diff_ids": [sha(LAYER_TAR)] * layers}}).encode()


def manifest(conf):
    return json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha(conf),
                   "size": len(conf)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": sha(LAYER), "size": len(LAYER)}]}).encode()


def nested_indexes(depth):
    """Indexes that name one another; a true loop would need a broken hash."""
    documents = [manifest(config(1))]
    for _ in range(depth):
        inner = documents[-1]
        kind = MANIFEST if len(documents) == 1 else INDEX
        documents.append(json.dumps({
            "schemaVersion": 2, "mediaType": INDEX,
            "manifests": [{"mediaType": kind, "digest": sha(inner), "size": len(inner)}]}).encode())
    return documents


NESTED = nested_indexes(6)
seen = {}
lock = threading.Lock()


def times(key):
    """How often was this asked before?"""
    with lock:
        seen[key] = seen.get(key, 0) + 1
        return seen[key] - 1


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def note(self, text):
        with lock, open(sys.argv[2], "a") as log:
            log.write(text + "\n")

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def origin(self):
        return self.server.server_address[1]

    def do_GET(self):
        if self.origin() == other.server_address[1]:
            return self.stranger()
        if self.path == "/v2/":
            return self.answer(200)
        if self.path.startswith("/token"):
            return self.token()
        if self.path.startswith("/moved"):
            return self.answer(200, LAYER)
        parts = self.path.split("/")  # "", v2, REPOSITORY, manifests | blobs, NAME
        return getattr(self, "do_" + parts[3])(parts[2], parts[4])

    def stranger(self):
        self.note(f"stranger {self.path.split('?')[0]}")
        if self.headers["Authorization"]:
            self.note("LEAK " + self.path)
        if self.path.startswith("/token"):
            return self.answer(200, b'{"token":"stranger"}')
        return self.answer(200, LAYER)

    def token(self):
        name = self.path.split("service=")[1].split("&")[0]
        if name == "no-token":
            return self.answer(200, b'{"token":"a b\\r\\nX: y"}')
        if name == "huge-token":
            return self.answer(200, b'{"token":"' + b"a" * 1000000 + b'"}')
        if not (self.headers["Authorization"] or "").startswith("Basic ") and name == "token":
            return self.answer(401)
        return self.answer(200, b'{"access_token":"good","expires_in":-1}')

    def challenge(self, name):
        realm = {"foreign-realm": f"http://localhost:{other.server_address[1]}/token",
                 "realm-file": "file:///etc/passwd"}.get(name, "/token")
        body = b'{"errors":[{"code":"DENIED","message":"denied \x1b[31m"}]}' if name == "ansi" else b""
        body = body.replace(b"\x1b", b"\\u001b")
        self.answer(401, body, WWW_Authenticate=f'Negotiate, Bearer realm="{realm}",service={name},'
                                                f' error="x, y=\\"z\\"" , scope="a:b:c"')

    def needs_token(self, name):
        names = ("token", "loop-401", "foreign-realm", "realm-file", "no-token", "huge-token", "ansi")
        is_good = name == "token" and self.headers["Authorization"] == "Bearer good"
        return name in names and not is_good

    def do_manifests(self, name, reference):
        conf = config(2 if name == "layer-count" else 1)
        body = manifest(conf)
        if self.needs_token(name):
            return self.challenge(name)
        if name == "always-503" or (name == "flaky" and times(name) < 2):
            return self.answer(503)
        if name == "too-many" and times(name) < 1:
            return self.answer(429, Retry_After="1")
        if name == "html":
            return self.answer(200, b"<html>", Content_Type="text/html")
        if name == "big-manifest":
            return self.answer(200, b" " * (4 * 1024 * 1024 + 1), Content_Type=MANIFEST)
        if name == "encoding":
            return self.answer(200, gzip.compress(body), Content_Type=MANIFEST,
                               Content_Encoding="gzip")
        if name == "long-headers":
            return self.answer(200, body, **{f"X{i}": "a" * 60000 for i in range(7)})
        if name == "index-loop":
            at = [d for d in NESTED if sha(d) == reference] or [NESTED[-1]]
            return self.answer(200, at[0], Content_Type=INDEX if at[0] != NESTED[0] else MANIFEST)
        digest = sha(b"another") if name == "lying-digest" else sha(body)
        return self.answer(200, body, Content_Type=MANIFEST + "; charset=utf-8",
                           Docker_Content_Digest=digest)

    def do_blobs(self, name, digest):
        for layers in (1, 2):
            if digest == sha(config(layers)):
                body = config(layers)
                return self.answer(200, body.replace(b"linux", b"linus") if name == "wrong-config"
                                   else body)
        if self.needs_token(name):
            return self.challenge(name)
        redirect = {"redirect": f"http://localhost:{other.server_address[1]}/blob?signature=x",
                    "redirect-relative": "../../../moved/blob",
                    "redirect-loop": self.path,
                    "redirect-file": "file:///etc/passwd",
                    "redirect-credentials": "http://user:pass@localhost/"}.get(name)
        if redirect:
            return self.answer(307, Location=redirect)
        if name == "wrong-bytes":
            return self.answer(200, LAYER[:-1] + b"x")
        if name == "long-body":
            return self.answer(200, LAYER + b"x")
        return self.cut(name)

    def cut(self, name):
        """Answers that end early, and what comes of going on."""
        asked = self.headers["Range"]
        half = len(LAYER) // 2
        if name in ("truncated", "closed-early", "no-range", "bad-range", "range-refused",
                    "always-truncated") and (times(name) == 0 or name == "always-truncated"):
            length = None if name == "closed-early" else str(len(LAYER))
            self.close_connection = True
            part = LAYER[:1000] if name == "always-truncated" else LAYER[:half]
            return self.answer(200, part, Content_Length=length, Connection="close")
        if not asked or name == "no-range":
            return self.answer(200, LAYER)
        start = int(asked.split("=")[1].split("-")[0])
        if name == "range-refused":
            return self.answer(416)
        if name == "bad-range":
            return self.answer(206, LAYER[5:], Content_Range=f"bytes 5-{len(LAYER) - 1}/{len(LAYER)}")
        self.note(f"resumed {name} at {start}")
        return self.answer(206, LAYER[start:],
                           Content_Range=f"bytes {start}-{len(LAYER) - 1}/{len(LAYER)}")


class Threads(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # clients that hang up are what is tested


other = Threads(("127.0.0.1", 0), Server)
threading.Thread(target=other.serve_forever, daemon=True).start()
main = Threads(("127.0.0.1", 0), Server)
with open(sys.argv[1], "w") as f:
    f.write(str(main.server_address[1]))
main.serve_forever()
