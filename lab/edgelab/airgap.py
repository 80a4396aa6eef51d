"""K3s's system images for a lab without a registry: a pause image, built here, is all that pods need."""

import mmap
import re
import shutil
import tempfile
from pathlib import Path

from edgelab import debs, oci
from edgelab.errors import LabError
from edgelab.process import run

REPOSITORY = "docker.io/rancher/mirrored-pause"
KNOWN_TAGS = ("3.6", "3.10.2")  # K3s up to 1.36.2, and from 1.36.3
_TAG_IN_BINARY = re.compile(rb"rancher/mirrored-pause:(\d+(?:\.\d+)+)")
_BUSYBOX_WAIT = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done"


def write(path: Path, architecture: str, binaries=()) -> list[str]:
    """Write `k3s-airgap-images-<arch>.tar.zst` with the pause image; returns its references.

    Tags that the given K3s binaries ask for by name are added to the known ones.
    """
    tags = sorted({*KNOWN_TAGS, *(tag for binary in binaries for tag in tags_in(binary))})
    image = _pause(architecture)
    references = [f"{REPOSITORY}:{tag}" for tag in tags]
    with tempfile.TemporaryDirectory(prefix="edgelab-airgap-", dir=path.parent) as scratch:
        archive = Path(scratch) / "images.tar"
        oci.write_archive(archive, {reference: image for reference in references})
        run(["zstd", "--quiet", "--force", archive, "-o", path])
    return references


def tags_in(binary: Path) -> set[str]:
    """Tags of the pause image that a K3s binary names. A release that packs itself hides them: then none."""
    if not binary.stat().st_size:
        return set()
    with binary.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return {match[1].decode() for match in _TAG_IN_BINARY.finditer(content)}


def _pause(architecture: str) -> oci.Image:
    if shutil.which("gcc"):
        program, entrypoint = _compile(), ["/pause"]
    else:
        program, entrypoint = _busybox(), ["/pause", "sh", "-c", _BUSYBOX_WAIT]
    content = oci.layer({"pause": (program, 0o755)}, "pause")
    return oci.Image(architecture, (content,), {"Entrypoint": entrypoint, "User": "65535:65535"})


def _compile() -> bytes:
    with tempfile.TemporaryDirectory(prefix="edgelab-pause-") as scratch:
        target = Path(scratch) / "pause"
        run(["gcc", "-Os", "-static", "-s", "-Wl,--build-id=none", "-o", target, Path(__file__).with_name("pause.c")])
        return target.read_bytes()


def _busybox() -> bytes:
    with tempfile.TemporaryDirectory(prefix="edgelab-pause-") as scratch:
        debs.unpack(["busybox-static"], Path(scratch))
        found = [path for path in (Path(scratch) / "bin/busybox", Path(scratch) / "usr/bin/busybox") if path.exists()]
        if not found:
            raise LabError("the package busybox-static has no busybox; install gcc instead")
        # busybox chooses its applet by name, so its `sh` is asked for as the first argument.
        return found[0].read_bytes()
