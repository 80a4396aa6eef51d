# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node side, on a real file system below tmp_path."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle import node_files
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.node import Node, check_machine
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.pieces import lengths, piece_name

BINARY, IMAGES, VISION = b"binary" * 10, b"images" * 20, b"vision" * 30


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Host:
    """A host in a directory."""

    def __init__(self, root):
        self.root = root
        self.state = root / "var/lib/edgeai"
        self.images = root / "k3s/agent/images"
        self.binary = root / "bin/k3s"

    def placement(self, path, data, mode="0644"):
        return dict(kind="x", name="x", version="1", arch="amd64", sha256=sha256(data), size=len(data),
                    path=str(path), mode=mode)

    def wanted(self, vision=True):
        result = [self.placement(self.images / "k3s.tar.zst", IMAGES)]
        if vision:
            result.append(self.placement(self.images / "vision.tar", VISION))
        return result + [self.placement(self.binary, BINARY, "0755")]

    def node(self, wanted=None, verify="changed"):
        return Node(wanted or self.wanted(), str(self.images), str(self.state), verify)

    def stage(self, node, *contents):
        node.staging.prepare()
        for data in contents or (BINARY, IMAGES, VISION):
            step = lengths(len(data))[0]
            for number in range(len(lengths(len(data)))):
                piece = data[number * step:(number + 1) * step]
                (self.state / "staging" / piece_name(sha256(data), number)).write_bytes(piece)

    def converge(self, wanted=None):
        node = self.node(wanted)
        self.stage(node)
        assert node.apply() == []

    def files(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir())


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.delenv("SUDO_UID", raising=False)
    return Host(tmp_path)


def test_bare_host(host):
    node = host.node()
    assert {request["sha256"] for request in node.requests()} == {sha256(BINARY), sha256(IMAGES), sha256(VISION)}
    assert all(request["staged"] == {} for request in node.requests())
    node.check_space()
    assert list(host.root.iterdir()) == []


def test_everything_in_place(host):
    host.converge()
    assert host.files() == ["bin/k3s", "k3s/agent/images/k3s.tar.zst", "k3s/agent/images/vision.tar", "var/lib/edgeai/artifacts.json"]
    assert host.binary.read_bytes() == BINARY
    assert "%04o" % (host.binary.stat().st_mode & 0o7777) == "0755"
    assert "%04o" % (host.images.parent.stat().st_mode & 0o7777) == "0700"
    assert "%04o" % (host.images.stat().st_mode & 0o7777) == "0755"
    assert not (host.state / "staging").exists()
    again = host.node()
    assert (again.absent(), again.drifted(), again.former) == ([], [], [])


def test_converged_node_reads_no_file(host, monkeypatch):
    host.converge()
    monkeypatch.setattr(node_files, "sha256_file", lambda path: pytest.fail("read " + path))
    host.node()


def test_verify_always_reads_every_file(host, monkeypatch):
    host.converge()
    read = []
    real = node_files.sha256_file
    monkeypatch.setattr(node_files, "sha256_file", lambda path: read.append(path) or real(path))
    assert host.node(verify="always").absent() == []
    assert len(read) == 3


def tamper(path, keep_time=False):
    before = path.stat()
    with open(path, "r+b") as stream:
        stream.write(b"X")
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("keep_time", [False, True])
def test_tampered_byte_is_seen_and_repaired(host, keep_time):
    host.converge()
    tamper(host.binary, keep_time)
    node = host.node()
    assert [(p["path"], node.reason(p)) for p in node.absent()] == [(str(host.binary), "content")]
    host.stage(node, BINARY)
    assert node.apply() == []
    assert host.binary.read_bytes() == BINARY


@pytest.mark.parametrize("mode", [0o777, 0o600])
def test_mode_is_repaired_without_sending(host, mode):
    host.converge()
    host.binary.chmod(mode)
    node = host.node()
    assert (node.absent(), [node.reason(p) for p in node.drifted()]) == ([], ["mode"])
    node.apply()
    assert host.node().drifted() == []
    assert host.binary.stat().st_mode & 0o777 == 0o755


