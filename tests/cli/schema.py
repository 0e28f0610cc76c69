#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""schema.py IMAGE...: every document of an OCI layout or archive, or of a directory that `skopeo copy dir:`
made, obeys the JSON schemas of the OCI image-spec (those of Debian's package of it), and says of every blob
what is true: size, digest, compression, diff_id. With manifest.json, what `docker load` reads is checked too.
schema.py --is KIND < DOCUMENT: one document (manifest, index, config, layout)."""
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import warnings

from image import Image

warnings.simplefilter("ignore", DeprecationWarning)  # jsonschema's, of what Debian 12 has in its place
from jsonschema import Draft4Validator, FormatChecker, RefResolver  # noqa: E402

SCHEMAS = "/usr/share/gocode/src/github.com/opencontainers/image-spec/schema/"
FILES = {"manifest": "image-manifest-schema.json", "index": "image-index-schema.json",
         "config": "config-schema.json", "layout": "image-layout-schema.json"}
INDEX, MANIFEST = ("application/vnd.oci.image.%s.v1+json" % kind for kind in ("index", "manifest"))
TAR = "application/vnd.oci.image.layer.v1.tar"
UNPACK = {TAR: bytes, TAR + "+gzip": gzip.decompress,
          TAR + "+zstd": lambda data: subprocess.run(["zstd", "-dcq"], input=data, check=True,
                                                     stdout=subprocess.PIPE).stdout}
formats = FormatChecker()


@formats.checks("date-time")
def is_time(value):
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value) is not None


def load(uri):
    with open(SCHEMAS + os.path.basename(uri)) as f:
        return json.load(f)


def check(kind, text, what):
    schema = load(FILES[kind])
    resolver = RefResolver("https://schema/" + FILES[kind], schema, handlers={"https": load})
    document = json.loads(text)
    errors = list(Draft4Validator(schema, resolver=resolver, format_checker=formats).iter_errors(document))
    for error in errors:
        print(f"{what}: {kind}: {'/'.join(map(str, error.absolute_path))}: {error.message}")
    if errors:
        sys.exit(1)
    return document


def check_layer(data, descriptor, diff_id):
    is_gzip, is_zstd = data[:2] == b"\x1f\x8b", data[:4] == b"\x28\xb5\x2f\xfd"
    kind = descriptor["mediaType"]
    assert (is_gzip, is_zstd) == (kind.endswith("+gzip"), kind.endswith("+zstd")), kind
    assert "sha256:" + hashlib.sha256(UNPACK[kind](data)).hexdigest() == diff_id, "diff_id of " + descriptor["digest"]


def check_manifest(text, blob, what):
    manifest = check("manifest", text, what)
    assert manifest["mediaType"] == MANIFEST, manifest["mediaType"]
    config = check("config", blob(manifest["config"]), what)
    diff_ids = config["rootfs"]["diff_ids"]
    assert len(diff_ids) == len(manifest["layers"]), "a diff_id for each layer"
    assert len([h for h in config["history"] if not h.get("empty_layer")]) == len(diff_ids), "history of each layer"
    for descriptor, diff_id in zip(manifest["layers"], diff_ids):
        check_layer(blob(descriptor), descriptor, diff_id)


def walk(image, text, what):
    for entry in check("index", text, what)["manifests"]:
        data = image.blob(entry)
        if entry["mediaType"] == INDEX:
            walk(image, data, what)
        else:
            check_manifest(data, image.blob, what)


def check_docker(image):
    """What has no schema: manifest.json, of which every path is there."""
    for entry in json.loads(image.read("manifest.json")):
        assert set(entry) <= {"Config", "RepoTags", "Layers"}, entry
        assert all(":" in name for name in entry["RepoTags"] or []), entry
        config = json.loads(image.read(entry["Config"]))
        assert len(entry["Layers"]) == len(config["rootfs"]["diff_ids"]), entry
        for path in entry["Layers"]:
            image.read(path)


def check_skopeo_dir(path):
    def blob(descriptor):
        with open(os.path.join(path, descriptor["digest"].split(":")[1]), "rb") as f:
            data = f.read()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (descriptor["size"], descriptor["digest"][7:])
        return data

    with open(path + "/manifest.json", "rb") as f:
        check_manifest(f.read(), blob, path)


def main():
    if sys.argv[1] == "--is":
        check(sys.argv[2], sys.stdin.read(), "input")
        return
    for path in sys.argv[1:]:
        if os.path.isdir(path) and not os.path.exists(path + "/index.json"):
            check_skopeo_dir(path)
            continue
        image = Image(path)
        check("layout", image.read("oci-layout"), path)
        walk(image, image.read("index.json"), path)
        if image.tar:
            check_docker(image)


if __name__ == "__main__":
    main()
