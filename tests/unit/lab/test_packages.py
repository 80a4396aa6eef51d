"""The lab's packages: names, dependencies, same bytes."""

import shutil
import subprocess

import pytest
from edgelab import packages

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not installed")


@pytest.mark.parametrize(
    "name, parts",
    [
        ("nvidia-container-toolkit-base_1.20.0-1_amd64.deb", ("nvidia-container-toolkit-base", "1.20.0-1", "amd64")),
        ("libnvidia-container1-1.20.0-1.x86_64.rpm", ("libnvidia-container1", "1.20.0-1", "amd64")),
        ("nvidia-container-toolkit-1.20.0-1.aarch64.rpm", ("nvidia-container-toolkit", "1.20.0-1", "arm64")),
    ],
)
def test_names_say_what_is_inside(name, parts):
    assert packages.split(name) == parts


@needs_dpkg
def test_the_same_bytes_each_time(tmp_path):
    names = packages.ensure(tmp_path / "one")
    assert packages.ensure(tmp_path / "two") == names and len(names) == 16
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)


@needs_dpkg
@pytest.mark.parametrize(
    "name, depends",
    [
        ("libnvidia-container-tools", "libnvidia-container1 (= 1.20.0-1)"),
        (
            "nvidia-container-toolkit",
            "libnvidia-container-tools (= 1.20.0-1), nvidia-container-toolkit-base (= 1.20.0-1)",
        ),
    ],
)
def test_packages_want_each_other_in_one_version(tmp_path, name, depends):
    package = next(package for package in packages.toolkit() if package.name == name)
    packages.build(package, "arm64", tmp_path / "built.deb")
    told = subprocess.run(
        ["dpkg-deb", "--field", tmp_path / "built.deb", "Depends"], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == depends


def test_placed_packages_are_left_alone(tmp_path):
    (tmp_path / "nvidia-container-toolkit-base_1.21.0-1_amd64.deb").touch()
    assert packages.ensure(tmp_path) == []
