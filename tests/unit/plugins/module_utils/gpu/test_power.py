# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power mode and clocks of a Jetson: what its programs say, and what is done about it."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import power
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.adapters import runtime
from ansible_collections.edgeai.sites.plugins.module_utils.packages import tool

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu import machines
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu.gpu_host import GpuHost

CONF = """# comment
< PARAM TYPE=FILE NAME=CPU_ONLINE >
< POWER_MODEL ID=0 NAME=MAXN >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=MODE_15W >
< POWER_MODEL ID=2 NAME=30W >
< PM_CONFIG DEFAULT=2 >
"""
SHOW = """SOC family:tegra234  Machine:NVIDIA Jetson AGX Orin Developer Kit
Online CPUs: 0-1
cpu0:  Online=1 Governor=schedutil MinFreq=%s MaxFreq=2201600 CurrentFreq=1113600 IdleStates: WFI=1 c7=1
cpu1:  Online=1 Governor=schedutil MinFreq=%s MaxFreq=2201600 CurrentFreq=1113600 IdleStates: WFI=1 c7=1
GPU MinFreq=%s MaxFreq=1300500000 CurrentFreq=306000000
EMC MinFreq=204000000 MaxFreq=3199000000 CurrentFreq=3199000000 FreqOverride=0
"""
FREE, LOCKED = SHOW % ("729600", "729600", "306000000"), SHOW % ("2201600", "2201600", "1300500000")
REBOOT = "NVPM WARN: Reboot required for changing to this power mode: 0\nNVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:\n"


@pytest.mark.parametrize("text, mode", [
    ("NV Power Mode: MAXN\n0\n", ("0", "MAXN")),
    ("NV Fan Mode:quiet\nNV Power Mode: MODE_15W\n2\n", ("2", "15W")),
    ("NVPM WARN: fan mode is not set!\nNV Power Mode: 30W\n 2 \n", ("2", "30W")),
    ("NVPM VERB: NV Power Mode: 10W\n1\n", ("1", "10W")),
    ("NV Power Mode: MAXN\n", None),
    ("0\n", None),
    ("NVPM ERROR: failed to read PARAM GPU: ARG GPU_POWER_CONTROL_ENABLE\n", None),
    ("", None),
])
def test_current_mode(text, mode):
    assert power.current_mode(text) == mode


def test_modes():
    assert power.modes(CONF) == [("0", "MAXN"), ("1", "15W"), ("2", "30W")]
    assert power.modes(None) == []


@pytest.mark.parametrize("wanted, number", [("0", "0"), (2, "2"), ("maxn", "0"), ("15W", "1"), ("MODE_30W", "2")])
def test_a_mode_by_number_or_name(wanted, number):
    assert power.find_mode(wanted, power.modes(CONF)).number == number


@pytest.mark.parametrize("wanted, known, words", [
    ("3", CONF, r"found nvidia_runtime_nvpmodel_mode: 3, .*: 0 \(MAXN\), 1 \(15W\), 2 \(30W\)"), ("MAXN", None, "a number, as /etc/nvpmodel.conf")])
def test_no_such_mode(wanted, known, words):
    with pytest.raises(power.PowerError, match=words):
        power.find_mode(wanted, power.modes(known))


def test_a_number_needs_no_list():
    assert power.find_mode("3", []) == ("3", "")


@pytest.mark.parametrize("text, locked", [
    (FREE, False), (LOCKED, True), (SHOW % ("2201600", "729600", "1300500000"), False), (SHOW % ("2201600", "2201600", "1"), False),
    ("Error: permission denied\n", None), ("EMC MinFreq=1 MaxFreq=1\n", None)])
def test_clocks(text, locked):
    """The memory's lowest speed stays low in some releases, so it does not count."""
    assert power.clocks_locked(text) == locked


