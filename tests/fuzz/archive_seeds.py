#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""archive_seeds.py DIR: archives as archive.c writes them down, for the fuzzer to begin with."""
import gzip, io, json, sys, tarfile

INDEX, MANIFEST, CONFIG, PLAIN, A, B, CLIMBS, BLOB = range(8)
FILE, SYMLINK, HARDLINK = 0, 8, 16
OCI = "application/vnd.oci.image."


def layer():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("f"))
    return out.getvalue()[:1024]


def write(name, *members):
    with open("%s/seed-%s" % (sys.argv[1], name), "wb") as out:
        for how, data in members:
            data = data if isinstance(data, bytes) else text(data)
            out.write(bytes([how]) + len(data).to_bytes(2, "big") + data)


def descriptor(kind, n):
    return {"mediaType": OCI + kind, "digest": "sha256:@%d" % n, "size": "SIZE%d" % n}


def text(value):
    out = json.dumps(value)
    for n in range(10):
        out = out.replace('"SIZE%d"' % n, "#%d" % n)
    return out.encode()


config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:@0"]}}
docker = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l.tar"]}]
write("docker", (PLAIN, layer()), (CONFIG, config), (MANIFEST, docker))
write("links", (A, layer()), (PLAIN | SYMLINK, b"b/layer.tar"), (B | HARDLINK, b"a/layer.tar"), (CONFIG, config), (MANIFEST, docker))

manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": descriptor("config.v1+json", 1),
            "layers": [descriptor("layer.v1.tar", 0)]}
entry = dict(descriptor("manifest.v1+json", 2), annotations={"io.containerd.image.name": "docker.io/library/x:1"})
oci = [(BLOB, layer()), (BLOB, config), (BLOB, manifest)]
write("oci", *oci, (INDEX, {"schemaVersion": 2, "manifests": [entry]}))
inner = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json",
         "manifests": [dict(descriptor("manifest.v1+json", 2), platform={"os": "linux", "architecture": "amd64"})]}
write("nested", *oci, (BLOB, inner), (INDEX, {"schemaVersion": 2, "manifests": [descriptor("index.v1+json", 3)]}))
write("digest", *oci, (INDEX, {"schemaVersion": 2, "manifests": [dict(entry, annotations={"io.containerd.image.name": "x@sha256:@2"})]}))
write("packed", (PLAIN, gzip.compress(layer(), mtime=0)), (CONFIG, config), (MANIFEST, docker))