def test_link_in_place_of_the_binary_is_replaced_not_followed(host):
    host.binary.parent.mkdir()
    other = host.root / "other"
    other.write_bytes(b"precious")
    host.binary.symlink_to(other)
    host.converge()
    assert other.read_bytes() == b"precious"
    assert not host.binary.is_symlink()


@pytest.mark.parametrize("breakage", ["directory", "parent"])
def test_something_else_in_the_way(host, breakage):
    if breakage == "directory":
        host.binary.mkdir(parents=True)
    else:
        host.binary.parent.write_bytes(b"a file")
    with pytest.raises(BundleError, match="is a directory|should be"):
        host.node()


def test_half_a_piece(host):
    node = host.node()
    host.stage(node)
    piece = host.state / "staging" / piece_name(sha256(BINARY), 0)
    piece.write_bytes(BINARY[:7])
    request = next(r for r in node.requests() if r["sha256"] == sha256(BINARY))
    assert request["staged"] == {"0": sha256(BINARY[:7])}
    assert [p["path"] for p in node.apply()] == [str(host.binary)]
    assert not host.binary.exists()
    assert (host.images / "vision.tar").exists()
    assert [request["path"] for request in host.node().requests()] == [str(host.binary)]


def test_damaged_piece_of_full_length(host):
    node = host.node()
    host.stage(node)
    tamper(host.state / "staging" / piece_name(sha256(BINARY), 0))
    assert [p["path"] for p in node.apply()] == [str(host.binary)]
    assert [name for name in host.files() if "k3s" in name.split("/")[-1] and "images" not in name] == []
    assert host.node().requests()[0]["staged"] == {}


@pytest.mark.parametrize("plant", ["link", "pipe", "directory"])
def test_planted_piece_is_not_opened(host, plant):
    node = host.node()
    host.stage(node, IMAGES, VISION)
    piece = host.state / "staging" / piece_name(sha256(BINARY), 0)
    secret = host.root / "secret"
    secret.write_bytes(BINARY)
    {"link": lambda: piece.symlink_to(secret), "pipe": lambda: os.mkfifo(piece), "directory": piece.mkdir}[plant]()
    assert next(r for r in node.requests() if r["sha256"] == sha256(BINARY))["staged"] == {}
    with pytest.raises(OSError):
        node_files.open_regular(str(piece))


def test_two_names_for_the_same_bytes(host):
    wanted = [host.placement(host.images / "a.tar", VISION), host.placement(host.images / "b.tar", VISION)]
    node = host.node(wanted)
    assert len(node.requests()) == 1
    host.stage(node, VISION)
    assert node.apply() == []
    assert (host.images / "b.tar").read_bytes() == (host.images / "a.tar").read_bytes() == VISION


def test_former_image_is_removed_and_foreign_ones_stay(host):
    host.converge()
    foreign = host.images / "foreign.tar"
    foreign.write_bytes(b"not ours")
    node = host.node(host.wanted(vision=False))
    assert node.former == [str(host.images / "vision.tar")]
    assert "vision.tar" in node.text_before() and "vision.tar" not in node.text_after()
    node.apply()
    assert sorted(path.name for path in host.images.iterdir()) == ["foreign.tar", "k3s.tar.zst"]
    assert host.node(host.wanted(vision=False)).former == []


def test_former_image_with_other_bytes_belongs_to_somebody_else(host):
    host.converge()
    tamper(host.images / "vision.tar")
    node = host.node(host.wanted(vision=False))
    assert node.former == []
    node.apply()
    assert (host.images / "vision.tar").exists()