class Jetson(GpuHost):
    """With nvpmodel and jetson_clocks; ``asks`` are numbers of modes that want a reboot."""

    def __init__(self, root):
        machine = machines.jetson(root, "NVIDIA Jetson AGX Orin", "tegra234", ("36", "4.3"))
        machine.write(f"{machines.CSV}/drivers.csv", f"lib, {machines.ARM_LIBRARIES}/tegra/libcuda.so.1.1\ndev, /dev/nvmap*\n")
        machine.write("/dev/nvmap", "")
        machine.write(power.NVPMODEL_CONF, CONF)
        super().__init__(machine)
        self.mode, self.asks, self.clocks, self.missing = "2", (), FREE, ()
        super().run(gpu="tegra")

    def answer(self, argv, timeout):
        return (127, "") if argv[0] in self.missing else super().answer(argv, timeout)

    def run(self, check_mode=False, **params):
        return super().run(check_mode, gpu="tegra", **params)

    def _nvpmodel(self, words):
        if words[0] == "-q":
            return 0, "NV Power Mode: %s\n%s\n" % (dict(power.modes(CONF))[self.mode], self.mode)
        self.ran.append("nvpmodel " + " ".join(words))
        if words[1] in self.asks:
            return 255, REBOOT
        self.mode = words[1]
        return 0, ""

    def _jetson_clocks(self, words):
        if words == ["--show"]:
            return 0, self.clocks
        self.ran.append("jetson_clocks " + " ".join(words))
        if words[:1] == ["--store"]:
            self.machine.write(words[1], "stored")
        else:
            self.clocks = FREE if words else LOCKED
        return 0, ""


@pytest.fixture
def jetson(tmp_path):
    return Jetson(tmp_path)


def test_nothing_is_asked_where_nothing_is_wanted(jetson):
    jetson.missing = ("nvpmodel", "jetson_clocks")
    assert jetson.kinds() == []


def test_a_mode_is_set_once(jetson):
    assert jetson.kinds(True, nvpmodel_mode="MAXN") == ["power_mode"] and jetson.ran == []
    assert jetson.kinds(nvpmodel_mode="MAXN") == ["power_mode"] and jetson.ran == ["nvpmodel -m 0"]
    assert jetson.kinds(nvpmodel_mode="0") == [] and jetson.ran == []


def test_a_mode_that_wants_a_reboot_is_a_warning(jetson):
    jetson.asks = ("0",)
    one, reboot = jetson.run(nvpmodel_mode="MAXN")
    assert (one.actions, reboot, jetson.mode) == ([], [], "2")
    assert (one.verdicts[-1]["verdict"], one.verdicts[-1]["remedy"]) == (
        "warn", "When the host may reboot, run there: nvpmodel -m 0, and answer YES")


def test_a_mode_that_is_not_taken(jetson):
    jetson.fails["nvpmodel -m"] = (1, "NVPM ERROR: no\n")
    with pytest.raises(tool.Failed, match=r"left the mode at 2 \(30W\) \(1\): NVPM ERROR: no"):
        jetson.run(nvpmodel_mode="0")


@pytest.mark.parametrize("params, answers, missing, words", [
    ({"nvpmodel_mode": "9"}, {}, (), "wanted one that this Jetson has"),
    ({"nvpmodel_mode": "0"}, {"nvpmodel -q": (0, "NVPM ERROR\n")}, (), "nvpmodel -q does not say"),
    ({"nvpmodel_mode": "0"}, {}, ("nvpmodel",), "no nvpmodel on this host"),
    ({"jetson_clocks": "lock"}, {}, ("jetson_clocks",), "no jetson_clocks on this host"),
])
def test_what_cannot_be(jetson, params, answers, missing, words):
    jetson.fails, jetson.missing = answers, missing
    with pytest.raises(runtime.Refused, match=words):
        jetson.run(**params)
    assert jetson.ran == []


def test_clocks_are_locked_once_and_given_back(jetson):
    assert jetson.kinds(True, jetson_clocks="lock") == ["clocks"] and jetson.ran == []
    assert jetson.kinds(jetson_clocks="lock") == ["clocks"]
    assert jetson.ran == ["jetson_clocks --store " + power.STORE, "jetson_clocks "]
    assert jetson.kinds(jetson_clocks="lock") == [] == jetson.ran
    jetson.clocks = FREE  # a reboot
    assert jetson.kinds(jetson_clocks="lock") == ["clocks"] and jetson.ran == ["jetson_clocks "]
    assert jetson.kinds(jetson_clocks="free") == ["clocks"] and jetson.ran == ["jetson_clocks --restore " + power.STORE]
    assert jetson.kinds(jetson_clocks="free") == []


@pytest.mark.parametrize("clocks, words", [(LOCKED, "by somebody else"), ("?", "clocks unknown")])
def test_clocks_that_cannot_be_given_back(jetson, clocks, words):
    jetson.clocks = clocks
    one, _reboot = jetson.run(jetson_clocks="free")
    assert one.verdicts[-1]["verdict"] == "warn" and words in one.verdicts[-1]["found"] and one.actions == []


def test_a_program_that_fails(jetson):
    jetson.fails["jetson_clocks --store"] = (1, "Can't access /x!\n")
    with pytest.raises(tool.Failed, match="jetson_clocks --store .* failed .1.: Can't access"):
        jetson.run(jetson_clocks="lock")
