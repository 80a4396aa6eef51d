"""The OCI writer: what it writes is a valid image layout, and the same input gives the same bytes."""

import gzip
import hashlib
import io
import json
import tarfile

import pytest
from edgelab import oci


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: (member, tar.extractfile(member).read() if member.isfile() else None) for member in tar}


def image(text=b"one", arch="amd64"):
    base = oci.layer({"usr/bin/tool": (b"#!/bin/sh\n", 0o755)}, "base")
    return oci.Image(arch, (base, oci.layer({"model/weights": text}, "model")), {"Entrypoint": ["/usr/bin/tool"]})


def archive(tmp_path, images, name="image.tar"):
    digests = oci.write_archive(tmp_path / name, images)
    return digests, members((tmp_path / name).read_bytes())


def test_a_layer_is_sorted_and_belongs_to_root_at_time_zero():
    entries = members(gzip.decompress(oci.layer({"b/two": b"2", "a": b"1", "b/link": "two"}).blob))
    assert list(entries) == ["b", "a", "b/link", "b/two"]
    assert {(entry.uid, entry.gid, entry.mtime) for entry, _ in entries.values()} == {(0, 0, 0)}
    assert entries["b"][0].isdir() and entries["b"][0].mode == 0o755
    assert entries["b/link"][0].issym() and entries["b/link"][0].linkname == "two"
    assert entries["a"][1] == b"1" and entries["a"][0].mode == 0o644


def test_order_of_the_input_does_not_matter():
    files = {"x": b"1", "d/y": b"2"}
    assert oci.layer(files).blob == oci.layer(dict(reversed(files.items()))).blob


def test_modes_come_from_the_source_or_are_given(tmp_path):
    tool = tmp_path / "tool"
    tool.write_bytes(b"x")
    tool.chmod(0o750)
    entries = members(gzip.decompress(oci.layer({"copied": tool, "given": (b"y", 0o600)}).blob))
    assert entries["copied"][0].mode == 0o750 and entries["given"][0].mode == 0o600


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../b", ""])
def test_a_path_stays_inside(path):
    with pytest.raises(ValueError, match="stays inside"):
        oci.layer({path: b""})


def test_a_tree_becomes_a_layer(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/real").write_bytes(b"r")
    (tmp_path / "lib/link").symlink_to("real")
    entries = members(gzip.decompress(oci.layer_from_tree(tmp_path).blob))
    assert set(entries) == {"lib", "lib/real", "lib/link"} and entries["lib/link"][0].linkname == "real"


def test_the_archive_is_an_image_layout_whose_digests_hold(tmp_path):
    digests, found = archive(tmp_path, {"lab.example/vision:1": image()})
    assert json.loads(found["oci-layout"][1]) == {"imageLayoutVersion": "1.0.0"}
    for name, (entry, data) in found.items():
        if entry.isfile() and name.startswith("blobs/sha256/"):
            assert hashlib.sha256(data).hexdigest() == name.rpartition("/")[2]
    (descriptor,) = json.loads(found["index.json"][1])["manifests"]
    assert descriptor["digest"] == digests["lab.example/vision:1"]
    assert descriptor["annotations"] == {
        "io.containerd.image.name": "lab.example/vision:1",
        "org.opencontainers.image.ref.name": "1",
    }
    assert descriptor["platform"] == {"architecture": "amd64", "os": "linux"}

    def blob(described):
        data = found["blobs/sha256/" + described["digest"].removeprefix("sha256:")][1]
        assert len(data) == described["size"]
        return data

    manifest = json.loads(blob(descriptor))
    config = json.loads(blob(manifest["config"]))
    uncompressed = [oci.digest(gzip.decompress(blob(layer))) for layer in manifest["layers"]]
    assert config["rootfs"]["diff_ids"] == uncompressed and len(uncompressed) == 2
    assert config["config"]["Entrypoint"] == ["/usr/bin/tool"] and config["architecture"] == "amd64"


def test_the_same_image_twice_gives_the_same_bytes(tmp_path):
    oci.write_archive(tmp_path / "a", {"x/y:1": image()})
    oci.write_archive(tmp_path / "b", {"x/y:1": image()})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_versions_differ_in_the_model_layer_only():
    one, two = image(b"one"), image(b"two")
    assert one.layers[0].digest == two.layers[0].digest
    assert one.layers[1].digest != two.layers[1].digest and one.manifest() != two.manifest()


def test_an_image_under_two_names_is_stored_once(tmp_path):
    digests, found = archive(tmp_path, {"x/pause:3.6": image(), "x/pause:3.10.2": image()})
    assert len(set(digests.values())) == 1
    names = [one["annotations"]["io.containerd.image.name"] for one in json.loads(found["index.json"][1])["manifests"]]
    assert names == ["x/pause:3.6", "x/pause:3.10.2"]
    assert len([name for name in found if name.startswith("blobs/sha256/")]) == 4  # config, manifest, two layers
