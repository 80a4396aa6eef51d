# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image archives: names, formats, damage, layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

import pytest
from k3s_standin.faults import Faults
from k3s_standin.kubelet.images import ImageStore, machine_architecture, normalize

DIGEST = "sha256:" + "1" * 64


@pytest.mark.parametrize("reference, full", [
    ("busybox", "docker.io/library/busybox:latest"),
    ("rancher/mirrored-pause:3.10.2", "docker.io/rancher/mirrored-pause:3.10.2"),
    ("lab.example/vision:1", "lab.example/vision:1"),
    ("localhost:5000/a/b:2", "localhost:5000/a/b:2"),
    (f"lab.example/vision:1@{DIGEST}", f"lab.example/vision@{DIGEST}"),
    (f"lab.example/vision@{DIGEST}", f"lab.example/vision@{DIGEST}"),
])
def test_normalize(reference, full):
    assert normalize(reference) == full


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def oci_archive(name, layers, arch=None):
    """(bytes of an OCI layout, digest of the manifest)"""
    blobs = {}

    def blob(content):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        blobs["blobs/" + digest.replace(":", "/")] = content
        return {"digest": digest, "size": len(content)}

    config = blob(json.dumps({"architecture": arch or machine_architecture(), "config": {"Cmd": ["/x"]}}).encode())
    manifest = blob(json.dumps({"config": config, "layers": [blob(layer) for layer in layers]}).encode())
    index = {"manifests": [{**manifest, "annotations": {"io.containerd.image.name": name}}]}
    files = {"oci-layout": b"{}", "index.json": json.dumps(index).encode(), **blobs}
    return tar_of(files), manifest["digest"]


@pytest.fixture
def store(tmp_path):
    (tmp_path / "agent" / "images").mkdir(parents=True)
    (tmp_path / "agent" / "containerd").mkdir()
    return ImageStore(tmp_path / "agent", Faults(str(tmp_path / "faults.json")))


def put(store, name, content):
    (store._watched / name).write_bytes(content)


def test_oci_archive_is_known_by_tag_and_digest(store):
    content, digest = oci_archive("lab.example/vision:1", [tar_of({"x": b"one"}), tar_of({"y": b"two", ".wh.x": b""})])
    put(store, "vision.tar", content)
    store.import_all()
    for reference in ("lab.example/vision:1", f"lab.example/vision@{digest}", f"lab.example/vision:1@{digest}"):
        assert store.find(reference)["digest"] == digest, reference
    root = store.find("lab.example/vision:1")["rootfs"]
    import os
    assert sorted(os.listdir(root)) == ["y"]
    refs = [row[0] for row in store.listing()]
    assert refs[:2] == ["lab.example/vision:1", f"lab.example/vision@{digest}"] and refs[2].startswith("sha256:")


def test_compressed_archive_and_layer(store):
    content, _ = oci_archive("lab.example/zip:1", [gzip.compress(tar_of({"x": b"one"}))])
    put(store, "zip.tar.gz", gzip.compress(content))
    store.import_all()
    assert store.find("lab.example/zip:1")


def test_docker_archive(store):
    config = json.dumps({"config": {"Entrypoint": ["/pause"]}}).encode()
    put(store, "pause.tar", tar_of({
        "manifest.json": json.dumps([{"Config": "c.json", "RepoTags": ["rancher/mirrored-pause:3"],
                                      "Layers": ["l.tar"]}]).encode(), "c.json": config, "l.tar": tar_of({"p": b"x"})}))
    store.import_all()
    assert store.find("rancher/mirrored-pause:3")["config"] == {"Entrypoint": ["/pause"]}


@pytest.mark.parametrize("name, make, why", [
    ("zero.tar", lambda good: b"", "unrecognized image format"),
    ("text.tar", lambda good: b"hello\n", "unexpected EOF"),
    ("noise.tar", lambda good: bytes(range(256)) * 1200, "archive/tar: invalid tar header"),
    ("half.tar", lambda good: good[:len(good) // 2], "unexpected EOF"),
    ("other.tar", lambda good: tar_of({"readme": b"x"}), "unrecognized image format"),
    ("wrong.tar", lambda good: good.replace(b"A" * 64, b"B" * 64, 1), "unexpected commit digest"),
])
def test_damage_is_logged_and_nothing_more(store, capsys, name, make, why):
    good, _ = oci_archive("lab.example/vision:1", [tar_of({"big": b"A" * 4_000_000})])
    put(store, name, make(good))
    store.import_all()
    line = next(x for x in capsys.readouterr().err.splitlines() if "level=error" in x)
    assert f"Failed to process image event: failed to import {store._watched}/{name}: " in line and why in line
    assert store.listing() == []


def test_other_architecture(store, capsys):
    content, _ = oci_archive("lab.example/vision:1", [tar_of({"x": b"1"})], arch="s390x")
    put(store, "x.tar", content)
    store.import_all()
    assert "no match for platform in manifest" in capsys.readouterr().err


def test_readme_is_ignored(store, capsys):
    put(store, "README.md", b"hello")
    store.import_all()
    assert capsys.readouterr().err == ""


def test_image_stays_when_its_archive_goes_but_loses_its_pin(store):
    content, _ = oci_archive("lab.example/vision:1", [tar_of({"x": b"1"})])
    put(store, "x.tar", content)
    store.import_all()
    assert "pinned=pinned" in store.listing()[0][5]
    (store._watched / "x.tar").unlink()
    store.import_all()
    assert store.find("lab.example/vision:1") and "pinned=pinned" not in store.listing()[0][5]
