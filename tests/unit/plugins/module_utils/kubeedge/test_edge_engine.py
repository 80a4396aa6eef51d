# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of an edge node on a host that remembers what was done to it."""

from __future__ import annotations

import io
import json
import os
import tarfile

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config
from ansible_collections.edgeai.sites.plugins.module_utils.containerd.adapters.configuration import Refused
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import containerd as engine
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.engine import Engine
from ansible_collections.edgeai.sites.plugins.module_utils.packages import tool

PAUSE = "docker.io/kubeedge/pause:3.6"
DIGEST = "sha256:" + "a" * 64
PARAMS = {"packages": ["containerd"], "package_dir": "/p", "hold": False, "image_dir": "/i", "pause_image": "pause:3.6",
          "cgroup_driver": "systemd", "pod_subnet": "10.244.0.0/24"}
DEBIAN = 'version = 2\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n    [plugins."io.containerd.grpc.v1.cri".cni]\n      bin_dir = "/usr/lib/cni"\n'
BASE = """version = 2
disabled_plugins = []
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "registry.k8s.io/pause:3.6"
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


class EdgeHost:
    """containerd 1.6, which takes the CRI plugin from the last file that names it."""

    def __init__(self, root):
        self.host = LocalHost(str(root), self.answer)
        self.ran, self.images, self.active, self.cri, self.there, self.installed = [], {}, True, "ok", True, True
        for plugin in engine.PLUGINS:
            self.write("/usr/lib/cni/" + plugin, "")
        self.write("/usr/bin/dpkg-query", "")
        self.write("/p/containerd_1.6_amd64.deb", "containerd\t1.6\tamd64\n")
        self.archive("pause-3.6-amd64.tar", PAUSE)

    def write(self, path, text):
        place = self.host.path(path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8") as stream:
            stream.write(text)

    def archive(self, name, image):
        index = json.dumps({"manifests": [{"digest": DIGEST, "annotations": {"io.containerd.image.name": image}}]}).encode()
        os.makedirs(self.host.path("/i"), exist_ok=True)
        with tarfile.open(self.host.path("/i/" + name), "w") as tar:
            for member, data in (("blobs/sha256/x", b"x" * 4096), ("index.json", index)):
                entry = tarfile.TarInfo(member)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))

    def answer(self, argv, _timeout):
        words = [word for word in argv if word != "env" and not word.startswith(("DEBIAN_FRONTEND=", "--force-"))]
        return getattr(self, "_" + words[0].replace("-", "_"))(words[1:])

    def _dpkg_query(self, _words):
        return 0, "ii \tcontainerd\t1.6\n" if self.installed else ""

    def _dpkg_deb(self, words):
        return 0, self.host.read(words[-1])

    def _dpkg(self, words):
        self.ran.append("dpkg " + words[0])
        self.installed = self.there = True
        return 0, ""

    def _containerd(self, words):
        if not self.there:
            return 127, "not found"
        if words == ["--version"]:
            return 0, "containerd 1.6"
        with open(words[1], encoding="utf-8") as stream:
            main = stream.read()
        dump = BASE
        for path in config.imports(main):
            with open(path, encoding="utf-8") as stream:
                text = stream.read()
            dump = "version = 2\ndisabled_plugins = []\n[plugins]\n" + text.split("version = 2\n")[1] if "cri" in text else dump
        return 0, dump.replace("disabled_plugins = []", config.cri_disabled(main) or "disabled_plugins = []")

    def _systemctl(self, words):
        if words[0] == "show":
            return 0, "ActiveState=%s\nUnitFileState=enabled\n" % ("active" if self.active else "inactive")
        if words[0] != "reset-failed":
            self.ran.append("systemctl " + words[0])
        self.active = True
        return 0, ""

    def _journalctl(self, _words):
        return 0, "a reason\n"

    def _ctr(self, words):
        if words[:2] == ["plugins", "ls"]:
            return 0, "io.containerd.grpc.v1 cri linux/amd64 %s\n" % self.cri
        words = words[2:]
        if words[:2] == ["images", "import"]:
            self.ran.append("import " + words[2])
            self.images[PAUSE] = DIGEST
        elif words[:2] == ["images", "tag"]:
            self.images[words[4]] = self.images[words[3]]
        return 0, "REF\n" + "".join("%s type %s 1 MiB linux/amd64 -\n" % item for item in self.images.items())

    def run(self, check_mode=False, **params):
        self.ran = []
        clock = iter(range(10000))
        one = Engine(self.host, dict(PARAMS, **params), check_mode, monotonic=lambda: next(clock), sleep=lambda _seconds: None)
        one.present()
        return one


@pytest.fixture(name="there")
def _there(tmp_path):
    host = EdgeHost(tmp_path)
    host.write(config.CONFIG, DEBIAN)
    return host


def kinds(one):
    return [action["kind"] for action in one.actions]


def test_once_and_never_again(there):
    first = there.run()
    assert kinds(first) == ["write", "write", "restart", "import"]
    assert there.ran == ["systemctl restart", "import /i/pause-3.6-amd64.tar"]
    assert first.pause_image == PAUSE
    assert there.images == {PAUSE: DIGEST, "docker.io/kubeedge/pause@" + DIGEST: DIGEST}
    again = there.run()
    assert (again.actions, again.diffs, there.ran) == ([], [], [])


def test_check_mode_predicts_and_writes_nothing(there):
    predicted = there.run(check_mode=True)
    assert kinds(predicted) == ["write", "write", "restart", "import"] and there.ran == []
    assert there.host.read(config.CONFIG) == DEBIAN and not there.host.exists(engine.DROP_IN) and not there.host.exists(engine.CONFLIST)
    assert there.run().diffs == predicted.diffs


def test_check_mode_on_a_clean_host(tmp_path):
    """The step before would have brought the packages."""
    host = EdgeHost(tmp_path)
    host.there = host.installed = False
    os.unlink(host.host.path("/p/containerd_1.6_amd64.deb"))
    assert kinds(host.run(check_mode=True)) == ["install", "write"]
    assert host.ran == []


def test_packages_come_from_files_or_the_image_of_the_host(there):
    there.installed = False
    assert kinds(there.run())[0] == "install" and "dpkg --install" in there.ran
    os.unlink(there.host.path("/p/containerd_1.6_amd64.deb"))
    assert there.run().actions == []


def test_cri_is_switched_on_and_all_else_stays(there):
    there.write(config.CONFIG, 'disabled_plugins = ["cri", "zfs"]\n' + DEBIAN)
    there.run()
    text = there.host.read(config.CONFIG)
    assert text.startswith('disabled_plugins = ["zfs"]\nversion = 2\nimports = ["%s"]\n' % engine.DROP_IN) and text.endswith(DEBIAN.partition("\n")[2])


def test_the_driver_is_what_edgecore_is_told(there):
    there.run(cgroup_driver="cgroupfs")
    assert "SystemdCgroup = false" in there.host.read(engine.DROP_IN)
    assert kinds(there.run(cgroup_driver="systemd")) == ["write", "restart"]
    assert "SystemdCgroup = true" in there.host.read(engine.DROP_IN)


def test_what_was_broken_is_repaired(there):
    there.run()
    os.unlink(there.host.path(engine.CONFLIST))
    there.images.clear()
    there.active = False
    assert kinds(there.run()) == ["write", "start", "import"]


@pytest.mark.parametrize(("breaks", "error", "words"), [
    (lambda there: there.write("/etc/cni/net.d/05-x.conflist", "{}"), Refused, "05-x.conflist, which containerd takes before"),
    (lambda there: os.unlink(there.host.path("/usr/lib/cni/portmap")), Refused, "no directory with the CNI plugins"),
    (lambda there: there.write("/i/broken.tar", "no archive"), Refused, "broken.tar is no image archive"),
    (lambda there: setattr(there, "cri", "error"), tool.Failed, r"serves no CRI after 30 s .plugin cri: error.. Its journal: a reason"),
    (lambda there: os.unlink(there.host.path("/i/pause-3.6-amd64.tar")), Refused, "no pause image docker.io/library/pause:3.6"),
])
def test_what_is_refused(there, breaks, error, words):
    breaks(there)
    with pytest.raises(error, match=words):
        there.run()


def test_a_network_of_the_host_is_left_alone(there):
    there.write("/etc/cni/net.d/05-x.conflist", "{}")
    assert "write" not in [action["kind"] for action in there.run(pod_subnet="").actions if action["target"] == engine.CONFLIST]
    assert not there.host.exists(engine.CONFLIST)
