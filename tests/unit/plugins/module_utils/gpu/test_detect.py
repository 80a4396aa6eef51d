"""Detection over trees of machines: what hardware it is, and what is wrong with its driver."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import cdi, csv, generations
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.detect import PROBLEMS, Driver, Gpu, describe, detect
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.evidence import SECURE_BOOT, _secure_boot, collect

# pytest imports test files by their path, so that neighbours are no modules of a package.
_SPEC = importlib.util.spec_from_file_location("gpu_machines", Path(__file__).with_name("machines.py"))
machines = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(machines)


@pytest.mark.parametrize("name", machines.CARDS)
def test_cards(tmp_path, name):
    device, kind, version, module, generation = machines.CARDS[name]
    gpu = detect(collect(machines.card(tmp_path, device, version, module, kind=kind, model=name)))
    assert (gpu.kind, gpu.kinds, gpu.model, gpu.generation, gpu.problems) == ("dgpu", ("dgpu",), name, generation, ())
    assert [entry.slot for entry in gpu.devices] == ["0000:01:00.0"], "the sound function is no GPU"
    assert gpu.driver == Driver(loaded=version, installed=version, userspace=version, module=module, secure_boot=False)
    assert name in describe(gpu) and (gpu.l4t, gpu.jetpack, gpu.cuda) == ("", "", "")


@pytest.mark.parametrize("name", machines.JETSONS)
@pytest.mark.parametrize("tree", ["/proc/device-tree", "/sys/firmware/devicetree/base"])
def test_jetsons(tmp_path, name, tree):
    model, soc, release, library, l4t, jetpack, cuda, generation = machines.JETSONS[name]
    extra = machines.THOR if soc == "tegra264" else {}
    gpu = detect(collect(machines.jetson(tmp_path, model, soc, release, library, tree, extra)))
    assert (gpu.kind, gpu.kinds, gpu.devices, gpu.model, gpu.soc) == ("tegra", ("tegra",), (), model, soc)
    assert (gpu.l4t, gpu.jetpack, gpu.cuda, gpu.generation) == (l4t, jetpack, cuda, generation)
    assert gpu.driver.module == ("open" if soc == "tegra264" else "nvgpu")
    assert gpu.problems == (("l4t_old",) if l4t.startswith("32") else ())
    assert model in describe(gpu) and f"L4T {l4t}" in describe(gpu)


@pytest.mark.parametrize("build", [machines.raspberry_pi, machines.without_gpu, machines.audio_only])
def test_machines_without_a_gpu_are_cheap(tmp_path, build):
    machine = build(tmp_path)
    assert detect(collect(machine)) == Gpu()
    assert machine.asked == [], "no program may run on a host without NVIDIA"


def test_the_evidence_is_plain_data_with_the_same_keys_everywhere(tmp_path):
    found = [collect(build(tmp_path / str(number))) for number, build in enumerate((
        machines.without_gpu, lambda root: machines.card(root, "0x27b8"),
        lambda root: machines.jetson(root, "NVIDIA Jetson Orin NX", "tegra234", ("36", "4.0"))))]
    assert len({tuple(sorted(entry)) for entry in found}) == 1
    json.dumps(found)


def test_evidence_of_an_older_probe_is_understood():
    assert detect({"pci": [{"slot": "0000:01:00.0", "class": "0x030200", "device": "0x27b8"}], "driver": ""}).kind == "dgpu"
    assert detect({}) == Gpu()


def test_a_jetson_with_a_card_has_both(tmp_path):
    machine = machines.jetson(
        tmp_path, "NVIDIA IGX Orin", "tegra234", ("36", "4.0"), extra=machines.pci("0005:01:00.0", "0x2230"))
    gpu = detect(collect(machine))
    assert (gpu.kind, gpu.kinds, gpu.generation) == ("tegra", ("tegra", "dgpu"), "ampere")
    assert "10de:2230" in describe(gpu)


def test_two_cards_are_in_the_order_of_their_slots(tmp_path):
    machine = machines.card(tmp_path, "0x27b8")
    for path, content in machines.pci("0000:0a:00.0", "0x2236", "0x030200").items():
        machine.write(path, content)
    assert [entry.device for entry in detect(collect(machine)).devices] == ["0x27b8", "0x2236"]


# name, arguments of machines.card, what is wrong
DRIVERS = [
    ("healthy", {}, ()),
    ("nothing installed", {"version": "", "installed": "", "userspace": ""}, ("driver_missing",)),
    ("libraries without a driver", {"version": "", "installed": "", "userspace": "580.95.05"}, ("driver_missing",)),
    ("installed and not loaded", {"version": "", "installed": "580.95.05", "userspace": "580.95.05"}, ("driver_not_loaded",)),
    ("upgraded, not rebooted", {"installed": "580.105.08", "userspace": "580.105.08"}, ("reboot_pending",)),
    ("module upgraded, libraries not", {"installed": "580.105.08", "userspace": "580.95.05"},
     ("reboot_pending", "userspace_mismatch")),
    ("libraries upgraded, module not", {"userspace": "580.105.08"}, ("userspace_mismatch",)),
    ("no libraries", {"userspace": ""}, ("userspace_missing",)),
    ("loaded from somewhere, not on disk", {"installed": ""}, ()),
    ("Pascal with 590", {"device": "0x1b80", "version": "590.48.01", "module": "proprietary"}, ("driver_unfit",)),
    ("Pascal with open modules", {"device": "0x1b80"}, ("driver_unfit",)),
    ("Volta with 580", {"device": "0x1db4", "module": "proprietary"}, ()),
    ("Blackwell with proprietary modules", {"device": "0x2bb1", "module": "proprietary"}, ("driver_unfit",)),
    ("Blackwell with 550", {"device": "0x2bb1", "version": "550.163.01"}, ("driver_unfit",)),
    ("an unknown card with anything", {"device": "0x3fff", "module": "proprietary"}, ()),
]


@pytest.mark.parametrize(("arguments", "problems"), [pytest.param(*case[1:], id=case[0]) for case in DRIVERS])
def test_drivers(tmp_path, arguments, problems):
    assert detect(collect(machines.card(tmp_path, **dict({"device": "0x27b8"}, **arguments)))).problems == problems
    assert set(problems) <= set(PROBLEMS)


def test_nouveau_by_module_and_by_binding(tmp_path):
    machine = machines.card(tmp_path, "0x2531", version="", installed="", userspace="")
    machine.write("/proc/modules", "nouveau 1 0 - Live 0x0\n")
    assert detect(collect(machine)).problems == ("nouveau", "driver_missing")
    machine.write("/proc/modules", "")
    machine.link("/sys/bus/pci/devices/0000:01:00.0/driver", "../../../../bus/pci/drivers/nouveau")
    gpu = detect(collect(machine))
    assert gpu.driver.nouveau and gpu.devices[0].bound == "nouveau"


def test_modules_are_seen_without_the_list_of_the_kernel(tmp_path):
    machine = machines.h200(tmp_path)
    found = collect(machine)
    assert found["modules"] == ["nvidia", "nvidia_uvm"] and found["packages"] == []
    assert found["device_nodes"] == ["nvidia-uvm", "nvidia0", "nvidiactl"]
    gpu = detect(found)
    assert (gpu.kind, gpu.model, gpu.generation, gpu.problems) == ("dgpu", "NVIDIA H200", "hopper", ())
    assert (gpu.driver.loaded, gpu.driver.userspace, gpu.driver.module) == ("580.159.04", "580.159.04", "open")
    machine.write("/sys/module/nouveau/initstate", "live\n")
    assert detect(collect(machine)).driver.nouveau


def test_debian_calls_the_module_by_another_name_and_links_through_alternatives(tmp_path):
    machine = machines.card(tmp_path, "0x2531", "550.163.01", "proprietary", installed="", userspace="")
    machine.programs["modinfo -F version nvidia-current"] = "550.163.01\n"
    machine.programs["ldconfig -p"] = machines.cached(f"{machines.X86_LIBRARIES}/libnvidia-ml.so.1")
    machine.link(f"{machines.X86_LIBRARIES}/libnvidia-ml.so.1", "../../../etc/alternatives/libnvidia-ml.so.1")
    machine.link("/etc/alternatives/libnvidia-ml.so.1", f"{machines.X86_LIBRARIES}/nvidia/current/libnvidia-ml.so.550.163.01")
    machine.write(f"{machines.X86_LIBRARIES}/nvidia/current/libnvidia-ml.so.550.163.01", "")
    found = collect(machine)
    assert found["installed"]["name"] == "nvidia-current"
    assert (detect(found).driver.installed, detect(found).driver.userspace) == ("550.163.01", "550.163.01")
    assert detect(found).problems == ()


def test_a_32_bit_library_does_not_count(tmp_path):
    machine = machines.card(tmp_path, "0x27b8")
    machine.programs["ldconfig -p"] += "\tlibnvidia-ml.so.1 (libc6) => /usr/lib/i386-linux-gnu/libnvidia-ml.so.1\n"
    assert collect(machine)["libraries"]["libnvidia-ml.so.1"]["path"].startswith(machines.X86_LIBRARIES)
    machine.programs["ldconfig -p"] = "\tlibcuda.so.1 (libc6) => /usr/lib/i386/libcuda.so.1\n" + machine.programs["ldconfig -p"]
    assert collect(machine)["libraries"]["libcuda.so.1"]["path"].startswith(machines.X86_LIBRARIES)


def test_libraries_whose_files_are_gone_are_missing(tmp_path):
    machine = machines.card(tmp_path, "0x27b8")
    for name in ("libcuda", "libnvidia-ml"):
        machine.remove(f"{machines.X86_LIBRARIES}/{name}.so.580.95.05")
    assert detect(collect(machine)).problems == ("userspace_missing",)


def test_without_ldconfig_libraries_are_looked_for_and_their_absence_proves_nothing(tmp_path):
    machine = machines.card(tmp_path, "0x27b8")
    del machine.programs["ldconfig -p"]
    assert detect(collect(machine)).driver.userspace == "580.95.05"
    for name in ("libcuda", "libnvidia-ml"):
        machine.remove(f"{machines.X86_LIBRARIES}/{name}.so.1")
    assert detect(collect(machine)).problems == ("userspace_unknown",)


@pytest.mark.parametrize(("release", "missing", "problems"), [
    (None, "", ("l4t_unknown",)),
    (("28", "2.1"), "", ("l4t_too_old",)),
    (("36", "4.3"), "cache", ("libcuda_missing",)),
    (("39", "2.0"), "target", ("libcuda_dangling",)),
])
def test_jetsons_with_a_fault(tmp_path, release, missing, problems):
    machine = machines.jetson(tmp_path, "NVIDIA Jetson Orin NX", "tegra234", release)
    if missing == "cache":
        machine.programs["ldconfig -p"] = machines.cached()
    if missing == "target":
        machine.remove(f"{machines.ARM_LIBRARIES}/tegra/libcuda.so.1.1")
    assert detect(collect(machine)).problems == problems


@pytest.mark.parametrize(("value", "wanted"), [(1, True), (0, False)])
def test_secure_boot(tmp_path, value, wanted):
    machine = machines.secure_boot(machines.card(tmp_path, "0x27b8"), value)
    assert detect(collect(machine)).driver.secure_boot is wanted


def test_secure_boot_that_the_firmware_does_not_tell(tmp_path):
    machine = machines.card(tmp_path, "0x27b8")
    machine.write("/sys/firmware/efi/config_table", "")
    assert collect(machine)["secure_boot"] is None
    machine.write(SECURE_BOOT, b"\x06\0\0\0")
    assert collect(machine)["secure_boot"] is None

    def refused(path, limit=0):
        raise PermissionError(1, "Operation not permitted", path)

    machine.read_bytes = refused
    assert _secure_boot(machine) is None


def test_packages_of_dpkg_and_their_states(tmp_path):
    machine = machines.card(tmp_path, "0x27b8")
    machine.write("/usr/bin/dpkg-query", "")
    machine.programs["dpkg-query -W"] = (
        "nvidia-container-toolkit 1.20.0-1 iU \nnvidia-dkms-580-open 580.95.05-0ubuntu1 hi \nnvidia-smi  un \n"
        "dpkg-query: no packages found matching kmod-nvidia*\n")
    found = collect(machine)
    assert found["packages"] == [
        {"name": "nvidia-container-toolkit", "version": "1.20.0-1", "state": "iU"},
        {"name": "nvidia-dkms-580-open", "version": "580.95.05-0ubuntu1", "state": "hi"}]
    assert detect(found).driver.dkms is True


def test_packages_of_rpm(tmp_path):
    machine = machines.card(tmp_path, "0x27b8")
    machine.write("/usr/bin/rpm", "")
    machine.programs["rpm -qa"] = "nvidia-container-toolkit-base 1.20.0-1 ii\n"
    assert collect(machine)["packages"] == [{"name": "nvidia-container-toolkit-base", "version": "1.20.0-1", "state": "ii"}]


def test_csv_targets_that_are_missing(tmp_path):
    machine = machines.jetson(tmp_path, "NVIDIA Jetson AGX Orin", "tegra234", ("39", "2.0"), "nvidia")
    machine.write(f"{csv.DIRECTORY}/drivers.csv", "\n".join([
        "# libraries", "lib, /usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1.1",
        "lib, /usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1.1",
        "sym, /gone", "dev, /dev/video*", "nonsense", "lib, relative", ""]))
    machine.write(f"{csv.DIRECTORY}/extra.csv", "lib, /not/looked/at\n")
    assert collect(machine)["csv"] == {
        "files": ["drivers.csv"], "missing": ["/usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1.1", "/gone"], "missing_count": 2}


def test_cdi_specifications(tmp_path):
    text = 'kind: nvidia.com/gpu\ndevices:\n- name: "0"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n'
    machine = machines.card(tmp_path, "0x27b8")
    machine.write("/var/run/cdi/nvidia.yaml", text)
    machine.write("/etc/cdi/other.yaml", "kind: example.com/device\n")
    machine.write("/etc/cdi/notes.txt", "nvidia.com/gpu\n")
    found = collect(machine)["cdi"]
    assert found == [dict(cdi.summary(text), path="/var/run/cdi/nvidia.yaml")]
    assert (found[0]["kind"], found[0]["devices"]) == ("nvidia.com/gpu", ["0"])


@pytest.mark.parametrize(("text", "wanted"), [
    ("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic", "36.4.3"),
    ("# R36 (release), REVISION: 4.0, GCID: 37537400", "36.4"),
    ("# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref", "32.7.1"),
    ("# R39 (release), REVISION: 2.0", "39.2"),
    ("", ""), ("R36", ""), ("# something else", ""),
])
def test_l4t_releases(text, wanted):
    assert generations.l4t_release(text) == wanted


@pytest.mark.parametrize(("l4t", "wanted"), [
    ("36.4.3", ("6.2", "12.6")), ("35.9.9", ("5.x", "")), ("28.2.1", ("", "")), ("41.1", ("", "")), ("", ("", ""))])
def test_jetpacks(l4t, wanted):
    assert generations.jetpack_of(l4t) == wanted


def test_the_tables_agree_with_themselves():
    last = -1
    for first, end, name in sorted(generations.PCI_RANGES):
        assert last < first <= end and name in generations.ORDER, f"{first:#06x}"
        last = end
    assert {name for _family, name in generations.SOCS.values()} <= set(generations.ORDER)
    assert {l4t.partition(".")[0] for l4t in generations.JETPACKS} == set(generations.JETPACK_LINES)
    for l4t, (jetpack, _cuda) in generations.JETPACKS.items():
        assert jetpack.startswith(generations.JETPACK_LINES[l4t.partition(".")[0]])


@pytest.mark.parametrize("device", ["0x3fff", "0x1300", "", "nonsense", None])
def test_an_id_outside_the_table_has_no_generation(device):
    assert generations.of_device(device) == ""
