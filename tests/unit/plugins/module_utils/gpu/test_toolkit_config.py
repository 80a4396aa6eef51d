# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""config.toml of the container runtime: what is read, what is set, what stays."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import toolkit_config as config

SHIPPED = '''#accept-nvidia-visible-devices-as-volume-mounts = false
#accept-nvidia-visible-devices-envvar-when-unprivileged = true
disable-require = false
supported-driver-capabilities = "compute,utility"   # of this site

[nvidia-container-cli]
environment = []
ldconfig = '@/sbin/ldconfig'
load-kmods = true

[nvidia-container-runtime]
#debug = "/var/log/nvidia-container-runtime.log"
log-level = "info"
  mode = "auto"  # see the manual
runtimes = [
    "runc",  # the one of K3s
    "crun",
]

[nvidia-container-runtime.modes]

[nvidia-container-runtime.modes.cdi]
annotation-prefixes = ["cdi.k8s.io/"]
retries = 3
'''


def test_values():
    assert config.read(SHIPPED) == {
        "disable-require": False, "supported-driver-capabilities": "compute,utility",
        "nvidia-container-cli.environment": [], "nvidia-container-cli.ldconfig": "@/sbin/ldconfig",
        "nvidia-container-cli.load-kmods": True, "nvidia-container-runtime.log-level": "info",
        "nvidia-container-runtime.mode": "auto", "nvidia-container-runtime.runtimes": ["runc", "crun"],
        "nvidia-container-runtime.modes.cdi.annotation-prefixes": ["cdi.k8s.io/"],
        "nvidia-container-runtime.modes.cdi.retries": 3,
    }


def test_defaults_change_three_values_and_keep_every_other_line():
    text, changes = config.apply(SHIPPED, config.defaults("dgpu"))
    assert changes == {config.MODE: ("auto", "cdi"), config.ENVVAR: (None, False), config.VOLUMES: (None, False)}
    before, after = SHIPPED.splitlines(), text.splitlines()
    assert [line for line in after if line not in before] == [
        "accept-nvidia-visible-devices-as-volume-mounts = false",
        "accept-nvidia-visible-devices-envvar-when-unprivileged = false",
        '  mode = "cdi" # see the manual',
    ]
    assert [line for line in before if line not in after] == ['  mode = "auto"  # see the manual']
    assert config.apply(text, config.defaults("dgpu")) == (text, {})


def test_tegra_takes_mounts_because_its_plugin_has_no_cdi_names():
    assert config.defaults("tegra") == {config.MODE: "csv", config.ENVVAR: False, config.VOLUMES: True}


def test_a_card_takes_mounts_where_containerd_takes_no_cdi_names():
    assert config.defaults("dgpu", volume_mounts=True) == {config.MODE: "cdi", config.ENVVAR: False, config.VOLUMES: True}


@pytest.mark.parametrize("text", ["", SHIPPED, "# only a comment\n", "[nvidia-container-runtime]\n", "[features]\n\n[z]\na = 1\n"])
def test_a_second_call_changes_nothing(text):
    wanted = dict(config.defaults("dgpu"), **{"nvidia-container-runtime.runtimes": ["runc"], "features.gdrcopy": True,
                                              "nvidia-container-runtime.modes.cdi.default-kind": "nvidia.com/gpu"})
    first, changes = config.apply(text, wanted)
    assert changes
    assert {name: config.read(first)[name] for name in wanted} == wanted
    assert config.apply(first, wanted) == (first, {})
    assert all(line in first.splitlines() for line in text.splitlines() if line.startswith("#"))
    foreign = {name: value for name, value in config.read(text).items() if name not in wanted}
    assert foreign.items() <= config.read(first).items()


def test_a_list_over_several_lines_is_replaced_whole():
    text, _changes = config.apply(SHIPPED, {"nvidia-container-runtime.runtimes": ["crun"]})
    assert 'runtimes = ["crun"]\n\n[nvidia-container-runtime.modes]' in text


def test_equal_values_in_another_spelling_are_left_alone():
    assert config.apply(SHIPPED, {"nvidia-container-cli.ldconfig": "@/sbin/ldconfig",
                                  "nvidia-container-runtime.runtimes": ["runc", "crun"]}) == (SHIPPED, {})


def test_none_removes_a_key():
    text, changes = config.apply(SHIPPED, {"disable-require": None, "swarm-resource": None})
    assert changes == {"disable-require": (False, None)}
    assert "disable-require" not in config.read(text)


def test_one_is_not_true():
    assert config.apply("disable-require = 1\n", {"disable-require": True})[0] == "disable-require = true\n"


@pytest.mark.parametrize("line, why", [
    ("[[plugins]]", "neither a table"),
    ("a.b = 1", "neither a table"),
    ("just words", "neither a table"),
    ("mode = auto", "its value is neither"),
    ("when = 2026-01-01", "its value is neither"),
    ("x = 1.5", "its value is neither"),
    ("x = {a = 1}", "its value is neither"),
    ('x = """a', "several lines"),
    ('x = "open', "text that cannot be read"),
    ("x = 'open", "without an end"),
    ('x = "a" "b"', "something follows"),
    ("x = [1, 2]", "something else than text"),
    ('x = ["a" "b"]', "something else than text"),
    ('x = ["a",', "without an end"),
    ("[nvidia-container-runtime]", "there twice"),
    ('[new]\nmode = "a"\nmode = "b"', "there twice"),
])
def test_what_cannot_be_read_is_refused_with_its_line(line, why):
    with pytest.raises(config.ConfigError, match="line %d cannot be read.*%s" % (25 + line.count("\nmode"), why)):
        config.read(SHIPPED + line + "\n")


@pytest.mark.parametrize("wanted, problem", [
    ({config.MODE: "cdi", "features.gdrcopy": True, config.ENVVAR: None}, None),
    ({"nvidia-container-runtime.moed": "cdi"}, "did you mean nvidia-container-runtime.mode?"),
    ({"mode": "cdi"}, "no such setting"),
    ({config.MODE: "gpu"}, "wanted one of auto, cdi"),
    ({config.ENVVAR: "false"}, "wanted true or false"),
    ({"nvidia-container-runtime.runtimes": "runc"}, "wanted a list of text"),
    ({"nvidia-container-runtime.runtimes": ["runc", 1]}, "wanted a list of text"),
])
def test_wishes_are_checked(wanted, problem):
    found = config.check(wanted)
    assert (found == []) if problem is None else (len(found) == 1 and problem in found[0]), found
