"""The mirror's lock and checksum files."""

import hashlib

import pytest
from edgelab import mirror


@pytest.mark.parametrize(
    "name, architecture",
    [
        ("k3s", "amd64"),
        ("k3s-arm64", "arm64"),
        ("k3s-armhf", "arm"),
        ("k3s-airgap-images-amd64.tar.zst", "amd64"),
        ("k3s-airgap-images-arm64.tar.zst", "arm64"),
        ("k3s-airgap-images-arm.tar", "arm"),
        ("sha256sum-amd64.txt", ""),
        ("k3s-images.txt", ""),
        ("k3s.part", ""),
    ],
)
def test_files_are_listed_where_upstream_lists_them(name, architecture):
    assert mirror.architecture_of(name) == architecture


def sha(data):
    return hashlib.sha256(data).hexdigest()


def test_the_lock_names_versions_and_sums(tmp_path):
    for version in ("v1.9.0+k3s1", "v1.36.5+k3s1"):
        (tmp_path / "k3s" / version).mkdir(parents=True)
        (tmp_path / "k3s" / version / "k3s").write_bytes(version.encode())
        (tmp_path / "k3s" / version / "sha256sum-amd64.txt").write_text("")
    (tmp_path / "images").mkdir()
    for name in ("vision-1-amd64.tar", "vision-1-arm64.tar", "vision-2-amd64.tar"):
        (tmp_path / "images" / name).write_bytes(name.encode())
    assert mirror.lock(tmp_path) == {
        "schema": 1,
        "artifacts": [
            {"name": "k3s", "kind": "k3s", "version": "v1.36.5+k3s1", "sha256": {"k3s": sha(b"v1.36.5+k3s1")}},
            {
                "name": "vision",
                "kind": "image",
                "version": "1",
                "file": "images/vision-1-{arch}.tar",
                "sha256": {name: sha(name.encode()) for name in ("vision-1-amd64.tar", "vision-1-arm64.tar")},
            },
            {
                "name": "vision",
                "kind": "image",
                "version": "2",
                "file": "images/vision-2-{arch}.tar",
                "sha256": {"vision-2-amd64.tar": sha(b"vision-2-amd64.tar")},
            },
        ],
    }


def test_packages_are_locked_by_the_name_that_they_have_upstream(tmp_path):
    (tmp_path / "k3s" / "v1.36.5+k3s1").mkdir(parents=True)
    (tmp_path / "nvidia").mkdir()
    names = ("libnvidia-container1_1.20.0-1_amd64.deb", "libnvidia-container1_1.20.0-1_arm64.deb")
    for name in names:
        (tmp_path / "nvidia" / name).write_bytes(name.encode())
    assert mirror.lock(tmp_path)["artifacts"][1:] == [
        {
            "name": "libnvidia-container1",
            "kind": "package",
            "version": "1.20.0-1",
            "file": "nvidia/{name}_{version}_{arch}.deb",
            "architectures": ["amd64", "arm64"],
            "sha256": {name: sha(name.encode()) for name in names},
        }
    ]
