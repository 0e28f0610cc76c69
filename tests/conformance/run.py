#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py [--peer] [CASE...]: builds the cases and compares; README.md has the format."""
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "cli"))
import image  # noqa: E402

OF_A_BUILD = {"exit", "error", "stdout", "log", "not", "files", "only", "top", "config", "image", "history",
              "layers", "ran"}
KNOWN = OF_A_BUILD | {"rule", "cached", "again", "reproducible", "peer"}
MLBUILD = os.environ.get("MLBUILD", "mlbuild")
TIMEOUT_S = 120
BUILDAH_BROKE = 125


class Failed(Exception):
    pass


class Web:
    """web.py over one folder: `www` of a case at /NAME/, repositories at /git/NAME/."""

    def __init__(self, top):
        self.root = os.path.join(top, "web")
        os.mkdir(self.root)
        script = os.path.join(here, "..", "cli", "web.py")
        self.process = subprocess.Popen([sys.executable, script, self.root], stdout=subprocess.PIPE,
                                        text=True)
        self.address = "http://127.0.0.1:" + self.process.stdout.readline().strip()

    def close(self):
        self.process.kill()
        self.process.wait()


def git(*args, cwd):
    env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_AUTHOR_DATE="2001-01-01T00:00:00Z",
               GIT_COMMITTER_DATE="2001-01-01T00:00:00Z")
    for name in ("AUTHOR", "COMMITTER"):
        env["GIT_%s_NAME" % name], env["GIT_%s_EMAIL" % name] = "a", "a@example.org"
    subprocess.run(["git", *args], cwd=cwd, env=env, check=True, capture_output=True)


