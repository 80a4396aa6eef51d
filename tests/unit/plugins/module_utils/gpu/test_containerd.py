# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins for a containerd of the host, and what its dumps say."""
from __future__ import annotations

import json

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import containerd

# As containerd 1.6 and 2.1 print them, shortened.
V2 = """disabled_plugins = []
imports = ["config.toml"]
version = 2

[plugins]

  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "localhost/pause:1"

    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "runc"
      snapshotter = "overlayfs"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes]

        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
          runtime_type = "io.containerd.runc.v2"

          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
            SystemdCgroup = true

  [plugins."io.containerd.internal.v1.opt"]
    path = "/opt/containerd"
"""
V3 = """version = 3
disabled_plugins = []
imports = []

[plugins]
  [plugins.'io.containerd.cri.v1.runtime']
    enable_cdi = true

    [plugins.'io.containerd.cri.v1.runtime'.containerd]
      default_runtime_name = 'runc'

      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes]
        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
          runtime_type = 'io.containerd.runc.v2'

          [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
            SystemdCgroup = false
"""


@pytest.mark.parametrize("systemd", [True, False])
@pytest.mark.parametrize("dump, version", [(V2, 2), (V3, 3)])
def test_drop_in(dump, version, systemd):
    (text,) = containerd.drop_ins(dump, None, systemd)
    assert config.config_version(text) == version and config.has_runtime(text)
    assert text.count("default_runtime_name") == 1 and 'default_runtime_name = "nvidia"' in text
    assert text.endswith("  SystemdCgroup = %s\n" % str(systemd).lower())


def test_a_drop_in_of_version_2_repeats_the_plugin_and_nothing_else():
    """containerd 1.x replaces the section; other plugins stay as they are."""
    (text,) = containerd.drop_ins(V2, "version = 2\n", True)
    for part in ('sandbox_image = "localhost/pause:1"', 'snapshotter = "overlayfs"', ".runtimes.runc.options]"):
        assert part in text
    assert "io.containerd.internal.v1.opt" not in text
    assert "enable_cdi" not in containerd.drop_ins(V3, None, True)[0]


@pytest.mark.parametrize("main, versions", [
    (None, [3]), ("", [3]), ("version = 3\n", [3]), ("# version = 2\n[x]\nversion = 2\n", [3]), ("a = 1\nversion = 2 # two\n", [2, 3])])
def test_version_3_beside_a_main_file(main, versions):
    """containerd 2.1 loses the CNI directory of a main file of version 2 when a drop-in has version 3."""
    texts = containerd.drop_ins(V3, main, True)
    assert [config.config_version(text) for text in texts] == versions
    assert all("runc" not in text.replace("runc.v2", "") and 'default_runtime_name = "nvidia"' in text for text in texts)


def test_a_drop_in_made_from_its_own_outcome_is_the_same():
    own = V2.replace('"runc"\n', '"nvidia"\n') + (
        "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia]\n  runtime_type = \"x\"\n")
    assert containerd.drop_ins(own, None, True) == containerd.drop_ins(V2, None, True)


def test_other_versions_are_refused():
    with pytest.raises(config.ContainerdError, match="found configuration version 0"):
        containerd.drop_ins("", None, True)


@pytest.mark.parametrize("text, found", [
    ("[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'nvidia']\n", True),
    ('[plugins."io.containerd.grpc.v1.cri".containerd.runtimes."nvidia"]\n', True),
    ("[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nvidia]\n", True),
    ("[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'nvidia-cdi']\n", False),
    ("# [plugins.x.containerd.runtimes.nvidia]\n", False),
    ("[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n", False),
    ("", False),
])
def test_whether_a_configuration_knows_the_runtime(text, found):
    """As K3s 1.36 writes it (first case), as older ones did, and what only looks like it."""
    assert config.has_runtime(text) == found
    assert config.config_version(text) == 0


@pytest.mark.parametrize("edgecore, dump, systemd", [
    (None, V2, True),
    (None, V3, False),
    ("modules:\n  edged:\n    tailoredKubeletConfig:\n      cgroupDriver: cgroupfs\n", V2, False),
    ('      cgroupDriver: "systemd"\n', V3, True),
    ("modules: {}\n", V2, True),
])
def test_cgroups(edgecore, dump, systemd):
    assert config.wants_systemd(dump, edgecore) == systemd


def _after(dump, systemd="false"):
    """What containerd 2.x makes of V3 with the drop-in."""
    table = "plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nvidia"
    return dump.replace("'runc'", "'nvidia'") + (
        "[%s]\n runtime_type = 'io.containerd.runc.v2'\n[%s.options]\n BinaryName = '%s'\n SystemdCgroup = %s\n"
        % (table, table, containerd.BINARY, systemd))


@pytest.mark.parametrize("after, words", [
    (_after(V3), []),
    (_after(V3, "true"), ["SystemdCgroup would be true, wanted false"]),
    (V3, ["default_runtime_name would be runc", "runtime_type would be nothing", "BinaryName", "SystemdCgroup"]),
    (_after(V3).replace("enable_cdi = true", "enable_cdi = false"), ["it would lose what other files say: plugins.io"]),
    (_after(V3).replace("[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]", "[x]"), ["lose"]),
    (_after(V3).replace("disabled_plugins = []", 'disabled_plugins = ["cri"]'), ["no kubelet can use it"]),
])
def test_problems(after, words):
    found = containerd.problems(V3, after, False)
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found))


@pytest.mark.parametrize("runtime, config, pod", [
    ("/usr/bin/nvidia-container-runtime", {"io.kubernetes.cri.sandbox-name": "p", "io.kubernetes.cri.sandbox-namespace": "n"}, "n/p"),
    ("/usr/bin/nvidia-container-runtime\n", {}, "a container without a pod"),
    ("/usr/bin/nvidia-container-runtime", None, "a container without a pod"),
    ("", {"io.kubernetes.cri.sandbox-name": "p"}, ""),
    ("runc", {}, ""),
    (None, {}, ""),
])
def test_pods(runtime, config, pod):
    assert containerd.pod_of(runtime, "{" if config is None else json.dumps({"annotations": config})) == pod
