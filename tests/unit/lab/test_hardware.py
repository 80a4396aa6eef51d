"""Simulated hardware: what a host shows for each kind and fault."""

import importlib.util

import pytest
from edgelab import hardware, paths

_SPEC = importlib.util.spec_from_file_location("simulate", paths.LAB / "gpu" / "simulate.py")
simulate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(simulate)


def state(kind, word="present", loaded=""):
    return simulate.State(kind, word, loaded, machine="x86_64", name="camera")


def test_the_lab_and_the_host_know_the_same_words():
    assert tuple(hardware.WORDS) == simulate.WORDS and hardware.KINDS == tuple(simulate.KINDS)


@pytest.mark.parametrize(
    "word, pci, loaded, installed",
    [
        ("present", True, "580.95.05", "580.95.05"),
        ("absent", False, "", "580.95.05"),
        ("driver-absent", True, "", ""),
        ("driver-mismatch", True, "580.105.08", "580.105.08"),
        ("nouveau", True, "", ""),
        ("secure-boot", True, "", "580.95.05"),
        ("stale-cdi", True, "580.95.05", "580.95.05"),
    ],
)
def test_what_a_discrete_gpu_shows(word, pci, loaded, installed):
    found = state("dgpu", word)
    trees = simulate.kernel_files(found)
    assert bool(trees["pci"]) == pci
    assert trees["module"].get("nvidia/version", "").strip() == loaded
    assert ("nvidia/version" in trees["proc-driver"]) == bool(loaded) == bool(simulate.device_nodes(found))
    libraries = [path for path in simulate.disk_files(found) if "libcuda.so." in path]
    assert bool(libraries) == bool(installed) and all(path.endswith(("so.1", installed)) for path in libraries)
    assert ("nouveau/initstate" in trees["module"]) == (word == "nouveau")
    assert trees["firmware"][simulate.EFI].endswith(b"\1" if word == "secure-boot" else b"\0")


def test_an_upgraded_driver_is_loaded_after_a_reboot_only():
    before = state("dgpu", "driver-mismatch", loaded="580.95.05")
    assert (before.loaded, before.installed) == ("580.95.05", "580.105.08")
    assert simulate.smi(before, [])[1] == 18
    assert simulate.smi(state("dgpu", "driver-mismatch"), ["-L"])[1] == 0


def test_a_jetson_shows_a_device_tree_and_no_pci_device():
    trees, files = simulate.kernel_files(state("tegra")), simulate.disk_files(state("tegra"))
    assert not trees["pci"] and not trees["proc-driver"]
    assert trees["thermal"]["thermal_zone90/type"] == "gpu-thermal\n"
    assert trees["firmware"]["devicetree/base/compatible"].split("\0")[-2] == "nvidia,tegra234"
    assert files["/etc/nv_tegra_release"][0].startswith("# R36 (release), REVISION: 4.0")
    assert not simulate.disk_files(state("tegra", "absent")).keys() & {"/etc/nv_tegra_release"}


@pytest.mark.parametrize("word, missing", [("present", []), ("csv-missing", [f"{simulate.L4T}/libcuda.so.1.1"])])
def test_targets_of_the_csv_files_are_there(word, missing):
    files = simulate.disk_files(state("tegra", word))
    rows = [row.split(", ") for row in files[f"{simulate.CSV}/drivers.csv"][0].splitlines()]
    absent = [path for kind, path in rows if kind == "lib" and path not in files]
    assert absent == missing


def test_a_library_is_an_elf_file_with_a_name():
    data = simulate.elf_library("libcuda.so.1", "aarch64")
    assert data[:4] == b"\x7fELF" and b"\0libcuda.so.1\0" in data and len(data) % 8 == 0


def test_a_stale_spec_is_left_once_and_taken_back(tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "MANUAL_SPEC", tmp_path / "cdi" / "nvidia.yaml")
    simulate.leave_stale_spec(state("dgpu", "stale-cdi"))
    assert "libcuda.so.550.54.15" in simulate.MANUAL_SPEC.read_text()
    simulate.leave_stale_spec(state("dgpu"))
    assert not simulate.MANUAL_SPEC.exists()
    simulate.MANUAL_SPEC.write_text("somebody's own")
    simulate.leave_stale_spec(state("dgpu"))
    assert simulate.MANUAL_SPEC.exists()
