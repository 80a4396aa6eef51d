"""KubeEdge in the mirror: what is completed, what is refused, and what the lock says."""

import hashlib
import io
import tarfile

import pytest
import yaml
from edgelab import crds, kubeedge
from edgelab.errors import LabError

TARBALL = "kubeedge-v1.23.1-linux-amd64.tar.gz"


def pack(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


@pytest.fixture
def mirror(tmp_path):
    for version in ("v1.9.4", "v1.23.1"):
        pack(tmp_path / f"kubeedge/{version}/kubeedge-{version}-linux-amd64.tar.gz", {"version": version.encode()})
    return tmp_path


def test_a_release_is_completed(mirror):
    release = mirror / "kubeedge/v1.23.1"
    kubeedge.complete(release)
    sums = (release / f"checksum_{TARBALL}.txt").read_text()
    assert sums == hashlib.sha512((release / TARBALL).read_bytes()).hexdigest()
    assert len(list((release / "crds").rglob("*.yaml"))) == len(crds.KINDS) == 13


def test_what_a_release_has_is_kept(mirror):
    release = mirror / "kubeedge/v1.23.1"
    (release / "crds").mkdir()
    (release / "crds/own.yaml").write_text("kind: CustomResourceDefinition\n")
    kubeedge.complete(release)
    assert [path.name for path in (release / "crds").rglob("*.yaml")] == ["own.yaml"]


def test_a_damaged_tarball_is_refused(mirror):
    release = mirror / "kubeedge/v1.23.1"
    (release / f"checksum_{TARBALL}.txt").write_text("0" * 128)
    with pytest.raises(LabError, match="is damaged: its sha512"):
        kubeedge.complete(release)


def test_the_lock_names_the_newest_release(mirror):
    release = mirror / "kubeedge/v1.23.1"
    kubeedge.complete(release)
    edgecore, cloudcore, *definitions = kubeedge.lock_entries(mirror)
    assert edgecore == {
        "name": "edgecore",
        "kind": "binary",
        "version": "v1.23.1",
        "file": "kubeedge/{version}/kubeedge-{version}-linux-{arch}.tar.gz",
        "member": "kubeedge-{version}-linux-{arch}/edge/edgecore",
        "checksum": "kubeedge/{version}/checksum_kubeedge-{version}-linux-{arch}.tar.gz.txt",
        "architectures": ["amd64"],
        "sha256": {TARBALL: hashlib.sha256((release / TARBALL).read_bytes()).hexdigest()},
    }
    assert cloudcore["member"] == "kubeedge-{version}-linux-{arch}/cloud/cloudcore/cloudcore"
    assert {"kubeedge-crd-objectsync-v1alpha1", "kubeedge-crd-router-v1-ruleendpoint"} < {it["name"] for it in definitions}


def test_a_mirror_without_kubeedge(tmp_path):
    assert kubeedge.lock_entries(tmp_path) == []


def test_placed_releases_are_found_by_version(mirror):
    assert kubeedge.placed(str(mirror)).version == "v1.23.1"
    assert kubeedge.placed(str(mirror / "nothing")) is None
    assert kubeedge.placed("") is None


def test_a_file_of_a_tarball(mirror):
    tarball = mirror / "kubeedge/v1.23.1" / TARBALL
    assert kubeedge.member(tarball, "version") == b"v1.23.1"
    with pytest.raises(LabError, match="has no edgecore; it has version"):
        kubeedge.member(tarball, "edgecore")


def test_definitions_have_the_names_that_cloudcore_waits_for():
    names = {crds.document(kind)["metadata"]["name"] for kind in crds.KINDS}
    assert {"objectsyncs.reliablesyncs.kubeedge.io", "clusterobjectsyncs.reliablesyncs.kubeedge.io"} < names
    assert all(yaml.safe_dump(crds.document(kind)) for kind in crds.KINDS)
