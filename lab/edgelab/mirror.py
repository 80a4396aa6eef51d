"""The release mirror: a directory laid out like upstream's releases, with checksums and a lock file."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import yaml

from edgelab import airgap, authority, debs, edgemesh, engine, gpu_images, images, kubeedge, locks, packages, paths
from edgelab.errors import LabError
from edgelab.progress import say, step

CONTAINER_PACKAGES = ("containerd", "runc", "containernetworking-plugins")
_MIRRORS = paths.STATE / "mirrors"
_PACKAGES = ("nvidia", "debian")
# Upstream's names: armhf files are summed in sha256sum-arm.txt.
_ARCHITECTURE = re.compile(r"k3s(?:-(?P<binary>arm64|armhf))?|k3s-airgap-images-(?P<images>amd64|arm64|arm)\..+")


def ensure(*links: Path, force: bool = False) -> None:
    """Build a mirror of what this machine has now, unless it is there; `.lab/mirror` and `links` lead to it.

    A mirror never changes after it was built: links move to a new one in one step, so a server never shows half of it,
    and labs that were started with different engines keep theirs.
    """
    with locks.exclusive(paths.STATE / "mirror.lock", "builds the mirror"), step("release mirror") as line:
        chosen, edge = engine.choose(), kubeedge.choose()
        current = _MIRRORS / _fingerprint(chosen, edge)
        line.note = f"K3s {chosen.version} ({chosen.origin}), KubeEdge {edge.version} ({edge.origin})"
        if force or not (current / "engine.json").exists():
            _build(chosen, edge, current)
            line.note += ", built"
        for path in (paths.MIRROR, *links):
            _link(path, current)
        _remove_unused()


def described(folder: Path) -> str:
    """What a mirror offers, for people."""
    try:
        found = json.loads((folder / "engine.json").read_text())
    except FileNotFoundError:
        return "nothing; `lab up` repairs it"
    names = {"k3s": "K3s", "kubeedge": "KubeEdge"}
    return ", ".join(f"{name} {found[key]['version']} ({found[key]['origin']})" for key, name in names.items())


def architecture_of(name: str) -> str:
    """The architecture whose checksum file lists this K3s file: amd64, arm64 or arm; empty for other files."""
    match = _ARCHITECTURE.fullmatch(name)
    if not match:
        return ""
    return match["images"] or {"arm64": "arm64", "armhf": "arm"}.get(match["binary"], "amd64")


def lock(folder: Path) -> dict:
    """The lock document for a mirror's directory: every artifact with exact version and sha256 by file name."""
    artifacts = []
    releases = sorted((folder / "k3s").iterdir(), key=lambda path: engine.order(path.name))
    newest = releases[-1]
    artifacts.append(
        {
            "name": "k3s",
            "kind": "k3s",
            "version": newest.name,
            "sha256": {
                path.name: engine.file_hash(path) for path in sorted(newest.iterdir()) if architecture_of(path.name)
            },
        }
    )
    found: dict[tuple, dict] = {}
    for path in sorted((folder / "images").glob("*.tar")):
        name, version, _ = path.stem.rsplit("-", 2)
        found.setdefault((name, version), {})[path.name] = engine.file_hash(path)
    for (name, version), sums in found.items():
        artifacts.append(
            {
                "name": name,
                "kind": "image",
                "version": version,
                "file": f"images/{name}-{version}-{{arch}}.tar",
                "sha256": sums,
            }
        )
    package_entries = [entry for name in _PACKAGES for entry in _package_entries(folder / name)]
    return {"schema": 1, "artifacts": [*artifacts, *kubeedge.lock_entries(folder), *edgemesh.lock_entries(folder), *package_entries]}


def _package_entries(folder: Path) -> list[dict]:
    found: dict[tuple, dict] = {}
    for path in sorted([*folder.glob("*.deb"), *folder.glob("*.rpm")]):
        name, version, architecture = packages.split(path.name)
        entry = found.setdefault((name, version, path.suffix), {"architectures": [], "sha256": {}})
        entry["architectures"].append(architecture)
        entry["sha256"][path.name] = engine.file_hash(path)
    return [
        {
            "name": name,
            "kind": "package",
            "version": version,
            "file": f"{folder.name}/" + ("{name}_{version}_{arch}.deb" if suffix == ".deb" else "{name}-{version}.{arch}.rpm"),
            # NVIDIA makes none for 32-bit ARM; without the list a fleet with such a node could build no bundle.
            **entry,
        }
        for (name, version, suffix), entry in found.items()
    ]


