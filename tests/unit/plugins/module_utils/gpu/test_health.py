"""Health of GPUs: kernel logs and sensor readings as tables."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import health
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.evidence import collect
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.health import Reading, Xid

_SPEC = importlib.util.spec_from_file_location("gpu_machines", Path(__file__).with_name("machines.py"))
machines = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(machines)

CDI = 'kind: nvidia.com/gpu\ndevices:\n- name: "0"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n'
QUIET = "Nov 26 10:00:00 host kernel: nvidia 0000:01:00.0: vgaarb: VGA decodes changed\n"
COOL = [Reading("00000000:01:00.0", celsius=52, throttle=0x1, uncorrected=0, corrected=0)]


def card(root, cdi=CDI, **arguments):
    machine = machines.card(root, **dict({"device": "0x27b8", "model": "NVIDIA L4"}, **arguments))
    if cdi:
        machine.write("/var/run/cdi/nvidia.yaml", cdi)
    return {"nvidia": collect(machine)}


def jetson(root):
    return {"nvidia": collect(machines.jetson(root, "NVIDIA Jetson Orin NX", "tegra234", ("36", "4.3"), "nvidia"))}


def judged(evidence, gpu="dgpu", kernel_log=QUIET, readings=(Reading("00000000:01:00.0", 52, None, 0x1, 0, 0),), **rest):
    found = health.judge_health(evidence, {"gpu": gpu}, kernel_log=kernel_log, readings=readings, **rest)
    for entry in found:
        assert entry["found"] and entry["wanted"] and (entry["remedy"] or entry["verdict"] == "pass"), entry
    return {entry["check"]: entry for entry in found}


def test_a_healthy_card(tmp_path):
    found = judged(card(tmp_path), allocatable=1)
    assert {check: entry["verdict"] for check, entry in found.items()} == dict.fromkeys((
        "gpu_present", "gpu_driver", "gpu_cdi", "gpu_errors", "gpu_memory", "gpu_temperature", "gpu_allocatable"), "pass")


def test_a_healthy_jetson(tmp_path):
    found = judged(jetson(tmp_path), "tegra", readings=[Reading("gpu-thermal", celsius=48.5)])
    assert {check: entry["verdict"] for check, entry in found.items()} == dict.fromkeys(
        ("gpu_present", "gpu_errors", "gpu_temperature"), "pass")


@pytest.mark.parametrize("gpu", ["none", ""])
def test_a_node_that_is_to_have_none_is_not_looked_at(tmp_path, gpu):
    assert judged(card(tmp_path), gpu) == {}


def test_a_card_that_is_gone(tmp_path):
    found = judged({"nvidia": collect(machines.without_gpu(tmp_path))})
    assert list(found) == ["gpu_present"] and found["gpu_present"]["verdict"] == "fail"
    assert "79" in found["gpu_present"]["remedy"]


def test_no_data_is_never_a_pass(tmp_path):
    found = judged(card(tmp_path), kernel_log=None, readings=None)
    assert found["gpu_errors"]["verdict"] == found["gpu_temperature"]["verdict"] == "inconclusive"
    assert judged(card(tmp_path / "b"), readings=[])["gpu_temperature"]["verdict"] == "inconclusive"
    assert judged(card(tmp_path / "c"), readings=[Reading("0")])["gpu_temperature"]["verdict"] == "inconclusive"


@pytest.mark.parametrize(("arguments", "verdict", "found"), [
    ({}, "pass", "580.95.05"),
    ({"userspace": "580.105.08"}, "fail", "libraries 580.105.08"),
    ({"userspace": ""}, "fail", "libraries not found"),
    ({"version": "", "installed": "580.95.05", "userspace": "580.95.05"}, "fail", "not loaded"),
    ({"installed": "580.105.08", "userspace": "580.105.08"}, "fail", "580.105.08"),
    ({"installed": "580.105.08", "userspace": "580.95.05"}, "warn", "580.105.08 is installed"),
])
def test_driver_and_libraries(tmp_path, arguments, verdict, found):
    entry = judged(card(tmp_path, **arguments))["gpu_driver"]
    assert (entry["verdict"], found in entry["found"]) == (verdict, True), entry


@pytest.mark.parametrize(("cdi", "verdict", "found"), [
    (CDI, "pass", "0"),
    ("", "fail", "no device in 0"),
    (CDI.replace('"0"', "all"), "fail", "no device in 1"),
    (CDI + "containerEdits:\n  mounts:\n  - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.570.1.01\n"
     "    hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.570.1.01\n", "fail", "is for driver 570.1.01"),
])
def test_cdi(tmp_path, cdi, verdict, found):
    entry = judged(card(tmp_path, cdi))["gpu_cdi"]
    assert (entry["verdict"], found in entry["found"]) == (verdict, True), entry


TWICE = CDI + CDI.partition("devices:\n")[2].replace('"0"', "GPU-8c2c") + CDI.partition("devices:\n")[2].replace('"0"', "all")


def test_a_card_that_is_named_twice_does_not_stand_for_two(tmp_path):
    machine = machines.card(tmp_path, "0x27b8")
    machine.write("/var/run/cdi/nvidia.yaml", TWICE)
    assert judged({"nvidia": collect(machine)})["gpu_cdi"]["verdict"] == "pass"
    for path, content in machines.pci("0000:0a:00.0", "0x27b8", "0x030200").items():
        machine.write(path, content)
    assert judged({"nvidia": collect(machine)})["gpu_cdi"]["verdict"] == "fail"


def test_a_recorded_h200_is_healthy(tmp_path):
    machine = machines.h200(tmp_path)
    found = judged({"nvidia": collect(machine)}, kernel_log=machines.H200_LOG, readings=health.parse_smi(machines.H200_SMI))
    assert {check: entry["verdict"] for check, entry in found.items()} == dict.fromkeys((
        "gpu_present", "gpu_driver", "gpu_cdi", "gpu_errors", "gpu_memory", "gpu_temperature"), "pass")
    assert "0000:00:06.0: 37 degrees" in found["gpu_temperature"]["found"]
    assert machines.H200_UUID in found["gpu_cdi"]["found"]


def test_message(tmp_path):
    assert not health.healthy([])
    good = health.judge_health(card(tmp_path), {"gpu": "dgpu"}, QUIET, COOL)
    assert health.healthy(good) and health.message("dgpu: L4", good) == "dgpu: L4: nothing is wrong, as far as could be seen"
    bad = health.judge_health(card(tmp_path / "b", ""), {"gpu": "dgpu"}, LINE % "79, gone", COOL)
    assert not health.healthy(bad)
    lines = health.message("dgpu: L4", bad).splitlines()
    assert lines[0] == "dgpu: L4: not healthy (gpu_cdi, gpu_errors)" and "Xid 79" in lines[2] and "To do: " in lines[2]
    unseen = health.judge_health(card(tmp_path / "c"), {"gpu": "dgpu"}, None, None)
    assert health.healthy(unseen)


LINE = "[ 1234.5678] NVRM: Xid (PCI:0000:01:00): %s\n"
XIDS = [
    ("13, pid=1896, name=python3, Graphics SM Warp Exception", "warn", "exception in a running kernel", "workload"),
    ("31, pid=1896, name=python3, Ch 00000008, MMU Fault", "warn", "page fault", "workload"),
    ("45, pid=15041, name=python3, channel 0x6", "warn", "removed", "line before"),
    ("48, pid='<unknown>', name=<unknown>, DBE (double bit error) ECC Error", "fail", "double bit", "reboot"),
    ("63, pid=1896, Row Remapper: New row marked for remapping, reset gpu to activate.", "warn", "marked", "next window"),
    ("64, Row Remapper: Failure", "fail", "could not be replaced", "Replace"),
    ("74, pid='<unknown>', NVLink: fatal error", "fail", "NVLink", "bridge"),
    ("79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.", "fail", "fallen off the bus", "power cable"),
    ("94, pid=7194, Contained: CE User Channel (0x9). RST: No, D-RST: No", "warn", "contained", "Restart the workload"),
    ("95, pid=7062, Uncontained: LTC TAG (0x2, 0x1). RST: Yes, D-RST: No", "fail", "not contained", "reboot"),
    ("119, pid=901, name=nvidia-smi, Timeout after 6s of waiting for RPC response from GPU0 GSP!", "fail", "GSP",
     "driver release"),
    ("154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)", "fail", "recovery", "reboot"),
    ("4711, something new", "warn", "not in the table", "catalog"),
]


@pytest.mark.parametrize(("text", "verdict", "found", "remedy"), XIDS)
def test_xids(tmp_path, text, verdict, found, remedy):
    entry = judged(card(tmp_path), kernel_log=QUIET + LINE % text + QUIET)["gpu_errors"]
    assert (entry["verdict"], found in entry["found"], remedy in entry["remedy"]) == (verdict, True, True), entry
    assert text.partition(",")[0] in entry["found"] and "PCI:0000:01:00" in entry["found"]


def test_xids_of_one_kind_are_one_verdict_and_others_stay_apart(tmp_path):
    log = 20 * (LINE % "31, pid=1, MMU Fault") + LINE % "79, gone" + (LINE % "31, x").replace("01:00", "02:00")
    found = health.judge_health(card(tmp_path), {"gpu": "dgpu"}, kernel_log=log, readings=COOL)
    errors = [entry["found"] for entry in found if entry["check"] == "gpu_errors"]
    assert len(errors) == 3 and "20 times" in errors[0]


def test_xids_with_a_mig_device_and_without_text():
    log = "NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7194, Contained\nNVRM: Xid (PCI:0000:01:00): 62\n"
    assert health.parse_xids(log) == [Xid(94, "PCI:0000:01:00 GPU-I:05", "pid=7194, Contained"), Xid(62, "PCI:0000:01:00", "")]


def test_errors_of_a_jetson(tmp_path):
    log = "nvgpu: 17000000.gpu ga10b_fifo_handle_mmu_fault:120 [ERR]  mmu fault on engine 0\n"
    entry = judged(jetson(tmp_path), "tegra", kernel_log=log)["gpu_errors"]
    assert entry["verdict"] == "warn" and "mmu fault" in entry["found"]


READINGS = [
    ({"celsius": 84}, "gpu_temperature", "pass", "84 degrees"),
    ({"celsius": 85}, "gpu_temperature", "warn", "85 degrees"),
    ({"celsius": 80, "limit": 78}, "gpu_temperature", "warn", "80 degrees"),
    ({"celsius": 70, "throttle": 0x4}, "gpu_temperature", "pass", "70 degrees"),
    ({"celsius": 70, "throttle": 0x40}, "gpu_temperature", "warn", "slowed down by heat"),
    ({"celsius": 70, "throttle": 0x20}, "gpu_temperature", "warn", "slowed down by heat"),
    ({"celsius": 70, "throttle": 0x80}, "gpu_temperature", "warn", "power brake"),
    ({"celsius": None, "throttle": 0x1}, "gpu_temperature", "pass", "not told"),
    ({"celsius": 50, "uncorrected": 0, "corrected": 7}, "gpu_memory", "pass", "7 corrected"),
    ({"celsius": 50, "uncorrected": 1}, "gpu_memory", "fail", "1 on"),
]


@pytest.mark.parametrize(("reading", "check", "verdict", "found"), READINGS)
def test_readings(tmp_path, reading, check, verdict, found):
    entry = judged(card(tmp_path), readings=[Reading("00000000:01:00.0", **reading)])[check]
    assert (entry["verdict"], found in entry["found"]) == (verdict, True), entry


def test_a_card_without_ecc_has_no_verdict_on_it(tmp_path):
    assert "gpu_memory" not in judged(card(tmp_path), readings=[Reading("0", celsius=50)])


def test_what_nvidia_smi_answers():
    text = (
        "00000000:01:00.0, NVIDIA L4, 52, 0x0000000000000001, 0, 3\n"
        "00000000:0A:00.0, NVIDIA GeForce GTX 1080, [N/A], 0x0000000000000040, [N/A], [N/A]\n"
        "No devices were found\n")
    assert health.parse_smi(text) == [
        Reading("00000000:01:00.0", celsius=52, throttle=1, uncorrected=0, corrected=3),
        Reading("00000000:0a:00.0", throttle=0x40)]
    assert len(health.SMI_QUERY.split(",")) == 6


def test_thermal_zones_of_a_jetson():
    zones = [("cpu-thermal", "51000\n"), ("gpu-thermal", "48500\n"), ("GPU-therm", "-256000"), ("gpu-thermal", "")]
    assert health.parse_thermal(zones) == [Reading("gpu-thermal", celsius=48.5)]


@pytest.mark.parametrize(("count", "verdict"), [(0, "fail"), (1, "pass"), (4, "pass")])
def test_allocatable(tmp_path, count, verdict):
    assert judged(card(tmp_path), allocatable=count)["gpu_allocatable"]["verdict"] == verdict


def test_every_xid_says_what_it_means_and_what_to_do():
    for code, (meaning, verdict, remedy) in health.XIDS.items():
        assert meaning and remedy and verdict in ("warn", "fail"), code
    assert {13, 31, 48, 74, 79, 94, 95, 119} <= set(health.XIDS)
