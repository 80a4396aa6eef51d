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
    images = {f"{REPOSITORY}:{tag}": image for tag, image in pause(architecture, tags).items()}
    with tempfile.TemporaryDirectory(prefix="edgelab-airgap-", dir=path.parent) as scratch:
        archive = Path(scratch) / "images.tar"
        oci.write_archive(archive, images)
        run(["zstd", "--quiet", "--force", archive, "-o", path])
    return list(images)


def tags_in(binary: Path) -> set[str]:
    """Tags of the pause image that a K3s binary names. A release that packs itself hides them: then none."""
    if not binary.stat().st_size:
        return set()
    with binary.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return {match[1].decode() for match in _TAG_IN_BINARY.finditer(content)}


def pause(architecture: str, tags) -> dict[str, oci.Image]:
    """One image per tag. They differ in a label: K3s stops importing an archive when two tags have the same digest."""
    if shutil.which("gcc"):
        files, entrypoint = {"pause": (_compile(), 0o755)}, ["/pause"]
    else:  # busybox takes its own name as leave to choose the applet by its first argument
        files, entrypoint = {"busybox": (_busybox(), 0o755)}, ["/busybox", "sh", "-c", _BUSYBOX_WAIT]
    content = oci.layer(files, "pause")
    settings = {"Entrypoint": entrypoint, "User": "65535:65535"}
    return {
        tag: oci.Image(architecture, (content,), {**settings, "Labels": {"org.opencontainers.image.version": tag}})
        for tag in tags
    }


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
        return found[0].read_bytes()
