#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""interrupt.py SIGNAL TEXT COMMAND...: runs it in a process group of its own; when TEXT stands on its standard
error, INT goes to the group as the terminal's Ctrl-C would (INT2: twice), TERM to the process. Nobody reads its
standard output until then. Ends as the command does, and prints what that said and how long it took."""
import os, signal, subprocess, sys, time

name, text, command = sys.argv[1], sys.argv[2].encode(), sys.argv[3:]
child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
said = b""
while text not in said:
    more = os.read(child.stderr.fileno(), 65536)
    if not more:
        break
    said += more
time.sleep(0.05)
start = time.monotonic()
if name == "INT":
    os.killpg(child.pid, signal.SIGINT)
elif name == "INT2":
    os.killpg(child.pid, signal.SIGINT)
    time.sleep(0.5)
    os.killpg(child.pid, signal.SIGINT)
else:
    os.kill(child.pid, signal.SIGTERM)
_, rest = child.communicate(timeout=30)
print((said + rest).decode(errors="replace"))
print("ended %s after the signal" % ("soon" if time.monotonic() - start < 5 else "long"))
sys.exit(child.returncode if child.returncode >= 0 else 200 - child.returncode)
