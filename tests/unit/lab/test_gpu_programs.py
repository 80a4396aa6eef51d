"""The programs of the GPU images: what the device plugin offers and answers, and what the proof says."""

import importlib.util
import json
import sys

import pytest
from edgelab import gpu_images, paths


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


messages = load(gpu_images.MESSAGES)
plugin = load(paths.LAB / "gpu" / "plugin.py")
proof = load(paths.LAB / "gpu" / "proof.py")

L4 = {"EDGEAI_SIMULATED_GPU": "NVIDIA L4", "EDGEAI_SIMULATED_GPU_UUID": "GPU-1"}
ORIN = {"EDGEAI_SIMULATED_GPU": "NVIDIA Jetson Orin NX"}


@pytest.mark.parametrize(
    "strategy, environment, devices",
    [
        ("nvml", L4, [("GPU-1", "0")]),
        ("auto", L4, [("GPU-1", "0")]),
        ("tegra", ORIN, [("tegra", "0")]),
        ("auto", ORIN, [("tegra", "0")]),
    ],
)
def test_devices_are_found(strategy, environment, devices):
    assert plugin.discover(strategy, environment) == devices


@pytest.mark.parametrize("strategy", ["nvml", "tegra"])
def test_without_the_runtime_there_is_nothing_to_offer(strategy, monkeypatch):
    monkeypatch.setattr(plugin.os.path, "exists", lambda _path: False)
    monkeypatch.setattr(plugin.ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(f"{name}: cannot open")))
    with pytest.raises(plugin.Failure, match="Failed to initialize"):
        plugin.discover(strategy, {})


@pytest.mark.parametrize(
    "text, found",
    [
        (None, (1, "nvidia.com/gpu", False)),
        ("version: v1\nflags: {migStrategy: none}\n", (1, "nvidia.com/gpu", False)),
        (
            "version: v1\nsharing: {timeSlicing: {failRequestsGreaterThanOne: true, "
            "resources: [{name: nvidia.com/gpu, replicas: 4}]}}\n",
            (4, "nvidia.com/gpu", True),
        ),
        (
            "version: v1\nsharing: {timeSlicing: {renameByDefault: true, resources: [{name: nvidia.com/gpu, replicas: 2}]}}\n",
            (2, "nvidia.com/gpu.shared", False),
        ),
    ],
)
def test_the_configuration_file(tmp_path, text, found):
    (tmp_path / "config.yaml").write_text(text or "")
    assert plugin.sharing(str(tmp_path / "config.yaml") if text else "") == found


@pytest.mark.parametrize(
    "text, word",
    [
        ("version: v2\n", "unknown version"),
        ("version: v1\nsharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 1}]}}\n", "must be >= 2"),
        ("version: v1\nsharing: {timeSlicing: {}, mps: {}}\n", "not both"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path, text, word):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(plugin.Failure, match=word):
        plugin.sharing(str(tmp_path / "config.yaml"))


def test_a_shared_device_is_offered_several_times():
    ids = [device["ID"] for device in plugin.offer([("GPU-1", "0")], 2)]
    assert ids == ["GPU-1::0", "GPU-1::1"]


@pytest.mark.parametrize(
    "strategy, devices, asked, key, value",
    [
        ("cdi-cri", [("GPU-1", "0")], ["GPU-1::1"], "cdi_devices", [{"name": "nvidia.com/gpu=0"}]),
        ("envvar", [("GPU-1", "0")], ["GPU-1"], "envs", {"NVIDIA_VISIBLE_DEVICES": "GPU-1"}),
        (
            "volume-mounts",
            [("tegra", "0")],
            ["tegra"],
            "mounts",
            [{"container_path": "/var/run/nvidia-container-devices/tegra", "host_path": "/dev/null"}],
        ),
    ],
)
def test_what_a_container_gets(strategy, devices, asked, key, value):
    answer = plugin.allocation([strategy], devices, asked)
    assert answer[key] == value
    assert messages.decoder("ContainerAllocateResponse")(messages.encoder("ContainerAllocateResponse")(answer))[key]


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(plugin.Failure, match="unknown device: GPU-2"):
        plugin.allocation(["cdi-cri"], [("GPU-1", "0")], ["GPU-2"])


def test_the_proof_says_that_it_was_simulated():
    answer, code = proof.prove(L4)
    assert (answer["device"], answer["simulated"], answer["result"], code) == ("NVIDIA L4", True, "pass", 0)
    json.dumps(answer)


def test_the_proof_without_a_gpu(monkeypatch):
    monkeypatch.setattr(proof.ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    assert proof.prove({}) == ({"device": None}, proof.NO_GPU)


class Library:
    """A driver that has one device and whose every call but one works."""

    def __init__(self, broken="", code=0):
        self._broken, self._code = broken, code

    def cuGetErrorName(self, _code, text):
        text._obj.value = b"CUDA_ERROR_ECC_UNCORRECTABLE"
        return 0

    def __getattr__(self, name):
        def call(*arguments):
            if name == "cuDeviceGetCount":
                arguments[0]._obj.value = 1
            return self._code if name == self._broken else 0

        return call


@pytest.mark.parametrize(
    "library, code, word",
    [
        (Library("cuLaunchKernel", 214), 1, "cuLaunchKernel: CUDA_ERROR_ECC_UNCORRECTABLE (214)"),
        (Library("cuInit", 100), 3, ""),
    ],
)
def test_the_proof_with_a_gpu_that_fails(monkeypatch, library, code, word):
    monkeypatch.setattr(proof.ctypes, "CDLL", lambda _name: library)
    answer, found = proof.prove({})
    assert found == code and word in answer.get("error", "")


def test_sums_that_are_wrong_fail(monkeypatch):
    monkeypatch.setattr(proof.ctypes, "CDLL", lambda _name: Library())  # computes nothing: all sums stay zero
    monkeypatch.setattr(proof, "add_on_device", lambda _library, left, right: ("GPU", [0.0] * len(left)))
    assert proof.prove({})[0]["result"] == "fail"
