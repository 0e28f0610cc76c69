#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Images as the tests need them, with nothing but Python: makes a small base and bad images, and reads
layers independently of mlbuild.

  image.py base DIR [TEXT]           OCI layout of a base image from the host's static busybox; TEXT makes
                                     another image
  image.py bad KIND DIR              OCI layout with a hostile or damaged layer
  image.py tree IMAGE [DIR]          the merged file system: type mode uid gid size nlink time path
  image.py xattrs IMAGE              attributes in it: path name=value
  image.py cat IMAGE PATH            a file of it
  image.py entries IMAGE N           the names in layer N (0 is the lowest, -1 the topmost)
  image.py diffids|layers|config|manifest IMAGE
  image.py json EXPRESSION           evaluates it for `d`, the document on standard input

IMAGE is an OCI archive or layout. A tree is compared with what a RUN step saw, so that directories
have no size and the time of a symbolic link is left out.
"""
import gzip, hashlib, io, json, os, platform, subprocess, sys, tarfile, time

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
ARCH = MACHINES.get(platform.machine(), platform.machine())
TYPE = "application/vnd.oci.image."
TIME = 1600000000
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1000:\nextra:x:2000:app\n"


class Layout:
    def __init__(self, path):
        self.path = path
        os.makedirs(path + "/blobs/sha256", exist_ok=True)

    def put(self, data):
        digest = hashlib.sha256(data).hexdigest()
        with open(self.path + "/blobs/sha256/" + digest, "wb") as f:
            f.write(data)
        return "sha256:" + digest, len(data)

    def put_json(self, kind, value):
        digest, size = self.put(json.dumps(value).encode())
        return {"mediaType": TYPE + kind + ".v1+json", "digest": digest, "size": size}

    def image(self, tars, config, tag="latest", diff_ids=None):
        layers = []
        for tar in tars:
            digest, size = self.put(gzip.compress(tar, 6, mtime=0))
            layers.append({"mediaType": TYPE + "layer.v1.tar+gzip", "digest": digest, "size": size})
        diff_ids = diff_ids or ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
        body = {"architecture": ARCH, "os": "linux", "config": config,
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
                "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "test"} for _ in tars]}
        manifest = self.put_json("manifest", {
            "schemaVersion": 2, "mediaType": TYPE + "manifest.v1+json",
            "config": self.put_json("config", body), "layers": layers})
        manifest["annotations"] = {"org.opencontainers.image.ref.name": tag}
        with open(self.path + "/oci-layout", "w") as f:
            f.write('{"imageLayoutVersion": "1.0.0"}')
        with open(self.path + "/index.json", "w") as f:
            json.dump({"schemaVersion": 2, "manifests": [manifest]}, f)
        return layers


def tar_of(entries):
    """Entries are (path, type, mode, owner, content or link target[, attributes])."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, kind, mode, owner, content, *xattrs in entries:
            info = tarfile.TarInfo(path)
            info.type, info.mode, info.mtime = kind, mode, TIME
            info.uid = info.gid = owner
            if xattrs:
                info.pax_headers = {"SCHILY.xattr." + k: v for k, v in xattrs[0].items()}
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


D, F, S, L = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
CONFIG = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
          "Cmd": ["/bin/sh"], "Labels": {"base": "busybox"}}


