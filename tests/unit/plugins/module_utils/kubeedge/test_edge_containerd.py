# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of an edge node: drop-ins, network, images."""

from __future__ import annotations

import json

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import containerd as engine
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.containerd import Image

# As containerd 1.6 and 2.1 print them, shortened.
V2 = """disabled_plugins = []
version = 2

[plugins]

  [plugins."io.containerd.grpc.v1.cri"]
    restrict_oom_score_adj = true
    sandbox_image = "registry.k8s.io/pause:3.6"

    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""
V3 = """version = 3
disabled_plugins = []

[plugins]
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = 'registry.k8s.io/pause:3.10'

  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dir = '/opt/cni/bin'

  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'

  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    SystemdCgroup = false
"""
PAUSE = "docker.io/kubeedge/pause:3.6"


def merged(dump, text):
    """The dump as containerd would print it with the drop-in: 1.x replaces the plugin, 2.x merges."""
    if config.config_version(dump) == 2:
        return "version = 2\n[plugins]\n" + text.split("version = 2\n")[1]
    places = config.flatten(dump)
    places.update(config.flatten(text))
    lines = ["version = 3", "[plugins]"]
    for table in dict.fromkeys(table for table, _key in places if table):
        lines += ["[%s]" % table] + ["%s = %s" % (key, value) for (of, key), value in places.items() if of == table and key]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("systemd", [True, False])
@pytest.mark.parametrize(("dump", "main"), [(V2, "version = 2\n"), (V2, None), (V3, None), (V3, "version = 3\n")])
def test_drop_in(dump, main, systemd):
    (text,) = engine.drop_ins(dump, main, PAUSE, systemd, "/usr/lib/cni")
    after = merged(dump, text)
    assert engine.problems(dump, after, PAUSE, systemd, "/usr/lib/cni") == []
    assert (engine.sandbox_image(after), config.runc_systemd(after)) == (PAUSE, systemd)


def test_where_containerd_does_not_merge_all_of_the_plugin_is_repeated():
    (text,) = engine.drop_ins(V2, None, PAUSE, True, "/usr/lib/cni")
    assert "restrict_oom_score_adj = true" in text and 'conf_dir = "/etc/cni/net.d"' in text
    assert "restrict_oom_score_adj" not in engine.drop_ins(V3, None, PAUSE, True, "/usr/lib/cni")[0]


def test_a_list_of_plugin_directories():
    dump = V3.replace("bin_dir = '/opt/cni/bin'", "bin_dir = ''\n    bin_dirs = ['/opt/cni/bin']")
    (text,) = engine.drop_ins(dump, None, PAUSE, True, "/usr/lib/cni")
    assert engine.plugin_dirs(merged(dump, text)) == ["/usr/lib/cni"]


@pytest.mark.parametrize(("change", "words"), [
    (("pause:3.6", "pause:9"), "sandbox image would be docker.io/kubeedge/pause:9"),
    (("SystemdCgroup = true", "SystemdCgroup = false"), "SystemdCgroup of runc would be false, wanted true"),
    (("/usr/lib/cni", "/opt/x"), "CNI directory would be /opt/x"),
    (("restrict_oom_score_adj = true", ""), "lose what other files say: plugins.io.containerd.grpc.v1.cri.restrict_oom_score_adj"),
    (("version = 2\n", 'version = 2\ndisabled_plugins = ["cri"]\n'), "another file disables the CRI plugin"),
])
def test_what_another_file_spoils(change, words):
    (text,) = engine.drop_ins(V2, None, PAUSE, True, "/usr/lib/cni")
    problems = engine.problems(V2, merged(V2, text).replace(*change), PAUSE, True, "/usr/lib/cni")
    assert any(words in problem for problem in problems), problems


PLUGINS = set(engine.PLUGINS)


@pytest.mark.parametrize(("files", "plugins", "words"), [
    ({"10-edgeai.conflist": engine.conflist("10.244.0.0/24")}, PLUGINS, ""),
    ({"10-edgeai.conflist": engine.conflist("fd00::/64"), "99-x.conflist": "junk"}, PLUGINS, ""),
    ({"10-edgeai.conflist": engine.conflist("10.244.0.0/24"), "README": ""}, PLUGINS - {"portmap"}, "CNI plugins portmap"),
    ({"05-x.conf": json.dumps({"type": "calico", "ipam": {"type": "host-local"}})}, PLUGINS, "CNI plugins calico"),
    ({"05-x.conflist": "{", "10-edgeai.conflist": engine.conflist("10.244.0.0/24")}, PLUGINS, "05-x.conflist, which containerd would take"),
    ({"05-x.conflist": "[]"}, PLUGINS, "is no network configuration"),
    ({"README": "x"}, PLUGINS, "no network configuration in /etc/cni/net.d"),
])
def test_network(files, plugins, words):
    problem = engine.network_problem(files, plugins)
    assert words in problem if words else problem == ""


DIGEST = "sha256:" + "a" * 64
INDEX = json.dumps({"manifests": [{"digest": DIGEST, "annotations": {"io.containerd.image.name": "reg:5000/edge/vision:1"}}]})
VISION = Image("reg:5000/edge/vision:1", DIGEST)


def test_images_of_an_archive():
    assert engine.images_of(INDEX) == [VISION]
    assert VISION.pinned == "reg:5000/edge/vision@" + DIGEST
    for text in ('{"manifests": [{"digest": "x"}]}', "{}"):
        with pytest.raises(ValueError, match="names no image"):
            engine.images_of(text)


LISTED = "REF TYPE DIGEST SIZE PLATFORMS LABELS\n%s application/x %s 1.0 MiB linux/amd64 -\n%s application/x %s 1 MiB linux/amd64 -\n"


@pytest.mark.parametrize(("text", "todo"), [
    (LISTED % (VISION.name, DIGEST, VISION.pinned, DIGEST), []),
    (LISTED % (VISION.name, "sha256:" + "b" * 64, VISION.pinned, DIGEST), ["/i/v.tar"]),
    (LISTED % (VISION.name, DIGEST, "other", DIGEST), ["/i/v.tar"]),
    ("", ["/i/v.tar"]),
])
def test_what_is_imported(text, todo):
    assert engine.to_import({"/i/v.tar": [VISION]}, engine.parse_images(text)) == todo


@pytest.mark.parametrize(("name", "full"), [
    ("vision:1", "reg:5000/edge/vision:1"), ("pause:3.6", "docker.io/library/pause:3.6"), ("kubeedge/pause:3.6", PAUSE),
    ("reg.local/x/pause:1", "reg.local/x/pause:1"), ("localhost/pause:1", "localhost/pause:1")])
def test_the_pause_image_by_its_full_name(name, full):
    assert engine.chosen_pause(name, {"/i/v.tar": [VISION]}) == full


@pytest.mark.parametrize(("text", "status"), [
    ("TYPE ID PLATFORMS STATUS\nio.containerd.grpc.v1   cri   linux/amd64   ok\n", "ok"),
    ("io.containerd.grpc.v1 cri - error\n", "error"), ("io.containerd.grpc.v1 images - ok\n", ""), ("", "")])
def test_plugin_status(text, status):
    assert engine.plugin_status(text) == status