class Case:
    def __init__(self, name, top, web, base):
        self.name, self.web, self.base = name, web, base
        self.source = os.path.join(here, "cases", name)
        with open(os.path.join(self.source, "expect.json"), encoding="utf-8") as f:
            self.expect = json.load(f)
        unknown = set(self.expect) - KNOWN
        unknown |= set(self.expect.get("again", {})) - OF_A_BUILD
        if unknown or not self.expect.get("rule"):
            raise Failed("expect.json: unknown keys %s, or no rule" % sorted(unknown))
        self.dir = os.path.join(top, name)
        self.context = os.path.join(self.dir, "ctx")
        self.out = os.path.join(self.dir, "out")

    def path(self, name):
        return os.path.join(self.source, name)

    def replace(self, text):
        return (text.replace("{WWW}", self.web.address + "/" + self.name)
                .replace("{REDIRECT}", self.web.address + "/redirect/" + self.name)
                .replace("{GIT}", self.web.address + "/git/" + self.name)
                .replace("$CTX", self.context).replace("$OUT", self.out))

    def prepare(self):
        if os.path.isdir(self.path("context")):
            shutil.copytree(self.path("context"), self.context, symlinks=True)
        else:
            os.makedirs(self.context)
        os.mkdir(self.out)
        if os.path.isdir(self.path("www")):
            shutil.copytree(self.path("www"), os.path.join(self.web.root, self.name))
        if os.path.isdir(self.path("git")):
            self.make_repository()
        if os.path.exists(self.path("Dockerfile")):
            with open(self.path("Dockerfile"), "rb") as f:
                text = f.read()
            if any(place in text for place in (b"{WWW}", b"{GIT}", b"{REDIRECT}")):
                text = self.replace(text.decode()).encode()
            with open(os.path.join(self.context, "Dockerfile"), "wb") as f:
                f.write(text)
        self.script("prepare")

    def script(self, name):
        if not os.path.exists(self.path(name)):
            return
        env = dict(os.environ, OUT=self.out, CTX=self.context, BASE=self.base, CASE=self.source,
                   WWW=os.path.join(self.web.root, self.name))
        done = subprocess.run(["sh", "-eu", self.path(name)], cwd=self.context, env=env,
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(name + ": " + done.stderr)

    def make_repository(self):
        work = os.path.join(self.dir, "repo")
        shutil.copytree(self.path("git"), work, symlinks=True)
        git("init", "-q", "-b", "main", cwd=work)
        git("add", "-A", cwd=work)
        git("commit", "-q", "-m", "one", cwd=work)
        git("tag", "v1", cwd=work)
        bare = os.path.join(self.web.root, self.name, "repo.git")
        os.makedirs(os.path.dirname(bare), exist_ok=True)
        git("clone", "-q", "--bare", work, bare, cwd=self.dir)

    def lines(self, name):
        if not os.path.exists(self.path(name)):
            return []
        with open(self.path(name), encoding="utf-8") as f:
            return [self.replace(line.rstrip("\n")) for line in f if line.strip()]

    def arguments(self, again=False):
        other = again and os.path.exists(self.path("args-again"))
        return self.lines("args-again" if other else "args")

    def stdin(self):
        return open(self.path("stdin"), "rb") if os.path.exists(self.path("stdin")) else subprocess.DEVNULL

    def build(self, tar, again=False, **env):
        args = self.arguments(again)
        env.update(line.split("=", 1) for line in self.lines("env"))
        has_context = any(a == "-" or a.startswith(("http://", "git://")) for a in args[-1:])
        command = [MLBUILD, "build", "--progress=plain", "--build-context",
                   "base=oci-layout://" + self.base, "-t", "case"]
        if not any(a.startswith(("-o", "--output", "--call", "--check")) for a in args):
            command += ["-o", "type=oci,dest=" + tar]
        command += args + ([] if has_context else [self.context])
        return run(command, self.stdin(), self.dir, env)


def run(command, stdin, cwd, more=None):
    env = {k: v for k, v in os.environ.items()
           if k in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "MLBUILD_STORE", "XDG_RUNTIME_DIR", "USER")}
    env.update(more or {})
    try:
        return subprocess.run(command, stdin=stdin, cwd=cwd, env=env, capture_output=True,
                              timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as e:
        raise Failed("no end after %d s: %s" % (TIMEOUT_S, e.stderr)) from None


def same(what, got, want):
    if got != want:
        raise Failed("%s\n    is     %s\n    not    %s" % (what, json.dumps(got), json.dumps(want)))


def check_texts(expect, done):
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    for key, text in (("error", err), ("stdout", out), ("log", out + err)):
        for part in expect.get(key, []):
            if part not in text:
                raise Failed("%s does not say %s:\n%s" % (key, json.dumps(part), text))
    for part in expect.get("not", []):
        if part in out + err:
            raise Failed("it says %s:\n%s" % (json.dumps(part), out + err))


KINDS = {"regular": "file", "directory": "dir"}


def check_file(path, want, tree):
    entry = tree.get(path.strip("/"))
    if want is None:
        if entry:
            raise Failed("%s is there" % path)
        return
    if not entry:
        raise Failed("%s is not there; there are: %s" % (path, " ".join(sorted(tree))[:1500]))
    info, content = entry
    kind = image.kind_of(info)
    got = {"type": KINDS.get(kind, kind), "mode": "%04o" % (info.mode & 0o7777),
           "owner": "%d:%d" % (info.uid, info.gid), "target": info.linkname, "mtime": int(info.mtime),
           "content": content.decode("utf-8", "replace") if content is not None else None,
           "xattrs": {k[13:]: v for k, v in info.pax_headers.items() if k.startswith("SCHILY.xattr.")}}
    for key, value in want.items():
        if key == "same_inode":
            other = tree.get(value.strip("/"))
            if not other or other[0] is not info:
                raise Failed("%s and %s are not one file" % (path, value))
            continue
        same("%s: %s" % (path, key), got[key], value)


def check_image(expect, img, base, ignored=()):
    tree, below = img.merge(), base.merge()
    for path, want in expect.get("files", {}).items():
        check_file(path, want, tree)
    if "only" in expect:
        same("paths", sorted("/" + p for p in tree if p not in below and p not in ignored),
             sorted(expect["only"]))
    if "top" in expect:
        same("topmost layer", img.layer(len(img.manifest["layers"]) - 1).getnames(), expect["top"])
    config = img.config.get("config", {})
    for key, want in expect.get("config", {}).items():
        same("config." + key, config.get(key), want)
    for key, want in expect.get("image", {}).items():
        same(key, img.config.get(key), want)
    mine = img.config.get("history", [])
    inherited = base.config.get("history", [])
    from_base = mine[:len(inherited)] == inherited
    if "history" in expect:
        new = mine[len(inherited):] if from_base else mine
        same("history", [("-" if h.get("empty_layer") else "") + h.get("created_by", "") for h in new],
             expect["history"])
    if "layers" in expect:
        layers = img.config["rootfs"]["diff_ids"]
        theirs = base.config["rootfs"]["diff_ids"]
        below_count = len(theirs) if layers[:len(theirs)] == theirs else 0
        same("layers", len(layers) - below_count, expect["layers"])


def uncached(log):
    """Steps of the second build that ran."""
    names, cached = {}, set()
    for line in log.splitlines():
        m = re.match(r"#(\d+) (.*)", line)
        if not m:
            continue
        if re.match(r"\[[^]]*\d+/\d+\]", m[2]):
            names.setdefault(m[1], m[2])
        elif m[2] == "CACHED":
            cached.add(m[1])
    return [name for n, name in names.items() if n not in cached]


def check_build(expect, done, tar, base):
    if done.returncode != expect.get("exit", 0):
        raise Failed("exit %d\n%s" % (done.returncode, done.stderr.decode("utf-8", "replace")))
    check_texts(expect, done)
    if "ran" in expect:
        same("steps that ran", ran(done), expect["ran"])
    if os.path.exists(tar):
        check_image(expect, image.Image(tar), base)
    elif set(expect) & {"files", "only", "top", "config", "image", "history", "layers"}:
        raise Failed("there is no image to look at")


def ran(done):
    """Instructions of a build that were not cached; the LINK steps only stack layers."""
    steps = (name.split("] ", 1)[1] for name in uncached(done.stderr.decode("utf-8", "replace")))
    return [step for step in steps if not step.startswith(("FROM ", "LINK "))]


def check(case, base):
    case.prepare()
    tar, expect = os.path.join(case.dir, "image.tar"), case.expect
    check_build(expect, case.build(tar), tar, base)
    if "cached" in expect:
        steps = ran(case.build(tar))
        if len(steps) != expect["cached"]:
            raise Failed("the second build ran %s" % steps)
    if "again" in expect:
        case.script("change")
        if os.path.exists(tar):
            os.remove(tar)
        try:
            check_build(expect["again"], case.build(tar, again=True), tar, base)
        except Failed as e:
            raise Failed("second build: %s" % e) from None
    if expect.get("reproducible"):
        other = os.path.join(case.dir, "other.tar")
        done = case.build(other, MLBUILD_STORE=os.path.join(case.dir, "store"))
        check_build({}, done, other, base)
        same("digest from an empty store", image.Image(other).digest, image.Image(tar).digest)


# What buildah leaves behind of a RUN without a runtime.
TRACES = ("dev", "proc", "run", "sys", "etc/hostname", "etc/hosts", "etc/resolv.conf")


def check_peer(case, base):
    """The same by buildah: files, configuration."""
    case.prepare()
    tar, name = os.path.join(case.dir, "image.tar"), "case-" + case.name.lower()
    command = ["buildah", "bud", "--quiet", "--isolation=chroot", "--identity-label=false", "--format=docker",
               "--layers=false", "-t", name, *case.arguments(), case.context]
    done = run(command, case.stdin(), case.dir)
    if done.returncode == BUILDAH_BROKE and "exit" not in case.expect:
        done = run(command, case.stdin(), case.dir)  # its storage forgets a layer now and then
    if (done.returncode != 0) != (case.expect.get("exit", 0) != 0):
        raise Failed("exit %d\n%s" % (done.returncode, done.stderr.decode("utf-8", "replace")))
    if done.returncode:
        return
    run(["buildah", "push", "--quiet", name, "oci-archive:" + tar], subprocess.DEVNULL, case.dir)
    run(["buildah", "rmi", "-f", name], subprocess.DEVNULL, case.dir)
    wanted = {k: v for k, v in case.expect.items() if k in ("files", "only", "config")}
    check_image(wanted, image.Image(tar), base, TRACES)


def run_case(name, top, web, base_path, base, fn):
    try:
        case = Case(name, top, web, base_path)
        os.mkdir(case.dir)
        fn(case, base)
        return None
    except (Failed, OSError, KeyError, AssertionError, subprocess.CalledProcessError) as e:
        return "%s: %s" % (type(e).__name__, e) if not isinstance(e, Failed) else str(e)


def remove(path):
    """Also what has modes that forbid it; what sub-ids own is left to run.sh."""
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(PermissionError):
            os.chmod(folder, stat.S_IRWXU)
    shutil.rmtree(path, ignore_errors=True)


def wants_peer(name):
    with open(os.path.join(here, "cases", name, "expect.json"), encoding="utf-8") as f:
        return json.load(f).get("peer") == "same"


def main():
    args = sys.argv[1:]
    peer = "--peer" in args
    prefixes = [a for a in args if not a.startswith("-")]
    names = sorted(os.listdir(os.path.join(here, "cases")))
    names = [n for n in names if not prefixes or any(n.startswith(p) for p in prefixes)]
    if peer:
        names = [n for n in names if wants_peer(n)]
    top = tempfile.mkdtemp(prefix="cases.")
    for folder in ("home", "run"):
        os.mkdir(os.path.join(top, folder), 0o700)
    os.environ.update(HOME=os.path.join(top, "home"), MLBUILD_STORE=os.path.join(top, "store"),
                      XDG_RUNTIME_DIR=os.path.join(top, "run"))
    base_path = os.path.join(top, "base")
    image.make_base(base_path)
    base = image.Image(base_path)
    if peer:
        subprocess.run(["skopeo", "copy", "--quiet", "--insecure-policy", "oci:" + base_path,
                        "containers-storage:localhost/base:latest"], check=True)
    web = Web(top)
    failures = 0
    try:
        with concurrent.futures.ThreadPoolExecutor(1 if peer else 2) as pool:
            jobs = {pool.submit(run_case, n, top, web, base_path, base,
                                check_peer if peer else check): n for n in names}
            for job in concurrent.futures.as_completed(jobs):
                if job.result():
                    failures += 1
                    print("FAILED %s\n    %s" % (jobs[job], job.result().replace("\n", "\n    ")), flush=True)
    finally:
        web.close()
        if peer:
            subprocess.run(["buildah", "rmi", "-a", "-f"], capture_output=True, check=False)
        remove(top)
    print("%d passed, %d failed" % (len(names) - failures, failures))
    sys.exit(1 if failures or not names else 0)


main()
