"""Preflight on GPUs: each disagreement and each state of the driver, with the verdict and the way out."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import verdicts
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.detect import PROBLEMS
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.evidence import collect

_SPEC = importlib.util.spec_from_file_location("gpu_machines", Path(__file__).with_name("machines.py"))
machines = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(machines)

UBUNTU = {"id": "ubuntu", "id_like": "debian"}
DEBIAN = {"id": "debian", "id_like": ""}
RHEL = {"id": "rhel", "id_like": "fedora"}

NO_DRIVER = {"version": "", "installed": "", "userspace": ""}
PENDING = {"installed": "580.105.08", "userspace": "580.105.08"}


def judged(machine, os=None, **intent):
    found = verdicts.judge_gpu({"nvidia": collect(machine), "os": os or UBUNTU}, intent)
    for entry in found:
        assert set(entry) == {"check", "verdict", "found", "wanted", "remedy"} and entry["check"] == "gpu"
        assert entry["found"] and entry["wanted"] and (entry["remedy"] or entry["verdict"] == "pass"), entry
    return found


def one(machine, os=None, **intent):
    found = judged(machine, os, **intent)
    assert len(found) == 1, found
    return found[0]


def l4(root, **arguments):
    return machines.card(root, **dict({"device": "0x27b8", "model": "NVIDIA L4"}, **arguments))


def orin(root, **arguments):
    return machines.jetson(root, **dict(
        {"model": "NVIDIA Jetson Orin NX", "soc": "tegra234", "release": ("36", "4.3"), "library": "nvidia"}, **arguments))


HARDWARE = [
    # what is there, what the inventory says, verdict, a word of the finding, a word of the remedy
    (l4, "dgpu", "pass", "NVIDIA L4 (10de:27b8, ada), driver 580.95.05 (open)", ""),
    (l4, "none", "warn", "NVIDIA L4", "gpu: dgpu"),
    (l4, "tegra", "fail", "NVIDIA L4", "gpu: dgpu"),
    (l4, "", "pass", "the inventory does not say", ""),
    (l4, "yes", "fail", "gpu: yes", "inventory"),
    (orin, "tegra", "pass", "L4T 36.4.3, JetPack 6.2", ""),
    (orin, "dgpu", "fail", "NVIDIA Jetson Orin NX", "gpu: tegra"),
    (orin, "none", "warn", "NVIDIA Jetson Orin NX", "gpu: tegra"),
    (machines.without_gpu, "none", "pass", "no NVIDIA GPU", ""),
    (machines.without_gpu, "dgpu", "fail", "no NVIDIA GPU", "lspci -nn -d 10de:"),
    (machines.without_gpu, "tegra", "fail", "no NVIDIA GPU", "/etc/nv_tegra_release"),
    (machines.raspberry_pi, "tegra", "fail", "no NVIDIA GPU", "gpu: none"),
    (machines.raspberry_pi, "none", "pass", "no NVIDIA GPU", ""),
    (machines.audio_only, "dgpu", "fail", "only the sound function of one (0000:01:00.1)", "gpu: none"),
    (machines.audio_only, "none", "pass", "no NVIDIA GPU", ""),
]


@pytest.mark.parametrize(("build", "gpu", "verdict", "found", "remedy"), HARDWARE)
@pytest.mark.parametrize("policy", ["verify", "install", "skip"])
def test_hardware_and_inventory(tmp_path, build, gpu, verdict, found, remedy, policy):
    entry = one(build(tmp_path), gpu=gpu, gpu_driver=policy)
    assert (entry["verdict"], remedy in entry["remedy"]) == (verdict, True), entry
    assert found in entry["found"] or (policy == "skip" and build is l4), entry


@pytest.mark.parametrize("build", [machines.without_gpu, machines.raspberry_pi, machines.audio_only])
def test_nothing_wanted_and_nothing_there_is_no_line(tmp_path, build):
    assert judged(build(tmp_path)) == []


def test_a_jetson_with_a_card_may_be_either(tmp_path):
    machine = orin(tmp_path, extra=machines.pci("0005:01:00.0", "0x2230"))
    assert one(machine, gpu="tegra")["verdict"] == "pass"
    assert one(machine, gpu="none")["verdict"] == "warn"
    assert "without a driver" in one(machine, gpu="dgpu")["found"], "the card's driver is not the Jetson's"


DRIVERS = [
    # arguments, system, verdict with policy verify, words of the finding, words of the remedy, verdict with policy install
    (NO_DRIVER, UBUNTU, "fail", "without a driver", "linux-modules-nvidia-580-server-open-generic", "pass"),
    (dict(NO_DRIVER, device="0x1b80"), UBUNTU, "fail", "without a driver", "linux-modules-nvidia-580-server-generic", "pass"),
    (NO_DRIVER, DEBIAN, "fail", "without a driver", "linux-headers-$(uname -r)", "pass"),
    (dict(NO_DRIVER, device="0x2bb1"), DEBIAN, "fail", "without a driver", "branch 570 or later", "pass"),
    (NO_DRIVER, RHEL, "fail", "without a driver", "nvidia-driver:open-dkms", "pass"),
    (dict(NO_DRIVER, device="0x1db4"), RHEL, "fail", "without a driver", "nvidia-driver:580-dkms", "pass"),
    (dict(NO_DRIVER, device="0x1db4"), {"id": "sles"}, "fail", "without a driver", "branch 580, proprietary", "pass"),
    ({"version": "", "installed": "580.95.05", "userspace": "580.95.05"}, UBUNTU, "fail", "not loaded", "modprobe nvidia",
     "pass"),
    (PENDING, UBUNTU, "fail", "580.95.05 runs, 580.105.08 is installed", "systemctl reboot", "warn"),
    ({"userspace": "580.105.08"}, UBUNTU, "fail", "kernel module 580.95.05, libraries 580.105.08", "systemctl reboot", "pass"),
    ({"userspace": ""}, UBUNTU, "fail", "libraries are missing", "libnvidia-compute-580-server", "pass"),
    ({"userspace": ""}, DEBIAN, "fail", "libraries are missing", "libcuda1", "pass"),
    ({"device": "0x1b80", "version": "590.48.01", "module": "proprietary"}, UBUNTU, "fail", "last that does is 580", "branch 580",
     "pass"),
    ({"device": "0x2bb1", "module": "proprietary"}, UBUNTU, "fail", "need the open kernel modules", "570", "pass"),
]


@pytest.mark.parametrize(("arguments", "os", "verdict", "found", "remedy", "install"), DRIVERS)
def test_drivers(tmp_path, arguments, os, verdict, found, remedy, install):
    machine = l4(tmp_path, **arguments)
    entry = one(machine, os, gpu="dgpu")
    assert (entry["verdict"], found in entry["found"], remedy in entry["remedy"]) == (verdict, True, True), entry
    assert one(machine, os, gpu="dgpu", gpu_driver="verify") == entry, "verify is the default"
    assert one(machine, os, gpu="dgpu", gpu_driver="install")["verdict"] == install
    assert one(machine, os, gpu="dgpu", gpu_driver="skip")["verdict"] == "pass"


def test_nouveau(tmp_path):
    machine = l4(tmp_path, **NO_DRIVER)
    machine.write("/proc/modules", "nouveau 1 0 - Live 0x0\n")
    entry = one(machine, gpu="dgpu")
    assert entry["verdict"] == "fail" and "nouveau" in entry["found"] and "blacklist nouveau" in entry["remedy"]
    assert "after a reboot" in one(machine, gpu="dgpu", gpu_driver="install")["found"]


def test_ldconfig_that_does_not_answer_decides_nothing(tmp_path):
    machine = l4(tmp_path, userspace="")
    del machine.programs["ldconfig -p"]
    entry = one(machine, gpu="dgpu")
    assert entry["verdict"] == "inconclusive" and "ldconfig -p" in entry["remedy"]


def test_an_unknown_policy(tmp_path):
    entry = one(l4(tmp_path), gpu="dgpu", gpu_driver="latest")
    assert entry["verdict"] == "fail" and "verify, install, skip" in entry["wanted"]


SECURE = [
    # Secure Boot, arguments, packages that would be installed, verdict with policy install
    (1, NO_DRIVER, ["nvidia-dkms-580-open"], "fail"),
    (1, NO_DRIVER, ["linux-modules-nvidia-580-server-open-generic"], "pass"),
    (1, NO_DRIVER, [], "pass"),
    (1, NO_DRIVER, ["nvidia-headless-no-dkms-580-server-open"], "pass"),
    (0, NO_DRIVER, ["nvidia-dkms-580-open"], "pass"),
    (1, {}, ["nvidia-dkms-580-open"], "pass"),
]


@pytest.mark.parametrize(("secure", "arguments", "packages", "verdict"), SECURE)
def test_secure_boot_and_dkms(tmp_path, secure, arguments, packages, verdict):
    machine = machines.secure_boot(l4(tmp_path, **arguments), secure)
    entry = one(machine, gpu="dgpu", gpu_driver="install", gpu_driver_packages=packages)
    assert entry["verdict"] == verdict, entry
    if verdict == "fail":
        assert "Secure Boot" in entry["found"] and "signed modules" in entry["remedy"]


def test_secure_boot_explains_why_a_module_does_not_load(tmp_path):
    machine = machines.secure_boot(l4(tmp_path, version="", installed="580.95.05", userspace="580.95.05"), 1)
    assert "Key was rejected" in one(machine, gpu="dgpu")["remedy"]
    machine.write("/usr/bin/dpkg-query", "")
    machine.programs["dpkg-query -W"] = "nvidia-dkms-580-open 580.95.05-0ubuntu1 ii \n"
    assert one(machine, gpu="dgpu", gpu_driver="install")["verdict"] == "fail", "DKMS that is there would build it again"


JETSONS = [
    ({"release": None}, "fail", "without /etc/nv_tegra_release", "nvidia-l4t-core"),
    ({"release": ("28", "2.1")}, "fail", "L4T 28.2.1", "4.6.6"),
    ({"release": ("32", "7.1"), "soc": "tegra186"}, "warn", "JetPack 4.6.1", "K3s 1.34"),
    ({"release": ("39", "2.0")}, "pass", "JetPack 7.2", ""),
]


@pytest.mark.parametrize(("arguments", "verdict", "found", "remedy"), JETSONS)
@pytest.mark.parametrize("policy", ["verify", "install", "skip"])
def test_jetsons_whatever_the_policy(tmp_path, arguments, verdict, found, remedy, policy):
    entry = one(orin(tmp_path, **arguments), gpu="tegra", gpu_driver=policy)
    assert (entry["verdict"], found in entry["found"], remedy in entry["remedy"]) == (verdict, True, True), entry


def test_a_jetson_without_libcuda(tmp_path):
    machine = orin(tmp_path)
    machine.programs["ldconfig -p"] = machines.cached()
    entry = one(machine, gpu="tegra")
    assert entry["verdict"] == "fail" and "nvidia-l4t-cuda" in entry["remedy"] and "ldconfig" in entry["remedy"]


def test_a_jetson_whose_libcuda_leads_nowhere(tmp_path):
    machine = orin(tmp_path)
    machine.remove(f"{machines.ARM_LIBRARIES}/nvidia/libcuda.so.1.1")
    assert "not there" in one(machine, gpu="tegra")["found"]


def test_every_problem_has_its_verdict():
    assert set(verdicts._VERIFY) | set(verdicts._TEGRA) == set(PROBLEMS)
    assert verdicts.INSTALLABLE <= set(PROBLEMS)
