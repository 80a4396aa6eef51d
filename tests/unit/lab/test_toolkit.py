"""The stand-in of the NVIDIA Container Toolkit: specifications, configuration, and what it does to a container."""

import importlib.util
import tomllib

import pytest
from edgelab import paths

_SPEC = importlib.util.spec_from_file_location("toolkit", paths.LAB / "gpu" / "toolkit.py")
toolkit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(toolkit)

SPEC = {
    "cdiVersion": "0.7.0",
    "kind": "nvidia.com/gpu",
    "containerEdits": {"env": ["NVIDIA_VISIBLE_DEVICES=void"]},
    "devices": [
        {"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/null"}], "env": ["GPU=a: b #c"]}},
        {"name": "all", "containerEdits": {"deviceNodes": [{"path": "/dev/null"}, {"path": "/dev/zero"}]}},
    ],
}


def container(*environment, mounts=(), privileged=False):
    bounding = ["CAP_CHOWN", *(["CAP_SYS_ADMIN"] if privileged else [])]
    return {
        "process": {"env": list(environment), "capabilities": {"bounding": bounding}},
        "mounts": [{"destination": path, "source": "/dev/null"} for path in mounts],
    }


def settings(mode="cdi", envvar=True, volumes=False, directory=""):
    return {
        "accept-nvidia-visible-devices-envvar-when-unprivileged": envvar,
        "accept-nvidia-visible-devices-as-volume-mounts": volumes,
        "nvidia-container-runtime": {"mode": mode, "modes": {"cdi": {"spec-dirs": [directory]}}},
    }


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "nvidia.yaml").write_text("---\n" + "\n".join(toolkit.to_yaml(SPEC)) + "\n")
    return str(tmp_path)


def test_what_is_written_is_read_again():
    assert toolkit.from_yaml("---\n" + "\n".join(toolkit.to_yaml(SPEC))) == SPEC


@pytest.mark.parametrize(
    "given, options, found",
    [
        (container("NVIDIA_VISIBLE_DEVICES=all"), {}, ["all"]),
        (container("NVIDIA_VISIBLE_DEVICES=0,1"), {}, ["0", "1"]),
        (container("NVIDIA_VISIBLE_DEVICES=void"), {}, []),
        (container(), {}, []),
        (container("NVIDIA_VISIBLE_DEVICES=all"), {"envvar": False}, []),
        (container("NVIDIA_VISIBLE_DEVICES=all", privileged=True), {"envvar": False}, ["all"]),
        (container(mounts=[toolkit.VOLUMES + "/tegra"]), {"volumes": True, "envvar": False}, ["tegra"]),
        (container(mounts=[toolkit.VOLUMES + "/tegra"]), {"volumes": False}, []),
    ],
)
def test_who_gets_devices(given, options, found):
    assert toolkit.requested(given, settings(**options)) == found


def test_a_device_of_a_specification_is_injected(directory):
    given = container("NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=0", "A=1")
    toolkit.modify(given, settings(directory=directory))
    assert given["process"]["env"] == ["A=1", "NVIDIA_VISIBLE_DEVICES=void", "GPU=a: b #c"]
    assert [node["path"] for node in given["linux"]["devices"]] == ["/dev/null"]


def test_an_unknown_device_is_an_error(directory):
    with pytest.raises(toolkit.Failure, match="unresolvable CDI devices nvidia.com/gpu=7"):
        toolkit.modify(container("NVIDIA_VISIBLE_DEVICES=7"), settings(directory=directory))


@pytest.mark.parametrize(
    "name, given, expected",
    [
        ("nvidia-container-runtime.mode", "cdi", "cdi"),
        ("nvidia-container-runtime.runtimes", "crun:runc", ["crun", "runc"]),
        ("accept-nvidia-visible-devices-as-volume-mounts", "true", True),
        ("nvidia-container-cli.debug", "/var/log/x", "/var/log/x"),
        ("features.new-one", "true", True),
    ],
)
def test_one_key_changes(name, given, expected):
    before, after = tomllib.loads(toolkit.DEFAULT_CONFIG), tomllib.loads(
        toolkit.changed(toolkit.DEFAULT_CONFIG, name, given)
    )
    value = after
    for part in name.split("."):
        value = value[part]
    assert value == expected
    parent = after
    for part in name.split(".")[:-1]:
        parent = parent[part]
    del parent[name.split(".")[-1]]
    assert after == before or name.split(".")[0] in ("nvidia-container-runtime", "features")
