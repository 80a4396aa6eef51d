# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module gpu_health as Ansible runs it, on machines with programs that answer as recorded."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import health
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.adapters import sensors
from ansible_collections.edgeai.sites.plugins.modules import gpu_health

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu import machines

XID = "[  99.1] kernel: NVRM: Xid (PCI:0000:00:06): 79, GPU has fallen off the bus.\n"
#: What journalctl says, newest line first.
JOURNAL = "".join(reversed(machines.H200_LOG.splitlines(keepends=True)))
REVERSE = " ".join(sensors.JOURNAL) + " --reverse -n 2000"


@pytest.fixture(name="machine")
def _machine(tmp_path, monkeypatch):
    host = machines.h200(tmp_path)
    journal = " ".join(sensors.JOURNAL)
    host.programs.update({f"{journal} -n 1": "[ 1.0] kernel: x\n", f"{REVERSE} -g": JOURNAL})
    monkeypatch.setattr(gpu_health, "LocalHost", lambda: host)
    return host


@pytest.fixture(name="run")
def _run(capsys, machine):
    def run(gpu="dgpu", check_mode=False):
        with patch_module_args({"gpu": gpu, "_ansible_check_mode": check_mode}), pytest.raises(SystemExit):
            gpu_health.main()
        return json.loads(capsys.readouterr().out)
    return run


def verdicts(result):
    return {row["check"]: row["verdict"] for row in result["verdicts"]}


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_healthy_card(run, machine, check_mode):
    result = run(check_mode=check_mode)
    assert (result["changed"], result["healthy"], result.get("failed"), result["gpu"]) == (False, True, None, "dgpu")
    assert set(verdicts(result).values()) == {"pass"} and len(result["verdicts"]) == 6
    assert "NVIDIA H200" in result["found"] and result["msg"].startswith(result["found"])
    assert f"nvidia-smi --query-gpu={health.SMI_QUERY} --format=csv,noheader,nounits" in machine.asked


def test_an_error_fails_and_is_named(run, machine):
    machine.programs[f"{REVERSE} -g"] = XID + JOURNAL
    result = run()
    assert result["failed"] and not result["healthy"] and verdicts(result)["gpu_errors"] == "fail"
    assert "not healthy (gpu_errors)" in result["msg"] and "Xid 79" in result["msg"] and "To do: " in result["msg"]


def test_a_card_that_is_gone(run, machine):
    for name in ("vendor", "device", "class"):
        machine.remove(f"/sys/bus/pci/devices/0000:00:06.0/{name}")
    result = run()
    assert result["failed"] and verdicts(result) == {"gpu_present": "fail"}


def test_what_cannot_be_read_is_no_failure_and_no_pass(run, machine):
    machine.programs = {key: value for key, value in machine.programs.items() if not key.startswith(("journalctl", "nvidia-smi"))}
    result = run()
    assert result["healthy"] and not result.get("failed")
    assert (verdicts(result)["gpu_errors"], verdicts(result)["gpu_temperature"]) == ("inconclusive", "inconclusive")


def test_no_right_to_read_is_a_failure_with_its_remedy(run, machine, monkeypatch):
    def refuse(_host):
        raise PermissionError(13, "Permission denied", "/proc/driver/nvidia/version")
    monkeypatch.setattr(gpu_health.evidence, "collect", refuse)
    result = run()
    assert result["failed"] and "Permission denied" in result["msg"] and "become" in result["msg"]


# --- where the readings come from ------------------------------------------------------------------------------------


def test_the_log_is_in_the_order_of_its_lines(machine):
    assert sensors.kernel_log(machine) == machines.H200_LOG
    assert [line for line in machine.asked if "--reverse" in line] == [f"{REVERSE} -g {sensors.OF_A_GPU}"]


def test_no_line_on_a_gpu_is_an_empty_log(machine):
    machine.programs[f"{REVERSE} -g"] = (1, "")
    assert sensors.kernel_log(machine) == ""


def test_journalctl_without_patterns(machine):
    machine.programs.update({f"{REVERSE} -g": (1, "Compiled without pattern matching support\n"), REVERSE: JOURNAL})
    assert sensors.kernel_log(machine) == machines.H200_LOG
    machine.programs[REVERSE] = (124, "journalctl did not end within 30 s")
    assert sensors.kernel_log(machine) is None


@pytest.mark.parametrize(("journal", "dmesg", "log"), [
    ((127, "not found"), (0, XID), XID),
    ((0, ""), (0, XID), XID),
    ((0, "\n"), (0, ""), None),
    ((1, "No journal files were found."), (127, "sh: not found"), None),
])
def test_dmesg_where_the_journal_has_no_kernel(machine, journal, dmesg, log):
    machine.programs = {"journalctl": journal, "sh -c dmesg": dmesg}
    assert sensors.kernel_log(machine) == log


def test_zones_of_a_jetson(tmp_path, monkeypatch):
    host = machines.jetson(tmp_path, "NVIDIA Jetson Orin NX", "tegra234", ("36", "4.3"), "nvidia", extra={
        "/sys/class/thermal/thermal_zone0/type": "cpu-thermal\n", "/sys/class/thermal/thermal_zone0/temp": "51000\n",
        "/sys/class/thermal/thermal_zone1/type": "gpu-thermal\n", "/sys/class/thermal/thermal_zone1/temp": "48500\n",
        "/sys/class/thermal/cooling_device0/type": "gpu-fan\n"})
    assert sensors.readings(host, "tegra") == [health.Reading("gpu-thermal", celsius=48.5)]
    read = host.read

    def off(path, limit=0):
        if path.endswith("temp"):
            raise OSError(11, "Resource temporarily unavailable", path)
        return read(path, limit)

    monkeypatch.setattr(host, "read", off)
    assert sensors.readings(host, "tegra") == []


def test_nvidia_smi_that_is_missing_or_fails(machine):
    machine.programs["nvidia-smi --query-gpu="] = (9, "NVIDIA-SMI has failed\n")
    assert sensors.readings(machine, "dgpu") is None
    del machine.programs["nvidia-smi --query-gpu="]
    assert sensors.readings(machine, "dgpu") is None
