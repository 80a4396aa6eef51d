# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVIDIA runtime in a containerd: what is written, when, and what is refused with nothing written."""
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import containerd
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.adapters import engine
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu.test_containerd import V3, _after

DEBIAN = 'version = 2\n\n[plugins]\n  [plugins."io.containerd.internal.v1.opt"]\n    path = "/opt"\n'
TASK = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/c1"


class Engine:
    """A containerd 2.x that knows the drop-in when it imports it, and can be told what to answer."""

    def __init__(self, root):
        self.host = LocalHost(str(root), self.answer)
        self.refuses, self.state, self.dumps, self.wins = {}, "active", [], False
        self.started, self.clock, self.systemd = 0, 1000.0, "false"
        self.write(containerd.BINARY, "")

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.host.path(path)), exist_ok=True)
        with open(self.host.path(path), "w", encoding="utf-8") as stream:
            stream.write(text)

    def answer(self, argv, timeout):
        if argv[0] == "systemctl":
            return 0, "ActiveState=%s\nActiveEnterTimestampMonotonic=%d\n" % (self.state, self.started * 1e6)
        with open(argv[2], encoding="utf-8") as stream:
            paths = config.imports(stream.read())
        self.dumps.append(paths)
        ours = any(os.path.getsize(path) and path.endswith("nvidia.toml") for path in paths)
        if ours in self.refuses:
            return self.refuses[ours]
        return 0, 'time="now" level=warning msg="%d"\n' % len(self.dumps) + (_after(V3, self.systemd) if ours and not self.wins else V3)

    def run(self, state="present", check_mode=False):
        one = engine.Containerd(self.host, check_mode, lambda: self.clock)
        getattr(one, state)()
        return one


@pytest.fixture
def there(tmp_path):
    return Engine(tmp_path)


def test_once_and_away_again(there):
    there.write(config.CONFIG, DEBIAN)
    predicted = there.run(check_mode=True)
    assert predicted.restart_reasons and there.host.read(config.CONFIG) == DEBIAN and not there.host.exists(containerd.PATH)
    first = there.run()
    assert first.diffs == predicted.diffs and first.restart_reasons == ["its configuration knows the NVIDIA runtime now"]
    assert there.host.mode(containerd.PATH) == 0o600
    there.started = there.clock
    assert (there.run().restart_reasons, there.run().diffs) == ([], [])
    there.run("absent", check_mode=True)
    assert there.host.exists(containerd.PATH)
    assert there.run("absent").restart_reasons == ["the NVIDIA runtime is to be removed"]
    assert there.host.read(config.CONFIG) == DEBIAN and not there.host.exists(containerd.PATH)
    assert there.run("absent").restart_reasons == []


def test_a_file_that_was_not_there_goes_again(there):
    there.run()
    assert there.host.read(config.CONFIG) == config.created(3, containerd.PATH)
    there.run("absent")
    assert not there.host.exists(config.CONFIG)


def test_other_imports_are_looked_at_in_their_order(there):
    there.write(config.CONFIG, "version = 3\nimports = ['conf.d/*.toml']\n")
    for name in ("10-a", "90-b"):
        there.write("/etc/containerd/conf.d/%s.toml" % name, "x = 1\n")
    there.run()
    assert [[os.path.basename(path) for path in paths] for paths in there.dumps] == [
        ["10-a.toml", "90-b.toml"], ["10-a.toml", "50-edgeai-nvidia.toml", "90-b.toml"]]
    assert there.host.read(config.CONFIG) == "version = 3\nimports = ['conf.d/*.toml']\n"
    there.run()
    assert there.dumps[2:] and len(there.dumps[2]) == 2, "our file is not part of what it is made from"


def test_a_restart_that_was_missed_is_made_up_for(there):
    there.run()
    there.started = 1
    os.utime(there.host.path(containerd.PATH), (there.host.now() - 10,) * 2)
    assert there.run().restart_reasons == ["it runs since before its configuration was written"]
    there.started = 995
    assert there.run().restart_reasons == []
    there.started, there.state = 1, "inactive"
    assert there.run().restart_reasons == []


@pytest.mark.parametrize("answers, message", [
    ({False: (1, "x\ncontainerd: bad (2, 2)\n")}, "its configuration as it is; correct it first: x / containerd: bad"),
    ({True: (1, "containerd: unsupported config version")}, "the configuration that is wanted: containerd: unsupported"),
])
@pytest.mark.parametrize("check_mode", [True, False])
def test_what_containerd_refuses_is_not_written(there, answers, message, check_mode):
    there.write(config.CONFIG, DEBIAN)
    there.refuses = answers
    with pytest.raises(engine.Refused) as refused:
        there.run(check_mode=check_mode)
    assert message in str(refused.value)
    assert there.host.read(config.CONFIG) == DEBIAN and not there.host.exists(containerd.PATH)


def test_a_host_without_containerd(there):
    there.refuses = {False: (127, "")}
    assert there.run(check_mode=True).restart_reasons
    with pytest.raises(engine.Refused, match="Found: no containerd on this host"):
        there.run()
    assert not there.host.exists(config.CONFIG) and not there.host.exists(containerd.PATH)


def test_another_file_that_wins(there):
    there.wins = True
    with pytest.raises(engine.Refused, match="default_runtime_name would be runc, wanted nvidia: a file that is imported later"):
        there.run()
    assert not there.host.exists(config.CONFIG)


def test_without_the_program(there):
    os.unlink(there.host.path(containerd.BINARY))
    assert there.run(check_mode=True).restart_reasons
    with pytest.raises(engine.Refused, match="Remedy: run the module nvidia_runtime first"):
        there.run()


def test_edgecore_decides_about_cgroups(there):
    there.write(engine.EDGECORE, "    cgroupDriver: systemd\n")
    with pytest.raises(engine.Refused, match="SystemdCgroup would be false, wanted true"):
        there.run()


def test_it_stays_while_pods_need_it(there):
    there.run()
    there.write(TASK + "/runtime", containerd.BINARY)
    there.write(TASK + "/config.json", json.dumps({"annotations": {
        "io.kubernetes.cri.sandbox-namespace": "vision", "io.kubernetes.cri.sandbox-name": "line-a"}}))
    with pytest.raises(engine.Refused, match="1 pods run through NVIDIA's runtime: vision/line-a"):
        there.run("absent")
    assert there.host.exists(containerd.PATH)
    there.write(TASK + "/init.pid", "4711")
    assert engine.pods_in_use(there.host) == [], "a process that is gone"
    there.write("/proc/4711/status", "")
    assert engine.pods_in_use(there.host) == ["vision/line-a"]
    there.write(TASK + "/runtime", "runc")
    there.run("absent")
    assert not there.host.exists(containerd.PATH)
