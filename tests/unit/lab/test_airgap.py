"""K3s's system images: what the lab makes where a release came without them."""

import io
import json
import subprocess
import tarfile

from edgelab import airgap


def test_every_tag_has_its_own_digest(tmp_path):
    """K3s 1.36 stops importing ("failed to retag images … already exists") when two tags share a digest."""
    target = tmp_path / "k3s-airgap-images-amd64.tar.zst"
    binary = tmp_path / "k3s"
    binary.write_bytes(b"rancher/mirrored-pause:3.11")
    references = airgap.write(target, "amd64", [binary])
    assert references == [f"docker.io/rancher/mirrored-pause:{tag}" for tag in ("3.10.2", "3.11", "3.6")]
    plain = subprocess.run(["zstd", "-dc", target], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        manifests = json.load(tar.extractfile("index.json"))["manifests"]
    assert [one["annotations"]["io.containerd.image.name"] for one in manifests] == references
    assert len({one["digest"] for one in manifests}) == len(references)
