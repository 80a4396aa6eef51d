"""Which K3s is offered, and that damaged files are refused."""

import hashlib

import pytest
from edgelab import airgap, engine
from edgelab.errors import LabError


def release(root, version, name="k3s", content=b"binary"):
    folder = root / "k3s" / version
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder


def test_the_newest_placed_release_wins(tmp_path):
    for version in ("v1.9.1+k3s1", "v1.36.5+k3s1", "v1.36.10+k3s1", "v1.36.10+k3s2"):
        release(tmp_path, version)
    found = engine.placed(str(tmp_path))
    assert (found.version, found.origin) == ("v1.36.10+k3s2", "EDGEAI_ARTIFACTS")


def test_folders_without_a_binary_do_not_count(tmp_path):
    release(tmp_path, "v1.36.5+k3s1")
    release(tmp_path, "v1.37.0+k3s1", content=b"")
    release(tmp_path, "v1.38.0+k3s1", name="k3s.part")
    assert engine.placed(str(tmp_path)).version == "v1.36.5+k3s1"


def test_nothing_placed(tmp_path):
    assert engine.placed("") is None
    assert engine.placed(str(tmp_path)) is None
    with pytest.raises(LabError, match="not a directory"):
        engine.placed(str(tmp_path / "missing"))


def test_checksum_files_beside_the_files_are_enforced(tmp_path):
    folder = release(tmp_path, "v1.36.5+k3s1")
    right = hashlib.sha256(b"binary").hexdigest()
    (folder / "sha256sum-amd64.txt").write_text(f"{right}  k3s\n{'0' * 64}  k3s-not-downloaded\n")
    engine.check_sums(folder)
    (folder / "k3s").write_bytes(b"binarY")
    with pytest.raises(LabError, match="k3s is damaged"):
        engine.check_sums(folder)


def test_a_tree_hash_sees_names_contents_and_modes(tmp_path):
    (tmp_path / "a").write_text("1")
    hashes = {engine.tree_hash(tmp_path)}
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/a.pyc").write_text("x")
    assert engine.tree_hash(tmp_path) in hashes
    for change in (
        lambda: (tmp_path / "a").write_text("2"),
        lambda: (tmp_path / "a").chmod(0o755),
        lambda: (tmp_path / "a").rename(tmp_path / "b"),
    ):
        change()
        hashes.add(engine.tree_hash(tmp_path))
    assert len(hashes) == 4


def test_the_pause_tag_is_read_from_a_binary(tmp_path):
    binary = tmp_path / "k3s"
    binary.write_bytes(b"\0rancher/mirrored-pause:3.11.1\0junk rancher/mirrored-pause:latest\0")
    assert airgap.tags_in(binary) == {"3.11.1"}
    binary.write_bytes(b"")
    assert airgap.tags_in(binary) == set()
