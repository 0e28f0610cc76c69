#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_layout.py DIR [TAG] [LAYER_BYTES]: a tiny OCI image layout with two layers and a nested index.
make_layout.py --big DIR MIB: a layout with one layer of so many MiB of zeros, in a file without blocks."""
import gzip
import hashlib
import io
import json
import os
import random
import sys
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def layer(name, data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


class Layout:
    def __init__(self, root):
        self.root = root
        os.makedirs(root + "/blobs/sha256", exist_ok=True)
        with open(root + "/oci-layout", "w") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')

    def put(self, data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{self.root}/blobs/sha256/{digest}", "wb") as f:
            f.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def image(self, arch, size):
        tars = [layer("hello", arch.encode()), layer("noise", random.Random(arch).randbytes(size))]
        config = {
            "architecture": arch, "os": "linux", "config": {"Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers",
                       "diff_ids": ["sha256:" + hashlib.sha256(t).hexdigest() for t in tars]},
        }
        manifest = {
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self.put(json.dumps(config).encode(),
                               "application/vnd.oci.image.config.v1+json"),
            "layers": [self.put(gzip.compress(t, mtime=0),
                                "application/vnd.oci.image.layer.v1.tar+gzip") for t in tars],
        }
        entry = self.put(json.dumps(manifest).encode(), MANIFEST)
        entry["platform"] = {"os": "linux", "architecture": arch}
        return entry

    def index(self, entries):
        return self.put(json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                                    "manifests": entries}).encode(), INDEX)

    def finish(self, entry, tag):
        entry = dict(entry, annotations={"org.opencontainers.image.ref.name": tag})
        with open(self.root + "/index.json", "w") as f:
            json.dump({"schemaVersion": 2, "manifests": [entry]}, f)


def big(root, mib):
    layout = Layout(root)
    digest = hashlib.sha256()
    for _ in range(mib):
        digest.update(bytes(1 << 20))
    with open(f"{root}/blobs/sha256/{digest.hexdigest()}", "wb") as f:
        f.truncate(mib << 20)
    name = "sha256:" + digest.hexdigest()
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [name]}}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST,
                "config": layout.put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": name,
                            "size": mib << 20}]}
    layout.finish(layout.put(json.dumps(manifest).encode(), MANIFEST), "1")


def main():
    if sys.argv[1] == "--big":
        big(sys.argv[2], int(sys.argv[3]))
        return
    tag = sys.argv[2] if len(sys.argv) > 2 else "1"
    size = int(sys.argv[3]) if len(sys.argv) > 3 else 300000
    layout = Layout(sys.argv[1])
    layout.finish(layout.index([layout.image("amd64", size), layout.image("arm64", size)]), tag)


if __name__ == "__main__":
    main()