def test_former_image_stays_until_the_new_one_is_there(host):
    host.converge()
    new = b"vision 2" * 10
    wanted = host.wanted(vision=False) + [host.placement(host.images / "vision-2.tar", new)]
    node = host.node(wanted)
    node.staging.prepare()
    node.remember()
    assert node.apply() != []
    assert (host.images / "vision.tar").exists()
    node = host.node(wanted)
    host.stage(node, new)
    assert node.apply() == []
    assert sorted(path.name for path in host.images.iterdir()) == ["k3s.tar.zst", "vision-2.tar"]


def test_unfinished_file_never_lies_in_the_watched_directory(host, monkeypatch):
    seen = []
    real = node_files.put
    monkeypatch.setattr(node_files, "put", lambda temporary, path, mode: seen.append(temporary) or real(temporary, path, mode))
    host.converge()
    assert [os.path.dirname(path) for path in seen] == [str(host.images.parent)] * 2 + [str(host.binary.parent)]


def test_leftovers_of_a_killed_run_are_removed(host):
    host.binary.parent.mkdir()
    left = host.binary.parent / (".edgeai-%s.part" % ("0" * 16))
    left.write_bytes(b"half")
    host.converge()
    assert not left.exists()


def test_full_disk_before_anything_is_sent(host, monkeypatch):
    monkeypatch.setattr(node_files, "device_and_free", lambda path: (1, 1024, "/var/lib"))
    with pytest.raises(BundleError, match="not enough disk space below /var/lib"):
        host.node().check_space()


def test_disk_that_fills_up_while_assembling(host, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "no space left")
    node = host.node()
    host.stage(node)
    monkeypatch.setattr(node_files.os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        node.apply()
    assert [name for name in host.files() if "staging" not in name] == []


def test_other_file_system(host, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EXDEV, "cross-device")
    node = host.node()
    host.stage(node)
    monkeypatch.setattr(node_files.os, "rename", refuse)
    with pytest.raises(BundleError, match="another file system"):
        node.apply()
    assert not list(host.images.parent.glob(".edgeai*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("environment, login_user, owner", [
    ({"SUDO_UID": "65534"}, "root", 65534), ({"DOAS_USER": "nobody"}, None, 65534), ({}, "nobody", 65534),
    ({}, "no-such-user", 0), ({}, None, 0), ({"SUDO_UID": "x"}, None, 0),
])
def test_staging_belongs_to_the_login_user(host, monkeypatch, environment, login_user, owner):
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    staging = node_files.Staging(str(host.state / "staging"), login_user)
    staging.prepare()
    found = os.stat(staging.path)
    assert (found.st_uid, found.st_mode & 0o777) == (owner, 0o700)


def test_staging_that_is_a_link_is_refused(host):
    host.state.mkdir(parents=True)
    (host.state / "staging").symlink_to("/tmp")
    with pytest.raises(BundleError, match="symbolic link"):
        host.node().staging.prepare()


@pytest.mark.parametrize("machine, arch, good", [
    ("x86_64", "amd64", True), ("aarch64", "arm64", True), ("armv7l", "arm", True),
    ("x86_64", "arm64", False), ("armv6l", "arm", False), ("aarch64", "arm", False),
])
def test_check_machine(machine, arch, good):
    if good:
        check_machine(machine, arch)
    else:
        with pytest.raises(BundleError, match="do not run on this host. Found: machine %s.*correct arch" % machine):
            check_machine(machine, arch)


def test_lost_directory_is_made_again(host):
    host.converge()
    shutil.rmtree(host.images.parent)
    assert len(host.node().absent()) == 2
    host.converge()
    assert (host.images / "vision.tar").read_bytes() == VISION


def test_former_package_is_removed(host):
    package = host.placement(host.state / "packages" / "toolkit_1_amd64.deb", VISION)
    host.converge(host.wanted() + [package])
    foreign = host.state / "packages" / "foreign.deb"
    foreign.write_bytes(b"not ours")
    host.converge()
    assert [path.name for path in foreign.parent.iterdir()] == ["foreign.deb"]