def base_layer():
    busybox = subprocess.run("command -v busybox", shell=True, check=True, text=True,
                             stdout=subprocess.PIPE).stdout.strip()
    applets = subprocess.run([busybox, "--list"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.split()
    with open(busybox, "rb") as f:
        program = f.read()
    entries = [(d, D, 0o755, 0, b"") for d in ("bin", "etc", "home", "usr", "usr/bin")]
    entries += [("home/app", D, 0o750, 1000, b""), ("root", D, 0o700, 0, b""),
                ("tmp", D, 0o1777, 0, b""), ("bin/busybox", F, 0o755, 0, program),
                ("etc/passwd", F, 0o644, 0, PASSWD.encode()),
                ("etc/group", F, 0o644, 0, GROUP.encode())]
    entries += [("bin/" + a, S, 0o777, 0, "busybox") for a in applets if a != "busybox"]
    return tar_of(entries)


def upper_layer():
    return tar_of([
        ("base", D, 0o755, 0, b""), ("base/keep", F, 0o644, 0, b"keep\n"),
        ("base/gone", F, 0o644, 0, b"gone\n"), ("base/remade", F, 0o644, 0, b"old\n"),
        ("base/dir", D, 0o755, 0, b""), ("base/dir/a", F, 0o644, 0, b"a\n"),
        ("base/dir/b", F, 0o644, 0, b"b\n"), ("base/opaque", D, 0o755, 0, b""),
        ("base/opaque/old", F, 0o644, 0, b"old\n"),
        ("base/hard1", F, 0o640, 1000, b"hard\n"), ("base/hard2", L, 0o640, 1000, "base/hard1"),
        ("base/suid", F, 0o4755, 0, b"suid\n"), ("base/link", S, 0o777, 0, "keep"),
        ("base/xattr", F, 0o644, 0, b"x\n", {"user.base": "value"}),
        ("base/dirlink", S, 0o777, 0, "dir")])


def make_base(path, text=None):
    tars = [base_layer(), upper_layer()]
    if text:
        tars.append(tar_of([("base/text", F, 0o644, 0, text.encode())]))
    Layout(path).image(tars, CONFIG)


def make_bad(kind, path):
    hostile = {
        "dotdot": [("../../escape", F, 0o644, 0, b"x")],
        "absolute": [("/absolute", F, 0o644, 0, b"x")],
        "through-link": [("out", S, 0o777, 0, "/etc"), ("out/escape", F, 0o644, 0, b"x")],
        "up-link": [("out", S, 0o777, 0, "../../../.."), ("out/escape", F, 0o644, 0, b"x")],
        "hard-link": [("hard", L, 0o644, 0, "../../../../etc/passwd")],
        "hard-absolute": [("hard", L, 0o644, 0, "/etc/hostname")],
        "high-owner": [("high", F, 0o644, 3000000, b"x")],
    }
    layout = Layout(path)
    if kind in hostile:
        layout.image([base_layer(), tar_of(hostile[kind])], CONFIG)
        return
    tar = tar_of([("f", F, 0o644, 0, os.urandom(200000))])
    diff_ids = None
    if kind == "diff-id":
        diff_ids = ["sha256:" + hashlib.sha256(base_layer()).hexdigest(), "sha256:" + "1" * 64]
    layers = layout.image([base_layer(), tar], CONFIG, diff_ids=diff_ids)
    blob = path + "/blobs/" + layers[1]["digest"].replace(":", "/")
    if kind == "truncated":
        os.truncate(blob, 1000)
    elif kind == "damaged":
        with open(blob, "r+b") as f:
            f.seek(100000)
            f.write(b"damaged!")
    elif kind == "absent":
        os.unlink(blob)
    elif kind != "diff-id":
        sys.exit("no bad image " + kind)


class Image:
    def __init__(self, path):
        self.tar = None if os.path.isdir(path) else tarfile.open(path)
        self.path = path
        entry = json.loads(self.read("index.json"))["manifests"][0]
        self.digest = entry["digest"]
        self.manifest = json.loads(self.blob(entry))
        self.config = json.loads(self.blob(self.manifest["config"]))

    def read(self, name):
        if self.tar:
            return self.tar.extractfile(name).read()
        with open(os.path.join(self.path, name), "rb") as f:
            return f.read()

    def blob(self, descriptor):
        data = self.read("blobs/" + descriptor["digest"].replace(":", "/"))
        assert len(data) == descriptor["size"], "size of " + descriptor["digest"]
        assert "sha256:" + hashlib.sha256(data).hexdigest() == descriptor["digest"]
        return data

    def layer(self, n):
        data = self.blob(self.manifest["layers"][n])
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        diff_id = "sha256:" + hashlib.sha256(data).hexdigest()
        assert diff_id == self.config["rootfs"]["diff_ids"][n], "diff_id of layer %d" % n
        return tarfile.open(fileobj=io.BytesIO(data))

    def merge(self):
        """path -> [info, content, name of the inode]; a hard link shares its group."""
        tree = {}
        for n in range(len(self.manifest["layers"])):
            tar, mine = self.layer(n), {}
            members = [(m, m.name.rstrip("/").removeprefix("./")) for m in tar.getmembers()]
            for m, path in members:
                folder, base = os.path.split(path)
                if base == ".wh..wh..opq":
                    remove(tree, folder, keep_root=True)
                elif base.startswith(".wh."):
                    remove(tree, os.path.join(folder, base[4:]))
            for m, path in members:
                if os.path.basename(path).startswith(".wh."):
                    continue
                if path in (".", ""):
                    continue
                if not (m.isdir() and path in tree and tree[path][0].isdir()):
                    remove(tree, path)
                if m.islnk():
                    target = m.linkname.removeprefix("./").lstrip("/")
                    tree[path] = mine[path] = mine.get(target) or tree[target]
                    continue
                content = tar.extractfile(m).read() if m.isfile() else None
                tree[path] = mine[path] = [m, content]
        return tree


def remove(tree, path, keep_root=False):
    for p in [p for p in tree if p.startswith(path + "/") or (p == path and not keep_root)]:
        del tree[p]


def kind_of(info):
    for kind, test in (("directory", info.isdir()), ("symlink", info.issym()),
                       ("regular", info.isfile()), ("fifo", info.isfifo()),
                       ("chardev", info.ischr()), ("blockdev", info.isblk())):
        if test:
            return kind
    return "unknown"


def print_tree(image, under=""):
    tree = image.merge()
    for path in sorted(tree, key=os.fsencode):
        info, content = tree[path]
        if under and path != under and not path.startswith(under + "/"):
            continue
        links = 1 if info.isdir() else sum(1 for other in tree.values() if other[0] is info)
        size = len(content) if content is not None else len(info.linkname) if info.issym() else 0
        when = "-" if info.issym() else int(info.mtime)
        data = hashlib.sha256(content).hexdigest() if content is not None else info.linkname or "-"
        print(kind_of(info), "%o" % info.mode, info.uid, info.gid, size, links, when, data, "/" + path)


def seen(text):
    """Turns what RUN's `stat` wrote into the form of print_tree."""
    kinds = {"regular file": "regular", "regular empty file": "regular", "symbolic link": "symlink",
             "character special file": "chardev", "block special file": "blockdev"}
    lines = [line.split("|", 8) for line in text.splitlines()]
    inodes = [line[5] for line in lines]
    for kind, mode, uid, gid, size, inode, when, data, path in lines:
        links = inodes.count(inode)  # overlayfs counts links that a copy-up has broken
        kind = kinds.get(kind, kind)
        if kind == "directory":
            size, links = 0, 1
        if kind == "symlink":
            when = "-"
        yield path, " ".join(str(x) for x in (kind, mode, uid, gid, size, links, when,
                                              data or "-", path))


def main():
    command, args = sys.argv[1], sys.argv[2:]
    if command == "base":
        make_base(*args)
    elif command == "bad":
        make_bad(*args)
    elif command == "json":
        d = json.load(sys.stdin)
        value = eval(args[0], {"d": d})
        print(value if isinstance(value, str) else json.dumps(value, sort_keys=True))
    elif command == "seen":
        for _, line in sorted(seen(sys.stdin.read()), key=lambda pair: os.fsencode(pair[0])):
            print(line)
    else:
        image = Image(args[0])
        if command == "tree":
            print_tree(image, *args[1:])
        elif command == "xattrs":
            for path, (info, _) in sorted(image.merge().items()):
                for key, value in sorted(info.pax_headers.items()):
                    if key.startswith("SCHILY.xattr."):
                        print("/" + path, key[13:] + "=" + value)
        elif command == "cat":
            sys.stdout.buffer.write(image.merge()[args[1].lstrip("/")][1])
        elif command == "entries":
            for name in image.layer(int(args[1]) % len(image.manifest["layers"])).getnames():
                print(name)
        elif command == "diffids":
            print("\n".join(image.config["rootfs"]["diff_ids"]))
        elif command == "layers":
            print("\n".join(layer["digest"] for layer in image.manifest["layers"]))
        elif command == "config":
            print(json.dumps(image.config))
        elif command == "manifest":
            print(image.digest)
        else:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
