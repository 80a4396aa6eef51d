# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""config.yaml, unit and environment file as text."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import keys, render

TEXT = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp", "Cn"), blacklist_characters="\ufeff"))
SCALAR = st.one_of(st.booleans(), st.integers(-10**9, 10**9), TEXT)


@given(st.dictionaries(st.sampled_from(sorted(keys.KEYS)), st.one_of(SCALAR, st.lists(TEXT))))
def test_yaml_reads_back_what_was_written(config):
    assert (yaml.safe_load(render.to_yaml(config)) or {}) == config


def test_yaml_is_the_same_whatever_the_order():
    assert render.to_yaml({"b": 1, "a": [1]}) == render.to_yaml({"a": [1], "b": 1})


@pytest.mark.parametrize(("base", "extra", "expected"), [
    ({"a": 1}, {"a": 2}, {"a": 2}),
    ({"kubelet-arg": ["a=1", "b=1"]}, {"kubelet-arg": ["b=2"]}, {"kubelet-arg": ["a=1", "b=2"]}),
    ({"kubelet-arg": ["a=1"]}, {"kubelet-arg": "--a=2"}, {"kubelet-arg": ["--a=2"]}),
    ({}, {"kubelet-arg": ["x=1", "x=2"]}, {"kubelet-arg": ["x=1", "x=2"]}),
    ({"tls-san": ["b"]}, {"tls-san": ["a", "b"]}, {"tls-san": ["a", "b"]}),
    ({"disable": ["a"]}, {"disable": ["b"]}, {"disable": ["b"]}),
])
def test_merge(base, extra, expected):
    before = {key: list(value) if isinstance(value, list) else value for key, value in base.items()}
    assert render.merge(base, extra) == expected
    assert base == before


@pytest.mark.parametrize("runtime", [keys.SERVER, keys.AGENT])
def test_defaults_are_keys_that_the_node_knows(runtime):
    config = render.defaults(runtime, "n1", "10.0.0.1", "/etc/edgeai/resolv.conf", "https://10.0.0.2:6443", "api.example")
    assert set(config) <= set(keys.known(runtime))
    settable = {name: value for name, value in config.items() if name not in keys.REFUSED}
    assert keys.check_config(settable, runtime) == []


def test_the_api_host_is_in_the_certificate_unless_it_is_the_node():
    assert render.defaults(keys.SERVER, "n", "10.0.0.1", api_host="api.example")["tls-san"] == ["api.example"]
    assert "tls-san" not in render.defaults(keys.SERVER, "n", "10.0.0.1", api_host="10.0.0.1")


@pytest.mark.parametrize(("text", "value"), [
    ('token: "a\\"b"\n', 'a"b'),
    ('token: "a b" # comment\n', "a b"),
    ("token: plain # comment\n", "plain"),
    ("token: 'single'\n", "single"),
    ("x: 1\n  token: nested\n", ""),
    ("agent-token: other\n", ""),
    ('token: "broken\n', ""),
    ("", ""),
])
def test_read_scalar(text, value):
    assert render.read_scalar(text, "token") == value


def test_diff_hides_secrets_and_says_that_they_changed():
    before = render.to_yaml({"token": "first-secret", "agent-token": "same-secret", "debug": True})
    after = render.to_yaml({"token": "second-secret", "agent-token": "same-secret", "debug": True})
    shown = render.masked(after, before)
    assert "secret" not in shown
    assert "\ntoken: ******** (new value)\n" in shown
    assert "\nagent-token: ********\n" in shown
    assert "debug: true" in shown


def test_environment_values_cannot_break_out():
    assert render.environment({"A": 'x"$y\\'}).splitlines()[1] == 'A="x\\"\\$y\\\\"'


def test_environment_diff_hides_secrets():
    shown = render.masked_environment(render.environment({"HTTPS_PROXY": "http://u:p@h", "NO_PROXY_X": "y", "A": "1"}))
    assert "u:p" not in shown
    assert 'A="1"' in shown


@pytest.mark.parametrize(("runtime", "word"), [(keys.SERVER, "server"), (keys.AGENT, "agent")])
def test_unit(runtime, word):
    lines = render.unit(runtime).splitlines()
    assert "ExecStart=/usr/local/bin/k3s %s" % word in lines
    for line in ("Type=notify", "KillMode=process", "Delegate=yes", "Restart=always", "TimeoutStartSec=0"):
        assert line in lines
    record = [line for line in lines if "k3s.started" in line]
    assert len(record) == 1
    assert record[0].startswith("ExecStartPre=-")
    assert "%" not in record[0].replace("%%", "")  # systemd would read a lone % as a specifier
