#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fault_server.py PORT-FILE LOG-FILE [KEY.pem CERT.pem]: a registry on loopback (or on $FAULT_ADDRESS) that does
wrong what the name of the repository says ("truncated", "truncated.again": a fresh one of the same kind;
"up-...": see uploads.py). A second port is "another origin": whatever authorisation, or header that only the
registry should see, arrives there is a LEAK. With a key and a certificate the same is served by https as well,
at the port in PORT-FILE.tls."""
import base64
import email.utils
import gzip
import hashlib
import http.server
import io
import json
import os
import random
import socket
import ssl
import struct
import sys
import tarfile
import threading
import time

from uploads import Cut, Uploads

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
NOISE = random.Random(1).randbytes(400000)
CONFIGS = {}


def tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for directory in range(20):
            entry = tarfile.TarInfo(f"dir{directory}")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
            entry = tarfile.TarInfo(f"dir{directory}/noise")
            entry.size = len(NOISE) // 20
            archive.addfile(entry, io.BytesIO(NOISE[directory * entry.size:]))
    return out.getvalue()


LAYER_TAR = tar()
LAYER = gzip.compress(LAYER_TAR, mtime=0)


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config(layers, diff_id=sha(LAYER_TAR)):
    data = json.dumps({"os": "linux", "architecture": "amd64", "config": {},
                       "rootfs": {"type": "layers", "diff_ids": [diff_id] * layers}}).encode()
    CONFIGS[sha(data)] = data
    return data


def manifest(conf, layers=1, **more):
    """`more`: members of a layer beside the usual, or instead of them."""
    return json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha(conf),
                   "size": len(conf)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": sha(LAYER), "size": len(LAYER), **more}] * layers}).encode()


def odd_manifest(name):
    """The manifest of an image that is odd, but whole; None: the image is like any other."""
    conf = config(0 if name == "no-layers" else 1)
    stranger = f"http://localhost:{other.server_address[1]}/urls"
    if name == "no-layers":
        return manifest(conf, 0)
    if name == "urls":
        return manifest(conf, urls=[stranger])
    if name == "data-lies":
        return manifest(conf, data=base64.b64encode(b"another").decode())
    if name == "mixed":
        return manifest(conf, mediaType="application/vnd.docker.image.rootfs.diff.tar.gzip")
    if name == "untyped":
        return manifest(conf).replace(b'"mediaType": "' + MANIFEST.encode() + b'", ', b"")
    if name == "untyped-layer":
        return manifest(conf, mediaType="")
    return None


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
ANY_ORIGIN = {"host", "user-agent", "accept", "range"}  # headers that no stranger learns from
EXPIRES = {"expires-0": "0", "expires-huge": "9223372036854775807", "expires-no-number": "99999999999999999999999",
           "expires-real": "1.5e300",
           "expires-text": '"soon"', "expires-null": "null"}
seen = {}
valid = {}  # which token a repository accepts: how many it was given
lock = threading.Lock()


class Server(Uploads, http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def note(self, text):
        with lock, open(sys.argv[2], "a") as log:
            log.write(text + "\n")

    def times(self):
        """How often was this repository asked before?"""
        with lock:
            seen[self.repository] = seen.get(self.repository, 0) + 1
            return seen[self.repository] - 1

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

    def other_port(self):
        return other.server_address[1]

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except Cut:
            self.close_connection = True

    def do_GET(self):
        if self.path.startswith("/up-token"):
            return self.up_token()
        if "/blobs/uploads/" in self.path:
            return self.status() if self.take() else None
        if self.origin() == other.server_address[1]:
            return self.stranger()
        if self.path == "/v2/":
            return self.answer(200)
        if self.path.startswith("/token"):
            return self.token()
        if self.path.startswith("/moved"):
            return self.answer(200, LAYER)
        parts = self.path.split("/")  # "", v2, REPOSITORY, manifests | blobs, NAME
        self.repository = parts[2]
        return getattr(self, "do_" + parts[3])(self.repository.split(".")[0], parts[4])

    def stranger(self):
        self.note(f"stranger {self.path.split('?')[0]}")
        for header in {name.lower() for name in self.headers} - ANY_ORIGIN:
            self.note(f"LEAK {header} {self.path}")
        if self.path.startswith("/token"):
            return self.answer(200, b'{"token":"stranger"}')
        if self.path.startswith("/signed"):
            self.repository = self.path
            return self.answer(403) if self.times() else self.signed()
        return self.answer(200, LAYER)

    def signed(self):
        """An address that is good once: half of what is asked for, or the rest of it."""
        asked = self.headers["Range"]
        if not asked:
            return self.reset(LAYER[:len(LAYER) // 2])
        start = int(asked.split("=")[1].split("-")[0])
        return self.answer(206, LAYER[start:], Content_Range=f"bytes {start}-{len(LAYER) - 1}/{len(LAYER)}")

    def token(self):
        name = self.path.split("service=")[1].split("&")[0]
        if name == "no-token":
            return self.answer(200, b'{"token":"a b\\r\\nX: y"}')
        if name == "huge-token":
            return self.answer(200, b'{"token":"' + b"a" * 1000000 + b'"}')
        if name == "token-503":
            return self.answer(503)
        if not (self.headers["Authorization"] or "").startswith("Basic ") and name in ("token", "two-challenges"):
            return self.answer(401)
        if name == "expires-mid":
            with lock:
                valid[name] = valid.get(name, 0) + 1
                return self.answer(200, b'{"token":"t%d","expires_in":3600}' % valid[name])
        return self.answer(200, b'{"access_token":"good","expires_in":%s}' % EXPIRES.get(name, "-1").encode())

    def challenge(self, name):
        realm = {"foreign-realm": f"http://localhost:{other.server_address[1]}/token",
                 "realm-plain": f"http://{self.headers['Host']}/token",
                 "realm-loopback": "https://127.0.0.1:1/token",
                 "realm-file": "file:///etc/passwd"}.get(name, "/token")
        odd = {"no-realm": f"Bearer service={name}", "empty-challenge": "",
               "unterminated": f'Bearer service={name}, realm="/token',
               "two-challenges": f'Basic realm="x", Bearer realm="/token",service="{name}"'}.get(name)
        if odd is not None:
            return self.answer(401, WWW_Authenticate=odd)
        body = b'{"errors":[{"code":"DENIED","message":"denied \x1b[31m"}]}' if name == "ansi" else b""
        body = body.replace(b"\x1b", b"\\u001b")
        self.answer(401, body, WWW_Authenticate=f'Negotiate, Bearer realm="{realm}",service={name},'
                                                f' error="x, y=\\"z\\"" , scope="a:b:c"')

    def needs_token(self, name):
        never = ("loop-401", "foreign-realm", "realm-file", "realm-plain", "realm-loopback", "no-token",
                 "huge-token", "ansi", "no-realm", "empty-challenge", "token-503")
        wanted = {"token": "good", "unterminated": "good", "two-challenges": "good",
                  "expires-mid": f"t{valid.get(name, 0)}", **dict.fromkeys(EXPIRES, "good")}.get(name)
        return name in never or (wanted and self.headers["Authorization"] != "Bearer " + wanted)

    def do_manifests(self, name, reference):
        conf = config(2 if name in ("layer-count", "twice") else 1)
        if name == "wrong-diff":
            conf = config(1, sha(b"another"))
        body = odd_manifest(name) or manifest(conf, 2 if name == "twice" else 1)
        if self.needs_token(name):
            return self.challenge(name)
        if name == "always-503" or (name == "flaky" and self.times() < 2):
            return self.answer(503)
        if name == "too-many" and self.times() < 1:
            return self.answer(429, Retry_After="1")
        if name == "too-many-bad" and self.times() < 1:
            return self.answer(429, Retry_After="soon")
        if name == "limited":
            return self.answer(429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}',
                               Retry_After="5430", Ratelimit_Limit="100;w=21600", Ratelimit_Remaining="0;w=21600")
        if name == "limited-until":
            return self.answer(429, Retry_After="Fri, 31 Dec 2100 23:59:59 GMT")
        if name == "too-many-date" and self.times() < 1:
            return self.answer(429, Retry_After=email.utils.formatdate(time.time() + 2, usegmt=True))
        if name == "always-429":
            return self.answer(429)
        if name == "html":
            return self.answer(200, b"<html>", Content_Type="text/html")
        if name == "big-manifest":
            return self.answer(200, b" " * (4 * 1024 * 1024 + 1), Content_Type=MANIFEST)
        if name == "encoding":
            return self.answer(200, gzip.compress(body), Content_Type=MANIFEST,
                               Content_Encoding="gzip")
        if name == "long-headers":
            return self.answer(200, body, **{f"X{i}": "a" * 60000 for i in range(7)})
        if name == "long-header":
            return self.answer(200, body, X="a" * 320000)
        if name == "index-loop":
            at = [d for d in NESTED if sha(d) == reference] or [NESTED[-1]]
            return self.answer(200, at[0], Content_Type=INDEX if at[0] != NESTED[0] else MANIFEST)
        digest = sha(b"another") if name == "lying-digest" else sha(body)
        kind = {"untyped": None, "type-lies": "application/vnd.docker.distribution.manifest.v2+json",
                "index-type": INDEX}.get(name, MANIFEST + "; charset=utf-8")
        return self.answer(200, body, Content_Type=kind, Docker_Content_Digest=digest)

    def do_blobs(self, name, digest):
        if name == "forgets":
            return self.answer(404)
        body = CONFIGS.get(digest)
        if body:
            return self.answer(200, body.replace(b"linux", b"linus") if name == "wrong-config"
                               else body)
        if self.needs_token(name):
            return self.challenge(name)
        redirect = self.elsewhere(name, digest)
        if redirect:
            return self.answer(307, Location=redirect)
        if name in ("slow", "stuck"):
            return self.drip(5 if name == "slow" else 600)
        if name == "wrong-bytes" or (name == "mended" and self.times() == 0):
            return self.answer(200, LAYER[:200000] + b"x" + LAYER[200001:])
        if name == "long-body":
            return self.answer(200, LAYER + b"x")
        if name == "encoding-blob":
            return self.answer(200, LAYER, Content_Encoding="gzip")
        if name.startswith("chunked"):
            return self.chunked(name)
        if name == "expires-mid" and self.times() == 0:
            valid[name] += 1  # what was given is good no more
            return self.reset(LAYER[:len(LAYER) // 2])
        return self.cut(name)

    def elsewhere(self, name, digest):
        """Where the layer is to be had instead, or None."""
        stranger = f"http://localhost:{other.server_address[1]}"
        if name == "redirect-maze":  # ten of them, there and back
            hop = int((self.path.split("?hop=") + ["0"])[1])
            return f"./{digest.split('?')[0]}?hop={hop + 1}" if hop < 9 else stranger + "/blob"
        if name == "redirect-signed":
            return f"{stranger}/signed/{self.repository}-{self.times()}"
        return {"redirect": stranger + "/blob?signature=x",
                "redirect-relative": "../../../moved/blob",
                "redirect-loop": self.path,
                "redirect-file": "file:///etc/passwd",
                "redirect-ftp": "ftp://127.0.0.1/blob",
                "redirect-gopher": "gopher://127.0.0.1:70/1",
                "redirect-plain": "http://elsewhere.invalid/blob",
                "redirect-cr": stranger + "/blob\rAuthorization: x",
                "redirect-escaped": stranger + "/blob%0d%0aAuthorization:%20x",
                "redirect-loopback": "https://127.0.0.1:1/blob",
                "redirect-metadata": "https://169.254.169.254/latest/meta-data",
                "redirect-mapped": "https://[::ffff:127.0.0.1]:1/blob",
                "redirect-localhost": "https://localhost:1/blob",
                "redirect-credentials": "http://user:pass@localhost/"}.get(name)

    def chunked(self, name):
        """Parts with extensions that nobody knows; cut off before the last; or no parts at all."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        half = len(LAYER) // 2
        is_cut = name == "chunked-cut" and self.times() == 0
        length = b"zz" if name == "chunked-garbage" else b"%x;a=\"b;c\";d" % half
        self.wfile.write(length + b"\r\n" + LAYER[:half] + b"\r\n")
        if is_cut:
            self.close_connection = True
            return
        self.wfile.write(b"%x\r\n" % (len(LAYER) - half) + LAYER[half:] + b"\r\n0\r\nTrailer: x\r\n\r\n")

    def drip(self, seconds):
        """The first half at once, the rest after a while."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(LAYER)))
        self.end_headers()
        half = len(LAYER) // 2
        self.wfile.write(LAYER[:half])
        self.wfile.flush()
        self.note("half of the layer was sent")
        time.sleep(seconds)
        self.wfile.write(LAYER[half:])

    def reset(self, part):
        """The connection breaks off hard in the midst of the body."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(LAYER)))
        self.end_headers()
        self.wfile.write(part)
        self.wfile.flush()
        time.sleep(0.2)
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def cut(self, name):
        """Answers that end early, and what comes of going on."""
        asked = self.headers["Range"]
        half = len(LAYER) // 2
        if name in ("truncated", "closed-early", "no-range", "bad-range", "range-refused",
                    "always-truncated") and (self.times() == 0 or name == "always-truncated"):
            length = None if name == "closed-early" else str(len(LAYER))
            self.close_connection = True
            part = LAYER[:1000] if name == "always-truncated" else LAYER[:half]
            return self.answer(200, part, Content_Length=length, Connection="close")
        if name == "reset" and self.times() == 0:
            return self.reset(LAYER[:half])
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


def start_tls(key, cert):
    server = Threads(("127.0.0.1", 0), Server)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(sys.argv[1] + ".tls", "w") as f:
        f.write(str(server.server_address[1]))


other = Threads(("127.0.0.1", 0), Server)
threading.Thread(target=other.serve_forever, daemon=True).start()
main = Threads((os.environ.get("FAULT_ADDRESS", "127.0.0.1"), 0), Server)
if len(sys.argv) > 3:
    start_tls(*sys.argv[3:])
with open(sys.argv[1], "w") as f:
    f.write(str(main.server_address[1]))
main.serve_forever()
