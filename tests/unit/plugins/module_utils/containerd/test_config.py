# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main file of containerd's configuration, and what a dump of it says."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config

PATH = "/etc/containerd/conf.d/50-edgeai-nvidia.toml"
EARLIER = "/etc/containerd/conf.d/40-edgeai-edgecore.toml"
MINE = '"%s"' % PATH
CRI = """version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    restrict_oom_score_adj = true
    sandbox_image = "registry.k8s.io/pause:3.6"

    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"

  [plugins."io.containerd.internal.v1.opt"]
    path = "/opt"
"""


@pytest.mark.parametrize("text, items", [
    ("", []),
    ("version = 2\nimports = []\n", []),
    ("imports = ['a.toml', \"/x/*.toml\"]\n", ["/etc/containerd/a.toml", "/x/*.toml"]),
    ("imports = [\n  # '/no'\n  '/x/[ab].toml', # one\n]\n[plugins]\n", ["/x/[ab].toml"]),
    ("[plugins]\nimports = ['/x']\n", []),
])
def test_imports(text, items):
    assert config.imports(text) == items


@pytest.mark.parametrize("before, after", [
    ("", "imports = [%s]\n" % MINE),
    ("# ours\n[plugins]\n  a = 1\n", "imports = [%s]\n# ours\n[plugins]\n  a = 1\n" % MINE),
    ("version = 2 # two\n\n[plugins]\n", "version = 2 # two\nimports = [%s]\n\n[plugins]\n" % MINE),
    ("version = 2", "version = 2\nimports = [%s]\n" % MINE),
    ("imports = []\nversion = 3\n", "imports = [%s]\nversion = 3\n" % MINE),
    ("imports = ['/x/*.toml',] # keep\n", "imports = ['/x/*.toml', %s,] # keep\n" % MINE),
    ("imports = [\n  '/x', # '/y'\n]\n", "imports = [\n  '/x', %s, # '/y'\n]\n" % MINE),
    ("imports = ['conf.d/*.toml']\n", "imports = ['conf.d/*.toml']\n"),
    ("imports = [%s]\n" % MINE, "imports = [%s]\n" % MINE),
])
def test_with_import(before, after):
    assert config.with_import(before, PATH) == after
    assert config.with_import(after, PATH) == after
    assert any(item in (PATH, "/etc/containerd/conf.d/*.toml") for item in config.imports(after))


@pytest.mark.parametrize("text", ["", "version = 2\n[plugins]\n", "imports = ['/x/*.toml']\n", "imports = ['conf.d/*.toml']\n", "# c\na = 1\n"])
def test_there_and_back(text):
    assert config.without_import(config.with_import(text, PATH), PATH) == text
    assert config.without_import(text, PATH) == text


def test_a_look_at_other_imports():
    assert config.with_imports("version = 2\nimports = ['a']\n[x]\n", ["/b"]) == "version = 2\nimports = [\"/b\"]\n[x]\n"
    assert config.with_imports("[x]\n", []) == "imports = []\n[x]\n"


def test_passwords_are_not_shown():
    text = 'a = 1\n    password = "secret"\n    auth = "c2VjcmV0"\n    auths = 1\n'
    assert config.shown(text) == 'a = 1\n    password = "***"\n    auth = "***"\n    auths = 1\n'


@pytest.mark.parametrize("first, second", [(EARLIER, PATH), (PATH, EARLIER)])
def test_imports_are_in_the_order_of_their_names(first, second):
    """Later files win, whichever role came first."""
    text = config.with_import(config.with_import("version = 2\nimports = ['/x/z.toml']\n", first), second)
    assert config.imports(text) == ["/x/z.toml", EARLIER, PATH]
    assert config.without_import(config.without_import(text, first), second) == "version = 2\nimports = ['/x/z.toml']\n"


def test_a_section_with_settings():
    lines = config.section(CRI, {"": {"sandbox_image": '"p:1"'}, "containerd": {"x": "1"}})
    assert lines == [
        "[plugins.\"io.containerd.grpc.v1.cri\"]", '  sandbox_image = "p:1"', "  restrict_oom_score_adj = true",
        "  [plugins.\"io.containerd.grpc.v1.cri\".cni]", '    bin_dir = "/usr/lib/cni"',
        "", "[plugins.'io.containerd.grpc.v1.cri'.containerd]", "  x = 1"]


@pytest.mark.parametrize("text, disabled, after", [
    ('disabled_plugins = ["cri"]\n[x]\n', 'disabled_plugins = ["cri"]', "disabled_plugins = []\n[x]\n"),
    ("version = 2\ndisabled_plugins = ['aufs', 'io.containerd.grpc.v1.cri']\n",
     "disabled_plugins = ['aufs', 'io.containerd.grpc.v1.cri']", "version = 2\ndisabled_plugins = ['aufs']\n"),
    ('disabled_plugins = [\n  "cri", # docker\n  "zfs"\n]\n', 'disabled_plugins = [ "cri", # docker "zfs" ]', 'disabled_plugins = ["zfs"]\n'),
    ('disabled_plugins = ["crio"]\n', "", 'disabled_plugins = ["crio"]\n'),
    ("disabled_plugins = []\n", "", "disabled_plugins = []\n"),
    ("", "", ""),
])
def test_a_disabled_cri(text, disabled, after):
    assert config.cri_disabled(text) == disabled
    assert config.with_cri(text) == after
    assert config.cri_disabled(after) == ""
