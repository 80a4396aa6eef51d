# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin with a connection that copies into a directory, or breaks."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import types

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task

from ansible_collections.edgeai.sites.plugins.action.artifacts import ActionModule
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.blobs import blob_path
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import Artifact, Image, Manifest
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.pieces import PIECE_SIZE
from ansible_collections.edgeai.sites.plugins.modules import artifacts as module

VERSION = "v1.36.5+k3s1"
BINARY = b"#!/bin/sh\n" + b"k" * (2 * PIECE_SIZE)
IMAGES = b"images"
VISION = b"vision"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Link:
    """A connection whose files arrive in a directory; ``breaks_at`` counts down to a lost link."""

    def __init__(self):
        self.sent = []
        self.breaks_at = None
        self._shell = types.SimpleNamespace(join_path=os.path.join, tmpdir=None)
        self.transport = "link"
        self.has_pipelining = True
        self.become = None

    def get_option(self, name):
        return "login" if name == "remote_user" else None

    def put_file(self, local, remote):
        if self.breaks_at is not None and len(self.sent) >= self.breaks_at:
            with open(local, "rb") as source, open(remote, "wb") as target:
                target.write(source.read(1000))
            raise AnsibleConnectionFailure("lost")
        shutil.copy(local, remote)
        self.sent.append(os.path.getsize(local))


class Site:
    """A bundle, a host in a directory and an action plugin between them."""

    def __init__(self, root, monkeypatch):
        self.root = root
        self.bundle = root / "bundle"
        self.link = Link()
        self.calls = []
        self.machine = "x86_64"
        self.write_bundle()
        monkeypatch.setattr(module.platform, "machine", lambda: self.machine)
        monkeypatch.delenv("SUDO_UID", raising=False)

    def write_bundle(self, binary=BINARY, vision="1"):
        artifacts = []
        for kind, name, version, data, file_name in (
            ("k3s-binary", "k3s", VERSION, binary, "k3s"), ("k3s-images", "k3s", VERSION, IMAGES, "k3s-images.tar.zst"),
            ("image", "vision", vision, VISION + vision.encode(), "vision-%s-amd64.tar" % vision),
        ):
            image = Image("lab.example/vision:" + vision, "sha256:" + "a" * 64) if kind == "image" else None
            artifacts.append(Artifact(name, kind, version, "amd64", sha256(data), len(data), "/s", file_name, image))
            path = blob_path(str(self.bundle), sha256(data))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as stream:
                stream.write(data)
        (self.bundle / "bundle.json").write_text(Manifest(tuple(artifacts)).dump())

    @property
    def staging(self):
        return self.root / "state/staging"

    def run(self, check_mode=False, **args):
        args = dict({
            "bundle": str(self.bundle), "runtime": "k3s_agent", "arch": "amd64", "images": ["vision:1"],
            "bin_dir": str(self.root / "bin"), "data_dir": str(self.root / "k3s"), "state_dir": str(self.root / "state"),
        }, **args)
        task = Task()
        task.action, task.args, task.check_mode, task.async_val = "edgeai.sites.artifacts", args, check_mode, 0
        action = ActionModule(task, self.link, PlayContext(), DataLoader(), None, None)
        action._execute_module = lambda module_name, module_args, task_vars: self.execute(module_args, check_mode)
        self.calls, self.link.sent = [], []
        return action.run(task_vars={})

    def execute(self, module_args, check_mode):
        self.calls.append(module_args)
        try:
            return module.run(types.SimpleNamespace(params=dict(module_args), check_mode=check_mode))
        except BundleError as error:
            return {"failed": True, "msg": error.text()}

    def written(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*")
                      if not str(path).startswith(str(self.bundle)) and not path.is_dir())


@pytest.fixture
def site(tmp_path, monkeypatch):
    return Site(tmp_path, monkeypatch)


PLACED = ["bin/k3s", "k3s/agent/images/k3s-images.tar.zst", "k3s/agent/images/vision-1-amd64.tar", "state/artifacts.json"]


def test_first_run_then_one_call(site):
    result = site.run()
    assert result["changed"] and len(site.calls) == 2
    assert result["bytes_sent"] == len(BINARY) + len(IMAGES) + len(VISION) + 1 == sum(site.link.sent)
    assert max(site.link.sent) == PIECE_SIZE
    assert sorted(item["reason"] for item in result["placed"]) == ["absent"] * 3
    assert site.written() == PLACED
    assert (site.root / "bin/k3s").read_bytes() == BINARY
    again = site.run()
    assert not again["changed"] and len(site.calls) == 1
    assert (again["bytes_sent"], again["placed"], len(again["present"])) == (0, [], 3)
    assert again["diff"]["before"] == again["diff"]["after"]
    assert not {"requests", "staging", "damaged"} & set(again)


def test_check_mode_writes_and_sends_nothing(site):
    result = site.run(check_mode=True)
    assert result["changed"] and len(site.calls) == 1
    assert (result["bytes_sent"], result["bytes_to_send"]) == (0, len(BINARY) + len(IMAGES) + len(VISION) + 1)
    assert (site.link.sent, site.written()) == ([], [])
    assert not (site.root / "state").exists()
    assert result["diff"]["after"] == site.run()["diff"]["after"]
    assert not site.run(check_mode=True)["changed"]


