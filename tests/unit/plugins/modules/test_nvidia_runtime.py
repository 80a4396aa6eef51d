# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of the NVIDIA runtime, as Ansible runs them."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import containerd, toolkit_config
from ansible_collections.edgeai.sites.plugins.modules import containerd_nvidia, nvidia_runtime, nvidia_toolkit_config

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu import gpu_host
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu.test_engine import Engine


@pytest.fixture
def run(capsys):
    """Run a module and return its result."""
    def run_module(module, check_mode=False, **params):
        with patch_module_args(dict(params, _ansible_check_mode=check_mode, _ansible_diff=True)), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)
    return run_module


# --- nvidia_toolkit_config -------------------------------------------------------------------------------------------


def test_config_is_written_once(run, tmp_path):
    path = tmp_path / "etc" / "config.toml"
    predicted = run(nvidia_toolkit_config, True, gpu="dgpu", path=str(path))
    assert predicted["changed"] and not path.parent.exists()
    first = run(nvidia_toolkit_config, gpu="dgpu", path=str(path))
    assert first["changes"] == predicted["changes"]
    assert first["changes"][toolkit_config.MODE] == {"before": None, "after": "cdi"}
    assert first["diff"][0]["after"] == path.read_text() and path.stat().st_mode & 0o777 == 0o644
    second = run(nvidia_toolkit_config, gpu="dgpu", path=str(path))
    assert (second["changed"], second["diff"], second["changes"]) == (False, [], {})


def test_settings_win_over_the_defaults(run, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("# ours\n[nvidia-container-runtime]\nmode = \"auto\"\n")
    run(nvidia_toolkit_config, gpu="tegra", path=str(path),
        settings={toolkit_config.MODE: "auto", "nvidia-container-runtime.log-level": "debug", toolkit_config.VOLUMES: None})
    assert toolkit_config.read(path.read_text()) == {
        toolkit_config.ENVVAR: False, toolkit_config.MODE: "auto", "nvidia-container-runtime.log-level": "debug"}
    assert "# ours" in path.read_text()


@pytest.mark.parametrize(("text", "settings", "message"), [
    ("", {"mode": "cdi"}, "nvidia_runtime_config: mode: the toolkit has no such setting"),
    ("a = {}\n", {}, "line 1 cannot be read"),
])
def test_config_that_cannot_be_set(run, tmp_path, text, settings, message):
    path = tmp_path / "config.toml"
    path.write_text(text)
    result = run(nvidia_toolkit_config, gpu="dgpu", path=str(path), settings=settings)
    assert result["failed"] and message in result["msg"]
    assert path.read_text() == text


def test_config_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("")
    result = run(nvidia_toolkit_config, gpu="dgpu", path=str(tmp_path / "file" / "config.toml"))
    assert result["failed"] and "could not be written" in result["msg"]


# --- nvidia_runtime --------------------------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = gpu_host.card(tmp_path)
    monkeypatch.setattr(nvidia_runtime, "LocalHost", lambda: host.machine)
    return host


def test_runtime(run, host):
    predicted = run(nvidia_runtime, True, gpu="dgpu")
    assert (predicted["changed"], predicted["runtime_changed"], host.installed) == (True, True, {})
    first = run(nvidia_runtime, gpu="dgpu")
    assert (first["changed"], first["runtime_changed"], first["reboot_reasons"]) == (True, True, [])
    assert [action["kind"] for action in first["actions"]][0] == "install" and first["diff"]
    second = run(nvidia_runtime, gpu="dgpu")
    assert (second["changed"], second["runtime_changed"], second["actions"], second["diff"]) == (False, False, [], [])
    gone = run(nvidia_runtime, gpu="dgpu", state="absent")
    assert (gone["changed"], gone["runtime_changed"], host.installed) == (True, True, {})


def test_refusal_has_its_verdicts(run, host):
    result = run(nvidia_runtime, gpu="tegra")
    assert result["failed"] and result["msg"].startswith("The NVIDIA runtime is refused: Found: ")
    assert [verdict["verdict"] for verdict in result["verdicts"]] == ["fail"]


def test_failure_says_what_was_done(run, host):
    host.fails["apt-mark hold"] = (100, "E: held\n")
    result = run(nvidia_runtime, gpu="dgpu")
    assert result["failed"] and result["changed"] and "E: held" in result["msg"]
    assert [action["kind"] for action in result["actions"]] == ["install"]


def test_warnings_are_shown(run, host, monkeypatch):
    shown = []
    monkeypatch.setattr(nvidia_runtime.AnsibleModule, "warn", lambda module, text: shown.append(text))
    host.machine.write("/etc/apt/sources.list.d/nvidia-docker.list", "")
    assert not run(nvidia_runtime, gpu="dgpu").get("failed")
    assert [text.partition(":")[0] for text in shown] == ["old package sources"]


# --- containerd_nvidia -----------------------------------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path, monkeypatch):
    engine = Engine(tmp_path)
    engine.started = 10**9
    monkeypatch.setattr(containerd_nvidia, "LocalHost", lambda: engine.host)
    return engine


def test_containerd(run, engine):
    predicted = run(containerd_nvidia, True)
    first = run(containerd_nvidia)
    assert (predicted["changed"], first["restart_reasons"]) == (True, predicted["restart_reasons"])
    assert [part["after_header"] for part in first["diff"]] == [containerd.PATH, config.CONFIG]
    second = run(containerd_nvidia)
    assert (second["changed"], second["diff"], second["restart_reasons"]) == (False, [], [])
    assert run(containerd_nvidia, state="absent")["restart_reasons"] == ["the NVIDIA runtime is to be removed"]


def test_containerd_that_is_refused(run, engine):
    engine.refuses = {True: (1, "bad")}
    result = run(containerd_nvidia)
    assert result["failed"] and result["msg"].startswith("The NVIDIA runtime in containerd is refused: Nothing was written")


def test_containerd_that_cannot_be_written(run, engine):
    engine.write("/etc/containerd", "")
    assert "could not be brought" in run(containerd_nvidia)["msg"]


def test_containerd_warns_of_two_cgroup_drivers(run, engine, monkeypatch):
    shown = []
    monkeypatch.setattr(containerd_nvidia.AnsibleModule, "warn", lambda module, text: shown.append(text))
    monkeypatch.setattr(config, "wants_systemd", lambda dump, text: not config.runc_systemd(dump))
    engine.systemd = "true"
    run(containerd_nvidia)
    assert len(shown) == 1 and "the NVIDIA runtime follows EdgeCore" in shown[0]


def test_absent_names_the_pods(run, host):
    run(nvidia_runtime, gpu="dgpu")
    host.machine.write("/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/c1/runtime", "/usr/bin/nvidia-container-runtime")
    result = run(nvidia_runtime, gpu="dgpu", state="absent")
    assert result["failed"] and "1 pods run through NVIDIA's runtime" in result["msg"] and host.installed
