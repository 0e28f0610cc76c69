#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fault_proxy.py PORT-FILE BACKEND-PORT [PERCENT]: a line to a registry on loopback that breaks.

Without PERCENT it passes bytes on. A connection that sends the line "ARM request N" (or "answer N") has it
reset the connection that carries the Nth byte of that direction from then on, once; the answer to the line is
whether the one before came to pass. With PERCENT so many of a hundred requests go wrong, one way or another."""
import random
import socket
import struct
import sys
import threading

backend = int(sys.argv[2])
percent = float(sys.argv[3]) if len(sys.argv) > 3 else 0
dice = random.Random(5)
lock = threading.Lock()
armed = {"direction": None, "left": 0}
PIECE = 1 << 16


class Broken(Exception):
    pass


def reset(*sockets):
    for s in sockets:
        try:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.shutdown(socket.SHUT_RD)  # wakes whoever reads
        except OSError:
            pass
        s.close()


def arm(client, line):
    _, direction, count = line.split()
    with lock:
        came = armed["direction"] is None
        armed["direction"], armed["left"] = direction.decode(), int(count)
    client.sendall(b"done\n" if came else b"pending\n")
    client.close()


def may_pass(direction, data):
    """How much of it goes through before the line is cut; None: all."""
    with lock:
        if armed["direction"] != direction:
            return None
        if armed["left"] > len(data):
            armed["left"] -= len(data)
            return None
        armed["direction"] = None
        return armed["left"]


def pump(direction, source, sink):
    try:
        while data := source.recv(PIECE):
            end = may_pass(direction, data)
            sink.sendall(data if end is None else data[:end])
            if end is not None:
                return reset(source, sink)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    return None


class Line:
    """One side of a connection whose requests are looked at."""

    def __init__(self, s):
        self.socket, self.buffer = s, b""

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            data = self.socket.recv(PIECE)
            if not data:
                raise Broken
            self.buffer += data
            if self.buffer[0] == 0x16:  # who asks whether we speak TLS
                raise Broken
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def body(self, length):
        while length > 0:
            data = self.buffer or self.socket.recv(PIECE)
            if not data:
                raise Broken
            piece, self.buffer = data[:length], data[length:]
            length -= len(piece)
            yield piece


def length_of(head):
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def copy(line, head, length, sink, most=None):
    """Head and body to `sink`, at most `most` bytes; the rest is dropped."""
    sent = 0
    for piece in [head, *line.body(length)]:
        part = piece if most is None else piece[:max(most - sent, 0)]
        sink.sendall(part)
        sent += len(part)


def one_request(client, server):
    head = client.head()
    length = length_of(head)
    with lock:
        fault = dice.choice(["refuse", "request", "lose", "answer", "short", "503", "429"]) \
            if dice.random() * 100 < percent else None
        part = dice.random()
    if fault == "refuse":
        raise Broken
    if fault in ("503", "429"):
        for _ in client.body(length):
            pass
        client.socket.sendall(f"HTTP/1.1 {fault} no\r\nContent-Length: 0\r\n\r\n".encode())
        return
    if fault == "request":
        copy(client, head, length, server.socket, int(part * (len(head) + length)))
        raise Broken
    copy(client, head, length, server.socket)
    answer = server.head()
    answer_length = 0 if head.startswith(b"HEAD") or b" 204 " in answer[:20] else length_of(answer)
    if fault == "lose":
        raise Broken
    most = int(part * (len(answer) + answer_length)) if fault in ("answer", "short") else None
    copy(server, answer, answer_length, client.socket, most)
    if fault == "short":
        client.socket.shutdown(socket.SHUT_WR)
    if fault:
        raise Broken


def requests(client, server):
    try:
        while True:
            one_request(client, server)
    except (Broken, OSError):
        reset(client.socket, server.socket)


def serve(client):
    if not percent and client.recv(4, socket.MSG_PEEK) == b"ARM ":
        return arm(client, client.recv(100))
    server = socket.create_connection(("127.0.0.1", backend))
    for s in (client, server):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if percent:
        return requests(Line(client), Line(server))
    threading.Thread(target=pump, args=("answer", server, client), daemon=True).start()
    return pump("request", client, server)


listener = socket.create_server(("127.0.0.1", 0), backlog=200)
with open(sys.argv[1], "w") as f:
    f.write(str(listener.getsockname()[1]))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
