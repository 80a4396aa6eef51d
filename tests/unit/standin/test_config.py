# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""config.yaml, its drop-ins and the command line."""

from __future__ import annotations

import pytest
import yaml
from k3s_standin import config


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes config.yaml and drop-ins; returns nothing. K3s reads them by K3S_CONFIG_FILE."""
    path = tmp_path / "config.yaml"
    monkeypatch.setenv("K3S_CONFIG_FILE", str(path))
    for name in ("K3S_TOKEN", "K3S_URL"):
        monkeypatch.delenv(name, raising=False)

    def put(text, **drop_ins):
        path.write_text(text)
        folder = tmp_path / "config.yaml.d"
        folder.mkdir()
        for name, content in drop_ins.items():
            (folder / f"{name}.yaml").write_text(content)
    return put


def test_values_by_kind(write):
    write('token: t\nnode-label: ["a=b", "c=d"]\ndisable-helm-controller: true\nkubelet-arg: x=1\n')
    settings = config.settings_for("server", ["--tls-san", "one,two", "--flannel-backend=host-gw"])
    assert (settings.text("token"), settings.many("node-label")) == ("t", ["a=b", "c=d"])
    assert settings.flag("disable-helm-controller") and settings.many("tls-san") == ["one", "two"]
    assert settings.kubelet_arguments() == {"x": "1"} and settings.text("flannel-backend") == "host-gw"


def test_drop_ins_replace_or_append(write):
    write("node-label: [a=1]\ndisable: [traefik]\n", **{"10-x": "node-label+: [b=2]\n", "20-y": "disable: [coredns]\n"})
    settings = config.settings_for("server", [])
    assert (settings.many("node-label"), settings.many("disable")) == (["a=1", "b=2"], ["coredns"])


def test_command_line_wins_over_the_file(write):
    write("token: from-file\n")
    assert config.settings_for("agent", ["-t", "from-words"]).text("token") == "from-words"


def test_file_wins_over_the_environment(write, monkeypatch):
    write("token: from-file\n")
    monkeypatch.setenv("K3S_TOKEN", "from-environment")
    monkeypatch.setenv("K3S_URL", "https://x:6443")
    settings = config.settings_for("agent", [])
    assert (settings.text("token"), settings.text("server")) == ("from-file", "https://x:6443")


@pytest.mark.parametrize("key", ["no-such-key", "tls-san", "disable"])
def test_agent_dies_on_keys_that_are_not_its_own(write, key):
    write(f"{key}: true\n")
    with pytest.raises(config.UsageError, match=f"flag provided but not defined: -{key}"):
        config.settings_for("agent", [])


def test_server_drops_unknown_keys_and_says_so_per_value(write, capsys):
    write("no-such-key: true\nother: [1, 2]\nlb-server-port: 6444\n")
    config.settings_for("server", [])
    lines = capsys.readouterr().err.splitlines()
    assert [line.split('msg=')[1] for line in lines] == [
        r'"Unknown flag --no-such-key found in config.yaml, skipping\n"',
        r'"Unknown flag --other found in config.yaml, skipping\n"',
        r'"Unknown flag --other found in config.yaml, skipping\n"']


def test_node_args_hide_the_token(write):
    write("token: secret-word\nserver: https://x:6443\n")
    assert config.settings_for("agent", []).arguments == ["agent", "--token", "********", "--server", "https://x:6443"]


@pytest.mark.parametrize("text, expected", [
    ("token: x\n  bad yaml: [\n", "yaml: line 2: mapping values are not allowed in this context"),
    ("mirrors:\n  docker.io:\n    endpoint: [unclosed\n", "yaml: line 3: did not find expected ',' or ']'"),
    ("mirrors:\n  docker.io: [unclosed\n", "yaml: line 2: did not find expected ',' or ']'"),
])
def test_yaml_problems_in_the_words_of_go(text, expected):
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.safe_load(text)
    assert config.yaml_problem(caught.value) == expected
