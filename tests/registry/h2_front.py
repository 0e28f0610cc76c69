#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""h2_front.py PORT-FILE LOG-FILE BACKEND-PORT KEY.pem CERT.pem: HTTP/2 before a registry on loopback. What goes
wrong, once for each address, is in the repository's name: "h2-goaway" ends the connection in the midst of a body,
"h2-goodbye" after each answer, "h2-refused" and "h2-reset" end a stream before and in the midst of it."""
import http.client
import socket
import ssl
import sys
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events

port_file, log_file, backend, key, cert = sys.argv[1:6]
done = set()
lock = threading.Lock()


class Over(Exception):
    """The connection is."""


def ask_backend(headers):
    client = http.client.HTTPConnection("127.0.0.1", int(backend))
    kept = {k: v for k, v in headers.items() if k in ("accept", "range", "authorization")}
    client.request(headers[":method"], headers[":path"], headers=kept)
    answer = client.getresponse()
    return answer, answer.read()


def fault_of(path):
    parts = path.split("/")
    kind = parts[2].split(".")[0] if len(parts) > 4 else ""
    is_blob = "/blobs/" in path
    with lock:
        if path in done or not (kind == "h2-goodbye" or is_blob and kind.startswith("h2-")):
            return None
        done.add(path)
        with open(log_file, "a") as log:
            log.write(f"{kind} {path}\n")
        return kind


class Connection:
    def __init__(self, s):
        self.socket = s
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def send(self, stream, body):
        while body:
            most = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if most == 0:
                self.h2.receive_data(self.socket.recv(65536))  # room, as nothing else is to be said now
                continue
            self.h2.send_data(stream, body[:most])
            body = body[most:]
            self.flush()

    def leave(self, last):
        self.h2.close_connection(last_stream_id=last)
        self.flush()
        raise Over

    def answer(self, stream, headers):
        fault = fault_of(headers[":path"])
        if fault == "h2-refused":
            self.h2.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)
            return
        answer, body = ask_backend(headers)
        passed = [(k.lower(), v) for k, v in answer.getheaders() if k.lower() not in ("connection", "server", "date")]
        self.h2.send_headers(stream, [(":status", str(answer.status))] + passed)
        is_half = fault in ("h2-goaway", "h2-reset")
        self.send(stream, body[:len(body) // 2] if is_half else body)
        if fault == "h2-goaway":
            self.leave(max(stream - 2, 0))
        if fault == "h2-reset":
            self.h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
            return
        self.h2.end_stream(stream)
        if fault == "h2-goodbye":
            self.leave(stream)

    def run(self):
        while data := self.socket.recv(65536):
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self.answer(event.stream_id, dict(event.headers))
            self.flush()


def serve(client):
    try:
        with context.wrap_socket(client, server_side=True) as s:
            assert s.selected_alpn_protocol() == "h2"
            Connection(s).run()
    except (Over, OSError, AssertionError):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
context.set_alpn_protocols(["h2"])
listener = socket.create_server(("127.0.0.1", 0), backlog=100)
with open(port_file, "w") as f:
    f.write(str(listener.getsockname()[1]))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
