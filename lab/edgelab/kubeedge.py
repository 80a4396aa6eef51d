"""Which KubeEdge the lab offers: a release somebody placed, else the stand-in; with the images made from it.

Every source gives the same thing, a directory with the file names of an upstream release.
"""

import hashlib
import os
import re
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from edgelab import airgap, crds, debs, engine, images, oci, paths
from edgelab.errors import LabError
from edgelab.process import run
from edgelab.progress import step

# The version that files and configuration carry. The Node of a stand-in says `standin` in its kubelet version.
STANDIN_VERSION = "v1.23.1"
PAUSE = "3.6"
PROGRAMS = {"edgecore": "edge/edgecore", "cloudcore": "cloud/cloudcore/cloudcore"}
# What a cloudcore that is no static program needs in its image: the C library, or all that the stand-in runs on.
LIBRARIES = ("libc6",)
PYTHON = (
    "libc6 libgcc-s1 zlib1g libexpat1 libffi8 libssl3 openssl libpython3.11-minimal libpython3.11-stdlib python3.11-minimal"
).split()
_TARBALL = re.compile(r"kubeedge-(?P<version>v\d[^/]*)-linux-(?P<architecture>amd64|arm64|arm)\.tar\.gz")


@dataclass(frozen=True)
class Release:
    """A KubeEdge release in `directory`; `origin` is EDGEAI_ARTIFACTS or stand-in."""

    version: str
    origin: str
    directory: Path


def choose() -> Release:
    """The first source that has a KubeEdge."""
    return placed(os.environ.get("EDGEAI_ARTIFACTS", "")) or standin()


def placed(folder: str) -> Release | None:
    """The newest release in `<folder>/kubeedge/<version>/`, or None."""
    if not folder:
        return None
    found = [path for path in Path(folder, "kubeedge").glob("v*") if tarballs(path)]
    if not found:
        return None
    newest = max(found, key=lambda path: engine.order(path.name))
    return Release(newest.name, "EDGEAI_ARTIFACTS", newest)


def standin() -> Release:
    """The stand-in, built from `lab/standin` when its sources changed."""
    sources = paths.LAB / "standin"
    folder = paths.CACHE / "kubeedge-standin" / engine.tree_hash(sources)[:12]
    if not tarballs(folder):
        with step("stand-in KubeEdge") as line:
            line.note = f"{STANDIN_VERSION} built from lab/standin"
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.parent.iterdir():
                if old != folder:
                    shutil.rmtree(old)
            run([sys.executable, sources / "build_kubeedge.py", "--out", folder, "--version", STANDIN_VERSION], timeout=300)
    if not tarballs(folder):
        raise LabError(f"lab/standin/build_kubeedge.py ended well but wrote no tarball to {folder}")
    return Release(STANDIN_VERSION, "stand-in", folder)


def tarballs(folder: Path) -> dict[str, Path]:
    """The release tarballs in a directory, by architecture."""
    found = {path: _TARBALL.fullmatch(path.name) for path in sorted(folder.glob("kubeedge-*.tar.gz"))}
    return {match["architecture"]: path for path, match in found.items() if match and match["version"] == _version(path, folder)}


def _version(path: Path, folder: Path) -> str:
    """A placed folder is named by its version; the stand-in's is named by its content."""
    return folder.name if folder.name.startswith("v") else _TARBALL.fullmatch(path.name)["version"]


def complete(release: Path) -> None:
    """Add to a release in the mirror what it came without: checksum files and resource definitions.

    Raises LabError for a tarball that is not what the checksum file beside it says.
    """
    for path in tarballs(release).values():
        sums = path.with_name(f"checksum_{path.name}.txt")
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha512").hexdigest()
        if not sums.exists():
            sums.write_text(found, encoding="utf-8")
        if sums.read_text(encoding="utf-8").strip() != found:
            raise LabError(f"{path.name} is damaged: its sha512 is not the one in {sums.name}. Remove it and get it again")
    if not any((release / "crds").rglob("*.yaml")):
        crds.write(release / "crds")


def write_images(release: Path, version: str, folder: Path) -> None:
    """Write the images of CloudCore and of the pause program, for this machine's architecture."""
    native = debs.architecture()
    pause = airgap.pause(native, [PAUSE])[PAUSE]
    oci.write_archive(folder / f"pause-{PAUSE}-{native}.tar", {f"docker.io/kubeedge/pause:{PAUSE}": pause})
    tarball = tarballs(release).get(native)
    if tarball:
        image = oci.Image(native, tuple(_layers(tarball, version, native)), {
            "Entrypoint": ["cloudcore"], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"]})
        oci.write_archive(folder / f"cloudcore-{version}-{native}.tar", {f"docker.io/kubeedge/cloudcore:{version}": image})


def _layers(tarball: Path, version: str, architecture: str):
    program = member(tarball, f"kubeedge-{version}-linux-{architecture}/{PROGRAMS['cloudcore']}")
    needs = PYTHON if program.startswith(b"#!") else LIBRARIES if b"/ld-linux" in program[:4096] else ()
    if needs:
        yield system(needs)
    yield oci.layer({"usr/local/bin/cloudcore": (program, 0o755)}, "cloudcore")


def system(packages) -> oci.Layer:
    """A layer of Debian packages, unpacked once."""
    root = paths.CACHE / "kubeedge-image" / hashlib.sha256(repr(packages).encode()).hexdigest()[:12]
    if not root.exists():
        unfinished = root.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        images.unpack(packages, unfinished)
        if packages is PYTHON:
            (unfinished / "usr/bin/python3").symlink_to("python3.11")
            (unfinished / "usr/bin/env").unlink(missing_ok=True)
        os.replace(unfinished, root)
    return oci.layer_from_tree(root, "Debian's " + " ".join(packages))


def member(tarball: Path, name: str) -> bytes:
    """The content of one file of a tarball."""
    with tarfile.open(tarball) as archive:
        try:
            return archive.extractfile(name).read()
        except KeyError:
            raise LabError(f"{tarball.name} has no {name}; it has {', '.join(archive.getnames()[:20])}") from None


def lock_entries(folder: Path) -> list[dict]:
    """Entries of the lock file for the newest release below `folder`/kubeedge: programs and resource definitions."""
    releases = [path for path in (folder / "kubeedge").glob("v*") if tarballs(path)]
    if not releases:
        return []
    release = max(releases, key=lambda path: engine.order(path.name))
    found = tarballs(release)
    entries = [
        {
            "name": name,
            "kind": "binary",
            "version": release.name,
            "file": "kubeedge/{version}/kubeedge-{version}-linux-{arch}.tar.gz",
            "member": f"kubeedge-{{version}}-linux-{{arch}}/{path}",
            "checksum": "kubeedge/{version}/checksum_kubeedge-{version}-linux-{arch}.tar.gz.txt",
            "architectures": list(found),
            "sha256": {path.name: engine.file_hash(path) for path in found.values()},
        }
        for name, path in PROGRAMS.items()
    ]
    for path in sorted((release / "crds").rglob("*.yaml")):
        entries.append(
            {
                "name": "kubeedge-crd-" + path.stem.lower().replace("_", "-"),
                "kind": "manifest",
                "version": release.name,
                "file": f"kubeedge/{{version}}/{path.relative_to(release).as_posix()}",
                "sha256": {path.name: engine.file_hash(path)},
            }
        )
    return entries
