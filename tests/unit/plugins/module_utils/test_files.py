"""Files replaced in one step and hashed piece by piece."""

from __future__ import annotations

import hashlib
import os
import stat

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils import files


@pytest.mark.parametrize("before", [None, "a longer text than the new one\n"])
def test_replace(tmp_path, before):
    path = tmp_path / "config.yaml"
    if before is not None:
        path.write_text(before, encoding="utf-8")
        path.chmod(0o644)
    files.replace(str(path), "Größe: 1\n", 0o600)
    assert path.read_bytes() == "Größe: 1\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["config.yaml"]


@pytest.mark.parametrize("broken", ["write", "fsync", "replace"])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, broken):
    path = tmp_path / "config.yaml"
    path.write_text("old", encoding="utf-8")
    text = "new"
    if broken == "write":
        text = "\udcff"  # cannot be encoded
    else:
        monkeypatch.setattr(files.os, broken, fails)
    with pytest.raises((OSError, UnicodeEncodeError)):
        files.replace(str(path), text, 0o600)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["config.yaml"]


def fails(*arguments):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("size", [0, 1, files.CHUNK, files.CHUNK + 1])
def test_sha256_of(tmp_path, size):
    path = tmp_path / "blob"
    path.write_bytes(os.urandom(size))
    with path.open("rb") as stream:
        assert files.sha256_of(stream) == hashlib.sha256(path.read_bytes()).hexdigest()
