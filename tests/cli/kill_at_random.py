#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill_at_random.py ROUNDS COMMAND...: runs it again and again, and kills with SIGKILL at a random moment the process
itself, its child (the builder) or its grandchild (the zygote). Prints how the rounds ended."""
import collections, os, random, signal, subprocess, sys, time


def children(pid):
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                found += [int(word) for word in f.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def is_ours(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return b"map" not in f.read().split(b"\0")[0]  # newuidmap and newgidmap are not
    except OSError:
        return False


random.seed()
ends = collections.Counter()
for n in range(int(sys.argv[1])):
    child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(random.uniform(0, 0.35))
    victims = {"planner": [child.pid]}
    victims["builder"] = [p for p in children(child.pid) if is_ours(p)]
    victims["zygote"] = [g for p in victims["builder"] for g in children(p) if is_ours(g)]
    kind = ("planner", "builder", "zygote")[n % 3]
    for victim in victims[kind] or victims["builder"] or victims["planner"]:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            kind = "too late"
    try:
        code = child.wait(timeout=20)
    except subprocess.TimeoutExpired:
        sys.exit("round %d: %s was killed, and the build never ended" % (n, kind))
    ends[kind, "finished" if code == 0 else "died"] += 1
for (kind, how), count in sorted(ends.items()):
    print(kind, how, count)