def test_lost_link_costs_one_piece(site):
    site.link.breaks_at = 3
    with pytest.raises(AnsibleConnectionFailure):
        site.run()
    assert len(list(site.staging.iterdir())) == 4
    assert not (site.root / "bin").exists()
    site.link.breaks_at = None
    result = site.run()
    assert len(site.link.sent) == 2
    assert result["bytes_sent"] == sum(site.link.sent) < len(BINARY)
    assert site.written() == PLACED


def test_everything_staged_already(site):
    class Lost(Exception):
        """The second call never happens."""

    def lose(module_args, check_mode):
        if module_args.get("assemble"):
            raise Lost()
        return Site.execute(site, module_args, check_mode)
    site.execute = lose
    with pytest.raises(Lost):
        site.run()
    del site.execute
    assert site.run()["bytes_sent"] == 0
    assert site.written() == PLACED


def test_wrong_bytes_on_the_way(site, monkeypatch):
    real = Link.put_file

    def garble(self, local, remote):
        real(self, local, remote)
        with open(remote, "r+b") as stream:
            stream.write(b"garbled")
    monkeypatch.setattr(Link, "put_file", garble)
    with pytest.raises(AnsibleActionFail, match="did not arrive whole.*run again"):
        site.run()
    assert not (site.root / "bin/k3s").exists()
    monkeypatch.undo()
    site.machine = "x86_64"
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    assert site.run()["changed"]
    assert site.written() == PLACED


def test_tampered_byte_on_the_node(site):
    site.run()
    with open(site.root / "bin/k3s", "r+b") as stream:
        stream.seek(PIECE_SIZE)
        stream.write(b"X")
    result = site.run()
    assert [item["reason"] for item in result["placed"]] == ["content"]
    assert result["bytes_sent"] == len(BINARY)
    assert (site.root / "bin/k3s").read_bytes() == BINARY


def test_new_version_replaces_the_old_archive(site):
    site.run()
    site.write_bundle(vision="2")
    result = site.run(images=["vision:2"])
    assert result["removed"] == [str(site.root / "k3s/agent/images/vision-1-amd64.tar")]
    assert result["bytes_sent"] == len(VISION) + 1
    assert "k3s/agent/images/vision-1-amd64.tar" not in site.written()


@pytest.mark.parametrize("breakage, message", [
    ("tampered", "k3s in the bundle is damaged.*bundle.yml"), ("absent", "k3s is not in the bundle"),
    ("longer", "k3s in the bundle is damaged"),
])
def test_broken_bundle_sends_nothing(site, breakage, message):
    path = blob_path(str(site.bundle), sha256(BINARY))
    if breakage == "absent":
        os.unlink(path)
    else:
        with open(path, "r+b") as stream:
            stream.seek(5 if breakage == "tampered" else len(BINARY))
            stream.write(b"X")
    for check_mode in (True, False):
        with pytest.raises(AnsibleActionFail, match=message):
            site.run(check_mode=check_mode)
        assert not (site.root / "bin").exists()


def test_blob_changed_after_it_was_verified(site, monkeypatch):
    real = Link.put_file

    def swap(self, local, remote):
        real(self, local, remote)
        if os.path.basename(local) == sha256(BINARY) + ".0":
            with open(blob_path(str(site.bundle), sha256(BINARY)), "r+b") as stream:
                stream.seek(2 * PIECE_SIZE)
                stream.write(b"evil")
    monkeypatch.setattr(Link, "put_file", swap)
    with pytest.raises(AnsibleActionFail, match="changed while it was sent"):
        site.run()
    assert not (site.root / "bin").exists()


def test_wrong_architecture_of_the_host(site):
    site.machine = "aarch64"
    result = site.run()
    assert result["failed"] and "Found: machine aarch64 (arm64). Wanted: amd64" in result["msg"]
    assert site.written() == []


def test_elf_of_another_architecture(site):
    site.write_bundle(binary=b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HH", 2, 183) + bytes(100))
    with pytest.raises(AnsibleActionFail, match="another architecture. Found: arm64. Wanted: amd64"):
        site.run()
    assert site.link.sent.count(104) == 0


def test_full_disk(site, monkeypatch):
    from ansible_collections.edgeai.sites.plugins.module_utils.bundle import node_files
    monkeypatch.setattr(node_files, "device_and_free", lambda path: (1, 1 << 20, "/var/lib"))
    result = site.run()
    assert result["failed"] and "nothing was sent" in result["msg"]
    assert (site.link.sent, site.written()) == ([], [])


@pytest.mark.parametrize("args, message", [
    ({"bundle": "/nowhere"}, "no bundle at /nowhere.*bundle.yml"),
    ({"images": ["vision:9"]}, r"vision:1 \(amd64\)"),
    ({"arch": "arm64"}, "no K3s of one version for arm64"),
    ({"runtime": "kubelet"}, "value of runtime must be one of"),
    ({"imags": []}, "imags"),
])
def test_bad_arguments(site, args, message):
    with pytest.raises(Exception, match=message):
        site.run(**args)
    assert site.calls == []
