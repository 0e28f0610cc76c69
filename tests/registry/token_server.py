#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""token_server.py PORT-FILE LOG-FILE KEY.pem CERT.pem [get|post][-offline] [EXPIRES-S]: gives Debian's docker-registry
the tokens that it wants. user:secret, and whoever has the refresh token "identity", may pull and push; all
others may pull from public/. With "post" it knows OAuth2 only; with "-offline" who logs in to stay gets the
refresh token."""
import base64
import http.server
import json
import re
import subprocess
import sys
import time
import urllib.parse

port_file, log_file, key, cert = sys.argv[1:5]
way = sys.argv[5] if len(sys.argv) > 5 else "get"
expires = int(sys.argv[6]) if len(sys.argv) > 6 else 300
DER = "".join(line for line in open(cert).read().split("\n") if line and "-----" not in line)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(service, access):
    now = int(time.time())
    head = {"typ": "JWT", "alg": "RS256", "x5c": [DER]}
    body = {"iss": "test", "sub": "user", "aud": service, "exp": now + expires, "nbf": now - 60, "iat": now,
            "jti": str(now), "access": access}
    text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(body).encode())
    sign = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(), capture_output=True,
                          check=True)
    return text + "." + b64(sign.stdout)


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, doc):
        body = json.dumps(doc).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def give(self, how, who, service, scopes, stays=False):
        with open(log_file, "a") as log:
            log.write(f"{how} {who} {' '.join(scopes)}\n")
        access = []
        for scope in scopes:
            kind, name, actions = re.match("([a-z]+):(.*):([a-z,*]*)$", scope).groups()
            allowed = actions.split(",") if who else ["pull"] if name.startswith("public/") else []
            access.append({"type": kind, "name": name, "actions": [a for a in actions.split(",") if a in allowed]})
        refresh = {"refresh_token": "identity"} if who and stays and way.endswith("-offline") else {}
        self.answer(200, {"token": token(service, access), "expires_in": expires, **refresh})

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        basic = self.headers["Authorization"]
        if way.startswith("post"):
            return self.answer(405, {})
        who = "user" if basic == "Basic " + base64.b64encode(b"user:secret").decode() else None
        if basic and not who:
            return self.answer(401, {"details": "incorrect username or password"})
        return self.give("get", who, query["service"][0], query.get("scope", []),
                         query.get("offline_token") == ["true"])

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        form = {name: values[0] for name, values in form.items()}
        ok = form["grant_type"] == "refresh_token" and form["refresh_token"] == "identity" or \
            form["grant_type"] == "password" and (form["username"], form["password"]) == ("user", "secret")
        if not ok:
            return self.answer(401, {"details": "incorrect username or password"})
        return self.give("post", "user", form["service"], form.get("scope", "").split(),
                         form.get("access_type") == "offline")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
with open(port_file, "w") as f:
    f.write(str(server.server_address[1]))
server.serve_forever()
