# SPDX-License-Identifier: Apache-2.0
"""The half of fault_server.py that takes images: a registry in memory that keeps digests and sizes, not
bytes, and does wrong what the repository's name says, as "up-cut_1000000" (what is behind the underscore is
its argument) or "up-cut_1000000.again" (a fresh one of the same kind)."""
import hashlib
import json
import re
import socket
import struct
import threading
import uuid

PIECE = 1 << 20


class Repository:
    def __init__(self):
        self.blobs, self.sessions, self.manifests = {}, {}, {}
        self.received = 0      # bytes of blobs, all in all
        self.since_cut = 0
        self.tokens = 0        # given out so far
        self.uses = 0          # of the last one
        self.once = set()      # what was done wrong already
        self.lock = threading.Lock()

    def first(self, what):
        with self.lock:
            is_first = what not in self.once
            self.once.add(what)
            return is_first


class Session:
    def __init__(self):
        self.hash, self.size = hashlib.sha256(), 0


repositories = {}
lock = threading.Lock()


def repository(name):
    with lock:
        return repositories.setdefault(name, Repository())


class Cut(Exception):
    pass


class Uploads:
    """Mixed into the server; what is read from self: answer, note, path, headers, rfile, connection."""

    def take(self):
        """Sets what a request of /v2/REPOSITORY/... is about; False: it has been answered."""
        parts = self.path.split("?")[0].split("/")
        self.name = parts[2]
        self.kind, _, self.argument = self.name.split(".")[0].partition("_")
        self.repo = repository(self.name)
        self.what, self.rest = parts[3], parts[4:]
        if self.server.server_address[1] == self.other_port() and self.headers["Authorization"]:
            self.note("LEAK " + self.path)
        self.query = dict(re.findall(r"([^?&=]*)=([^&]*)", self.path.partition("?")[2]))
        if self.kind == "up-503":
            self.drain()
            self.answer(503)
            return False
        if self.kind == "up-storm" and self.repo.first(f"storm {self.command} {self.path.split('?')[0]}"):
            self.drain()
            status = 429 if len(self.repo.once) % 2 else 503
            self.answer(status, **({"Retry_After": "0"} if status == 429 else {}))
            return False
        if self.origin() == self.other_port() and self.headers["Authorization"]:
            self.note("LEAK " + self.path)
        return not self.is_redirected() and self.is_authorised()

    def is_redirected(self):
        """up-redirects_307: what has a body belongs to the other origin, which says so as "/v2/...";
        up-redirects-early_307: without reading what comes; up-circles_307: to itself."""
        kinds = {"up-redirects": True, "up-redirects-early": False, "up-circles": True}
        if self.kind not in kinds or self.command in ("GET", "HEAD"):
            return False
        if self.kind != "up-circles" and self.origin() == self.other_port():
            self.note(f"redirected {self.name} {self.command} {self.what}")
            return False
        if kinds[self.kind]:
            self.drain()
        else:
            self.close_connection = True
        place = "" if self.kind == "up-circles" else f"http://localhost:{self.other_port()}"
        self.answer(int(self.argument), Location=place + self.path)
        return True

    def is_authorised(self):
        """up-expiring_N: a token is good for N requests that send something."""
        if self.kind != "up-expiring":
            return True
        repo = self.repo
        with repo.lock:
            repo.uses += self.command in ("PATCH", "PUT")
            if self.headers["Authorization"] == f"Bearer t{repo.tokens}" and repo.uses <= int(self.argument):
                return True
        self.close_connection = True
        self.answer(401, WWW_Authenticate=f'Bearer realm="/up-token",service="{self.name}"', Connection="close")
        return False

    def up_token(self):
        repo = repository(re.search("service=([^&]*)", self.path).group(1))
        with repo.lock:
            repo.tokens += 1
            repo.uses = 0
        self.note(f"token {repo.tokens}")
        self.answer(200, json.dumps({"token": f"t{repo.tokens}", "expires_in": 3600}).encode())

    def drain(self):
        left = int(self.headers["Content-Length"] or 0)
        while left > 0:
            left -= len(self.rfile.read(min(left, PIECE))) or left

    def cut_off(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise Cut

    def receive(self, session, keep=1.0):
        """The body, or a part of it, into the session; up-cut_N resets the connection after every N bytes,
        up-cut-at_N once; up-forgets-... loses what it had."""
        left = int(self.headers["Content-Length"] or 0)
        unkept = left - int(left * keep)
        left -= unkept
        limit = int(self.argument) if self.kind in ("up-cut", "up-cut-at", "up-forgets-cut", "up-forgets-at") else None
        if self.kind.endswith("-at") and "cut" in self.repo.once:
            limit = None
        while left > 0:
            most = min(left, PIECE)
            if limit:
                most = min(most, limit - self.repo.since_cut)
            piece = self.rfile.read(most)
            if not piece:
                raise Cut
            session.hash.update(piece)
            session.size += len(piece)
            left -= len(piece)
            with self.repo.lock:
                self.repo.received += len(piece)
                self.repo.since_cut += len(piece)
            if limit and self.repo.since_cut >= limit:
                self.repo.since_cut = 0
                self.repo.once.add("cut")
                if self.kind.startswith("up-forgets"):
                    self.repo.sessions.clear()
                self.note(f"cut {self.name}")
                self.cut_off()
        self.rfile.read(unkept)

    def location(self, key):
        path = f"/v2/{self.name}/blobs/uploads/{key}"
        if self.kind == "up-relative":
            return f"../../../../v2/{self.name}/blobs/uploads/{key}?state=a%2Fb"
        if self.kind == "up-elsewhere":
            return f"http://localhost:{self.other_port()}{path}"
        if self.kind == "up-plain-elsewhere":
            return f"http://elsewhere.invalid{path}"
        if self.kind == "up-file":
            return "file:///etc/passwd"
        return path

    def put_in_place(self, session, digest):
        actual = "sha256:" + session.hash.hexdigest()
        if self.kind == "up-mismatch" or actual != digest:
            self.note(f"mismatch {self.name}")
            return self.answer(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"not that digest"}]}')
        self.repo.blobs[digest] = session.size
        if self.kind == "up-lost-answer" and self.repo.first("answer"):
            self.cut_off()
        header = "sha256:" + "0" * 64 if self.kind == "up-digest-lies" else digest
        return self.answer(201, Docker_Content_Digest=header)

    def do_HEAD(self):
        if not self.take():
            return None
        name = self.rest[0]
        if self.what == "blobs":
            is_there = name in self.repo.blobs or self.kind == "up-pretends"
            return self.answer(200 if is_there else 404, Content_Length=str(self.repo.blobs.get(name, 0)))
        return self.answer(200 if name in self.repo.manifests else 404)

    def do_POST(self):
        self.drain()
        if self.path.startswith("/token"):
            return self.token()
        if not self.take():
            return None
        if self.kind == "up-mounts" and self.query.get("mount") in repository(self.query.get("from", "")).blobs:
            self.repo.blobs[self.query["mount"]] = 0
            self.note("mounted " + self.query["mount"])
            return self.answer(201)
        if self.kind == "up-mount-refused" and "mount" in self.query:
            return self.answer(405)
        key = uuid.uuid4().hex
        self.repo.sessions[key] = Session()
        least = {"OCI_Chunk_Min_Length": self.argument} if self.kind == "up-min" else {}
        return self.answer(202, Location=self.location(key), Range="0-0", **least)

    def session(self):
        session = self.repo.sessions.get(self.rest[1])
        if not session:
            self.drain()
            self.answer(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')
        return session

    def status(self):
        """GET of an upload."""
        session = self.session()
        if not session:
            return None
        size = session.size
        if self.kind == "up-status-lies":
            size += 1000
        self.note(f"status {self.name} {size}")
        end = 0 if self.kind == "up-status-zero" else max(size - 1, 0)
        return self.answer(204, Location=self.location(self.rest[1]), Range=f"0-{end}")

    def do_PATCH(self):
        if not self.take():
            return None
        session = self.session()
        if not session:
            return None
        if self.kind == "up-no-chunks":
            self.drain()
            return self.answer(405)
        if self.is_too_large():
            return None
        length = int(self.headers["Content-Length"])
        start = int(self.headers["Content-Range"].split("-")[0])
        if self.kind == "up-416" or start != session.size or (self.kind == "up-min" and length < int(self.argument) and start == 0):
            self.drain()
            return self.answer(416, Location=self.location(self.rest[1]), Range=f"0-{max(session.size - 1, 0)}")
        self.receive(session, 0.5 if self.kind == "up-partial" and length > 1000 else 1.0)
        if self.kind in ("up-torn", "up-status-lies", "up-status-zero") and self.repo.first("patch"):
            self.cut_off()
        end = session.size - 1
        if self.kind == "up-range-lies":
            end = 10**15
        headers = {} if self.kind == "up-no-range" else {"Range": f"0-{end}"}
        return self.answer(202, Location=self.location(self.rest[1]), **headers)

    def is_too_large(self):
        if self.kind == "up-413" and int(self.headers["Content-Length"] or 0) > int(self.argument):
            self.close_connection = True
            self.answer(413, Connection="close")
            return True
        return False

    def do_PUT(self):
        if not self.take():
            return None
        if self.what == "manifests":
            return self.put_manifest()
        if self.is_too_large():
            return None
        session = self.session()
        if not session:
            return None
        self.receive(session)
        return self.put_in_place(session, self.query["digest"])

    def put_manifest(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        doc = json.loads(body)
        missing = [d["digest"] for d in [doc["config"]] + doc["layers"] if d["digest"] not in self.repo.blobs]
        if missing:
            return self.answer(400, json.dumps({"errors": [
                {"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown", "detail": {"digest": d}}
                for d in missing]}).encode())
        self.repo.manifests[self.rest[0]] = body
        self.note(f"pushed {self.name} {self.repo.received}")
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        if self.kind == "up-manifest-lies":
            digest = "sha256:" + "0" * 64
        return self.answer(201, Docker_Content_Digest=digest)
