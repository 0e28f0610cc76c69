#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""proxy.py PORT-FILE LOG-FILE TARGET-PORT: an HTTP proxy that knows one way: whatever host is asked for, by
CONNECT or by a whole address, is TARGET-PORT on loopback."""
import re
import socket
import sys
import threading


def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for end in (a, b):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client):
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(65536)
        if not data:
            return
        head += data
    with open(sys.argv[2], "a") as log:
        log.write(head.split(b"\r\n")[0].decode() + "\n")
    server = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    if head.startswith(b"CONNECT"):
        client.sendall(b"HTTP/1.1 200 fine\r\n\r\n")
    else:
        # one request a connection: the next may want another path
        head = re.sub(rb"^([A-Z]+) http://[^/]*", rb"\1 ", head)
        server.sendall(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    pump(server, client)


listener = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1], "w") as f:
    f.write(str(listener.getsockname()[1]))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
