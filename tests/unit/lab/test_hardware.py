"""Simulated hardware: what a host shows for each kind and fault."""

import importlib.util

import pytest
from edgelab import hardware, paths

_SPEC = importlib.util.spec_from_file_location("simulate", paths.LAB / "gpu" / "simulate.py")
simulate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(simulate)


def state(kind, word="present", loaded=None, **more):
    return simulate.State(kind, word, loaded, machine="x86_64", name="camera", **more)


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


@pytest.mark.parametrize("word, more, refused, after_a_boot", [
    ("driver-absent", {}, "Module nvidia not found", ""),
    ("driver-absent", {"packaged": "580.95.05", "loaded": ""}, "", "580.95.05"),
    ("nouveau", {"packaged": "580.95.05", "loaded": ""}, "No such device", ""),
    ("nouveau", {"packaged": "580.95.05", "loaded": "", "nouveau_kept_out": True}, "", "580.95.05"),
    ("secure-boot", {}, "Key was rejected", ""),
    ("secure-boot", {"packaged": "580.95.05", "loaded": ""}, "", "580.95.05"),
    ("present", {"packaged": "580.95.05", "loaded": "570.10.01"}, "", "580.95.05"),
])
def test_a_driver_that_came_as_packages(word, more, refused, after_a_boot):
    found = state("dgpu", word, **more)
    assert refused in simulate.refusal(found) and bool(simulate.refusal(found)) == bool(refused)
    assert found.loaded == more.get("loaded", "") and found.installed == more.get("packaged", found.installed)
    assert state("dgpu", word, **{**more, "loaded": None}).loaded == after_a_boot


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


@pytest.mark.parametrize("words, answer, code, after", [
    (["-q"], "", 0, "3"), (["-m", "2"], "", 0, "2"), (["-m", "9"], "", 255, "3"),
    (["-m", "0"], "", 255, "3"), (["-m", "0"], "NO", 255, "3"), (["-m", "0"], "YES\n", 0, "0"),
])
def test_a_power_mode_that_wants_a_reboot_asks_for_it(words, answer, code, after):
    text, ended, now = simulate.nvpmodel(words, "3", answer)
    assert (ended, now) == (code, after)
    assert ("reboot" in text.lower()) == (words == ["-m", "0"] and code == 255)


def test_clocks_are_locked_and_given_back(tmp_path):
    store = str(tmp_path / "store")
    assert simulate.clocks(["--store", store], False) == ("", 0, False)
    assert simulate.clocks([], False) == ("", 0, True)
    assert "MinFreq=918000000 MaxFreq=918000000" in simulate.clocks(["--show"], True)[0]
    assert simulate.clocks(["--restore", store], True) == ("", 0, False)


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