def _fingerprint(chosen: engine.Engine, edge: kubeedge.Release) -> str:
    """Names a mirror's content by everything it is made from."""
    placed = os.environ.get("EDGEAI_ARTIFACTS", "")
    parts = [
        repr((chosen.version, chosen.origin, edge.version, edge.origin)),
        engine.tree_hash(paths.LAB / "edgelab", paths.LAB / "inference", paths.LAB / "gpu"),
        engine.file_hash(gpu_images.MESSAGES),
        engine.tree_hash(paths.LAB / "standin/edgemesh_standin"),
    ]
    for root in (chosen.directory, edge.directory, *([Path(placed)] if placed else [])):
        parts += [
            f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}"
            for path in sorted(root.rglob("*"))
            if path.is_file()
        ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _build(chosen: engine.Engine, edge: kubeedge.Release, target: Path) -> None:
    _MIRRORS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edgelab-mirror-", dir=_MIRRORS) as scratch:
        new = Path(scratch) / "mirror"
        (new / "images").mkdir(parents=True)
        golden = images.ensure(new / "images")
        gpu_images.ensure(new / "images")
        placed = os.environ.get("EDGEAI_ARTIFACTS", "")
        if placed:
            _copy(Path(placed), new)
        release = new / "k3s" / chosen.version
        _copy(chosen.directory, release)
        engine.check_sums(release)
        _add_system_images(release)
        _copy(edge.directory, new / "kubeedge" / edge.version)
        kubeedge.complete(new / "kubeedge" / edge.version)
        kubeedge.write_images(new / "kubeedge" / edge.version, edge.version, new / "images")
        edgemesh.ensure(new)
        _write_sums(release, architecture_of)
        _write_sums(
            new / "images", lambda name: name.removesuffix(".tar").rpartition("-")[2] if name.endswith(".tar") else ""
        )
        packages.ensure(new / "nvidia")
        _copy_debian_packages(new / "debian")
        for name in _PACKAGES:
            _write_sums(new / name, lambda name: packages.split(name)[2] if name.endswith((".deb", ".rpm")) else "")
        _write(
            new / "bundle.lock.yml",
            "# What this mirror offers. Written by the lab.\n" + yaml.safe_dump(lock(new), sort_keys=False, width=150),
        )
        _write(new / "golden.json", json.dumps(golden, indent=2, sort_keys=True) + "\n")
        shutil.copyfile(authority.ensure(), new / "ca.crt")
        _write(
            new / "engine.json",
            json.dumps(
                {name: {"version": it.version, "origin": it.origin} for name, it in (("k3s", chosen), ("kubeedge", edge))},
                indent=2,
            )
            + "\n",
        )
        shutil.rmtree(target, ignore_errors=True)
        os.replace(new, target)


def _copy_debian_packages(folder: Path) -> None:
    """The container engine of hosts that run EdgeCore, as Debian has it for the hosts' release."""
    folder.mkdir(exist_ok=True)
    for path in debs.download(CONTAINER_PACKAGES):
        if not any(folder.glob(f"{path.name.partition('_')[0]}_*")):
            shutil.copyfile(path, folder / path.name)


def _add_system_images(release: Path) -> None:
    """A pause image where the release came without its air-gap images, for the architecture that can be built here."""
    native = debs.architecture()
    present = [path for path in release.glob(f"k3s-airgap-images-{native}.*")]
    if not present:
        binaries = [release / name for name in engine.BINARIES if (release / name).exists()]
        airgap.write(release / f"k3s-airgap-images-{native}.tar.zst", native, binaries)


def _write_sums(folder: Path, architecture) -> None:
    lines: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        if architecture(path.name):
            lines.setdefault(architecture(path.name), []).append(f"{engine.file_hash(path)}  {path.name}\n")
    for name, content in lines.items():
        _write(folder / f"sha256sum-{name}.txt", "".join(content))


def _copy(source: Path, target: Path) -> None:
    """Copy a tree, never link it: whoever damages a file of the mirror on purpose must not damage its source."""
    for path in sorted(source.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(".part"):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _link(path: Path, mirror: Path) -> None:
    """Make `path` lead to a mirror's directory."""
    if path.is_dir() and not path.is_symlink():
        raise LabError(f"{path} is a directory of somebody else; move it away")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name("mirror.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(mirror, path.parent))
    os.replace(temporary, path)


def _remove_unused() -> None:
    used = {path.resolve() for path in (paths.MIRROR, *paths.STATE.glob("*/mirror"))}
    for folder in _MIRRORS.iterdir():
        if folder.resolve() not in used:
            shutil.rmtree(folder, ignore_errors=True)
