#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""web.py DIR: serves DIR on a free port of 127.0.0.1, and the git repositories below it at /git/.

Prints the port, then one line a request to DIR/requests.log. Files get an ETag of their content.
/redirect/PATH answers with a redirect to /PATH, /missing-N/... with status N.
"""
import hashlib
import http.server
import os
import subprocess
import sys

root = os.path.abspath(sys.argv[1])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        with open(os.path.join(root, "requests.log"), "a") as log:
            log.write(f"{self.command} {self.path} {self.headers.get('Authorization', '-')}\n")

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 304:
            self.wfile.write(body)

    def git(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        env = dict(os.environ, GIT_PROJECT_ROOT=root, GIT_HTTP_EXPORT_ALL="1",
                   REQUEST_METHOD=self.command, PATH_INFO=path.removeprefix("/git"),
                   QUERY_STRING=query, CONTENT_TYPE=self.headers.get("Content-Type", ""),
                   CONTENT_LENGTH=str(len(body)),
                   HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
                   GIT_PROTOCOL=self.headers.get("Git-Protocol", ""))
        out = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True).stdout
        head, _, rest = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split()[0])
        self.answer(status, rest, **{k.replace("-", "_"): v for k, v in headers.items()})

    def do_POST(self):
        self.git()

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path.startswith("/git/"):
            return self.git()
        if path.startswith("/redirect/"):
            return self.answer(302, Location=path.removeprefix("/redirect"))
        if path.startswith("/missing-"):
            return self.answer(int(path[len("/missing-"):].split("/")[0]))
        try:
            with open(os.path.join(root, path.lstrip("/")), "rb") as f:
                body = f.read()
                modified = self.date_time_string(os.fstat(f.fileno()).st_mtime)
        except OSError:
            return self.answer(404)
        etag = '"' + hashlib.sha256(body).hexdigest() + '"'
        if self.headers.get("If-None-Match") == etag:
            return self.answer(304, ETag=etag)
        self.answer(200, body, ETag=etag, Last_Modified=modified)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
