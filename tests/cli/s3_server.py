#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""s3_server.py PORT-FILE LOG DIR: an S3 server on a free port of 127.0.0.1, with one bucket "cache" in DIR.

Every request must bear a signature (version 4) of KEY and SECRET for REGION, worked out here from what arrived.
DIR/.token: the session token that is wanted. DIR/.fault, "KIND COUNT": the next COUNT requests that KIND is about go
wrong. DIR/.uploads/ID/N: parts. The log has a line for each request: METHOD PATH?QUERY RANGE STATUS.
"""
import datetime
import hashlib
import hmac
import http.server
import os
import re
import shutil
import sys
import threading
import time
import urllib.parse
import uuid

KEY, SECRET, REGION, BUCKET = "AKIDTEST", "secret/of+tests", "eu-test-1", "cache"
port_file, log_file, root = sys.argv[1:4]
lock = threading.Lock()


class Refused(Exception):
    def __init__(self, status, code, message="", **headers):
        super().__init__(code)
        self.status, self.code, self.message, self.headers = status, code, message, headers


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def mac(key, text):
    return hmac.new(key, text.encode(), "sha256").digest()


def escape(text):
    return urllib.parse.quote(text, safe="-_.~")


def wanted_signature(method, path, query, headers, signed, scope):
    """Of the request as it was received: decoded, and put down anew in the canonical form."""
    pairs = sorted((escape(k), escape(v)) for k, v in urllib.parse.parse_qsl(query, keep_blank_values=True))
    canonical = "\n".join([
        method,
        "/".join(escape(urllib.parse.unquote(s)) for s in path.split("/")),
        "&".join(f"{k}={v}" for k, v in pairs),
        "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed),
        ";".join(signed),
        headers["x-amz-content-sha256"]])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], "/".join(scope), sha256(canonical.encode())])
    key = ("AWS4" + SECRET).encode()
    for part in scope:
        key = mac(key, part)
    return mac(key, text).hex()


def check_signature(method, path, query, headers, body):
    match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
                         r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})", headers.get("authorization", ""))
    if not match:
        raise Refused(403, "AccessDenied", "no signature")
    key, day, region, names, signature = match.groups()
    signed = names.split(";")
    if "x-amz-date" not in headers or "x-amz-content-sha256" not in headers:
        raise Refused(403, "AccessDenied", "headers are missing")
    must = [name for name in headers if name == "host" or name.startswith("x-amz-")]
    if signed != sorted(signed) or not set(must) <= set(signed):
        raise Refused(403, "AccessDenied", "headers that are not signed")
    if key != KEY:
        raise Refused(403, "InvalidAccessKeyId")
    if region != REGION:
        raise Refused(400, "AuthorizationHeaderMalformed", f"the region is wrong</Message><Region>{REGION}</Region><Message>")
    stamp = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    if abs((datetime.datetime.utcnow() - stamp).total_seconds()) > 900 or not headers["x-amz-date"].startswith(day):
        raise Refused(403, "RequestTimeTooSkewed")
    if not hmac.compare_digest(
            signature, wanted_signature(method, path, query, headers, signed, [day, region, "s3", "aws4_request"])):
        raise Refused(403, "SignatureDoesNotMatch", "\x1b[31mcheck your key")
    if headers["x-amz-content-sha256"] != sha256(body):
        raise Refused(400, "XAmzContentSHA256Mismatch")
    token = os.path.join(root, ".token")
    if os.path.exists(token) and headers.get("x-amz-security-token") != open(token).read().strip():
        raise Refused(403, "InvalidToken")


def fault(kind):
    """Is this request to go wrong in that way?"""
    name = os.path.join(root, ".fault")
    with lock:
        try:
            with open(name) as f:
                now, count = f.read().split()
        except OSError:
            return False
        if now != kind or int(count) == 0:
            return False
        with open(name, "w") as f:
            f.write(f"{kind} {int(count) - 1}")
        return True


def store(key, data):
    name = os.path.join(root, key)
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name + ".new", "wb") as f:
        f.write(data)
    os.rename(name + ".new", name)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", cut=False, **headers):
        with lock, open(log_file, "a") as log:
            log.write(f"{self.command} {urllib.parse.unquote(self.path)} {self.headers.get('Range', '-')} {status}\n")
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:len(body) * 2 // 3] if cut else body)
        if cut:
            self.close_connection = True

    def refuse(self, why):
        text = f"<Error><Code>{why.code}</Code><Message>{why.message}</Message></Error>"
        self.answer(why.status, b"" if self.command == "HEAD" else text.encode(), **why.headers)

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            check_signature(self.command, path, query, headers, body)
            if fault("slow"):
                raise Refused(503, "SlowDown")
            if fault("skew"):
                raise Refused(403, "RequestTimeTooSkewed")
            if fault("moved"):
                raise Refused(301, "PermanentRedirect", x_amz_bucket_region="us-far-1")
            bucket, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
            if headers["host"].startswith(BUCKET + "."):
                bucket, key = BUCKET, urllib.parse.unquote(path).lstrip("/")
            if bucket != BUCKET:
                raise Refused(404, "NoSuchBucket")
            getattr(self, "serve_" + self.command.lower())(key, dict(urllib.parse.parse_qsl(query, True)), body)
        except Refused as why:
            self.refuse(why)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve

    def serve_get(self, key, query, body):
        try:
            with open(os.path.join(root, key), "rb") as f:
                data = f.read()
        except OSError:
            if os.path.exists(os.path.join(root, ".no-list")):
                raise Refused(403, "AccessDenied")
            raise Refused(404, "NoSuchKey")
        cut = self.command == "GET" and "sha256:" in key and len(data) > 65536 and fault("cut")
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not match:
            return self.answer(200, data, cut)
        first = int(match[1])
        part = data[first:int(match[2] or len(data)) + 1]
        self.answer(206, part, cut, Content_Range=f"bytes {first}-{first + len(part) - 1}/{len(data)}")

    serve_head = serve_get

    def serve_put(self, key, query, body):
        if "uploadId" not in query:
            store(key, body)
        elif query["partNumber"] == "2" and fault("part"):
            raise Refused(403, "AccessDenied")
        else:
            if query["partNumber"] == "2" and fault("stall"):
                time.sleep(60)
            if not os.path.isdir(os.path.join(root, ".uploads", query["uploadId"])):
                raise Refused(404, "NoSuchUpload")
            store(f".uploads/{query['uploadId']}/{int(query['partNumber']):05}", body)
        self.answer(200, ETag='"' + hashlib.md5(body).hexdigest() + '"')

    def serve_post(self, key, query, body):
        if "uploads" in query:
            upload = uuid.uuid4().hex + "+/="
            os.makedirs(os.path.join(root, ".uploads", upload.replace("/", "_")))
            return self.answer(200, f"<R><UploadId>{upload.replace('/', '_')}</UploadId></R>".encode())
        upload = os.path.join(root, ".uploads", query["uploadId"])
        if not os.path.isdir(upload):
            raise Refused(404, "NoSuchUpload")
        if fault("late"):
            return self.answer(200, b"<?xml?>\n   <Error><Code>InternalError</Code><Message>late</Message></Error>")
        parts = [open(os.path.join(upload, name), "rb").read() for name in sorted(os.listdir(upload))]
        tags = "".join(f'<Part><PartNumber>{i + 1}</PartNumber><ETag>"{hashlib.md5(part).hexdigest()}"</ETag></Part>'
                       for i, part in enumerate(parts))
        if not re.sub("[^>]*>", "", body.decode(), count=1).startswith(tags):
            raise Refused(400, "InvalidPart")
        store(key, b"".join(parts))
        shutil.rmtree(upload)
        if fault("lost"):
            raise Refused(500, "InternalError")
        self.answer(200, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")

    def serve_delete(self, key, query, body):
        shutil.rmtree(os.path.join(root, ".uploads", query["uploadId"]))
        self.answer(204)


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass


os.makedirs(os.path.join(root, ".uploads"))
server = Server(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(port_file + ".new", port_file)
server.serve_forever()
