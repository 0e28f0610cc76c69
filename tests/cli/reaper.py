#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""reaper.py COMMAND...: runs it as a subreaper, so that every process that a test leaves behind becomes
this one's child, where the tests look for it (MLBUILD_TEST_REAPER, MLBUILD_TEST_RUNNER)."""
import ctypes, os, signal, sys

PR_SET_CHILD_SUBREAPER = 36
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
    sys.exit("reaper.py: prctl: " + os.strerror(ctypes.get_errno()))
os.environ["MLBUILD_TEST_REAPER"] = str(os.getpid())
runner = os.fork()
if runner == 0:
    os.environ["MLBUILD_TEST_RUNNER"] = str(os.getpid())
    os.execvp(sys.argv[1], sys.argv[1:])
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: os.kill(runner, signal.SIGTERM))
while True:
    pid, status = os.wait()
    if pid == runner:
        sys.exit(os.waitstatus_to_exitcode(status) & 0xff)
