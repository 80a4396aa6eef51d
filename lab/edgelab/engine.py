"""Which K3s the lab installs: files somebody placed, else a downloaded release, else the stand-in.

Every source gives the same thing, a directory with the file names of an upstream release, so that nothing after this
module knows which one it was.
"""

import hashlib
import os
import re
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import yaml

from edgelab import debs, paths
from edgelab.errors import LabError
from edgelab.process import run
from edgelab.progress import step

STANDIN_VERSION = "v1.36.5+k3s1.standin"
BINARIES = ("k3s", "k3s-arm64", "k3s-armhf")
_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)([-+][0-9A-Za-z.+-]+)?")


@dataclass(frozen=True)
class Engine:
    """A K3s release in `directory`; `origin` is EDGEAI_ARTIFACTS, internet or stand-in."""

    version: str
    origin: str
    directory: Path


def choose() -> Engine:
    """The first source that has a K3s."""
    return placed(os.environ.get("EDGEAI_ARTIFACTS", "")) or downloaded() or standin()


def placed(folder: str) -> Engine | None:
    """The newest K3s in `<folder>/k3s/<version>/`, or None when there is no folder or no K3s in it."""
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise LabError(f"EDGEAI_ARTIFACTS={folder} is not a directory; unset it to go on without it")
    found = [path for path in Path(folder, "k3s").glob("v*") if _has_binary(path) and _VERSION.fullmatch(path.name)]
    if not found:
        return None
    newest = max(found, key=lambda path: order(path.name))
    return Engine(newest.name, "EDGEAI_ARTIFACTS", newest)


def order(version: str) -> tuple:
    """Sort key of a K3s version: numbers count as numbers."""
    return tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|[A-Za-z]+", version)
    )


def downloaded() -> Engine | None:
    """The release that `lab fetch` brought, complete or not at all."""
    version = _upstream()["version"]
    folder = paths.CACHE / "upstream" / "k3s" / version
    return Engine(version, "internet", folder) if (folder / ".complete").exists() else None


def standin() -> Engine:
    """The stand-in, built from `lab/standin` when its sources changed."""
    sources = paths.LAB / "standin"
    if not (sources / "build.py").exists():
        raise LabError(
            "no K3s to offer: lab/standin/build.py is missing, EDGEAI_ARTIFACTS is not set, and nothing was fetched"
        )
    folder = paths.CACHE / "standin" / tree_hash(sources)[:12]
    if not _has_binary(folder):
        with step("stand-in K3s") as line:
            line.note = f"{STANDIN_VERSION} built from lab/standin"
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.parent.iterdir():
                if old != folder:
                    shutil.rmtree(old)
            run([sys.executable, sources / "build.py", "--out", folder, "--version", STANDIN_VERSION], timeout=300)
    if not _has_binary(folder):
        raise LabError(f"lab/standin/build.py ended well but wrote no k3s to {folder}")
    return Engine(STANDIN_VERSION, "stand-in", folder)


def fetch() -> Path:
    """Download the release named in upstream.yml for this machine's architecture; resumes; returns its directory."""
    release = _upstream()
    folder = paths.CACHE / "upstream" / "k3s" / release["version"]
    folder.mkdir(parents=True, exist_ok=True)
    for name in release["files"].get(debs.architecture(), []):
        url = release["url"].format(version=urllib.parse.quote(release["version"], safe=""), file=name)
        with step(name) as line:
            line.note = "there" if (folder / name).exists() else f"from {urllib.parse.urlsplit(url).hostname}"
            if not (folder / name).exists():
                _download(url, folder / name)
    check_sums(folder)
    (folder / ".complete").touch()
    return folder


def check_sums(folder: Path) -> None:
    """Compare files with the checksum files that lie beside them. Raises LabError for the first that differs."""
    for sums in sorted(folder.glob("sha256sum-*.txt")):
        for line in sums.read_text().splitlines():
            expected, _, name = line.partition("  ")
            path = folder / Path(name.strip()).name
            if path.is_file() and file_hash(path) != expected:
                raise LabError(
                    f"{path} is damaged: its sha256 is not the one in {sums.name}. Remove it and get it again"
                )


def file_hash(path: Path) -> str:
    """sha256 of a file's content, as hex digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def tree_hash(*roots: Path) -> str:
    """sha256 over names and contents of all files below the roots, without Python's caches."""
    total = hashlib.sha256()
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(root)}\0{path.stat().st_mode & 0o111}\0{file_hash(path)}\n".encode())
    return total.hexdigest()


def _upstream() -> dict:
    return yaml.safe_load((paths.LAB / "upstream.yml").read_text())["k3s"]


def _has_binary(folder: Path) -> bool:
    return any((folder / name).is_file() and (folder / name).stat().st_size for name in BINARIES)


def _download(url: str, target: Path) -> None:
    part = target.with_name(target.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer, part.open(
            "ab" if answer.status == 206 else "wb"
        ) as out:
            while block := answer.read(1 << 20):
                out.write(block)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise LabError(
            f"cannot download {url}: {reason}. Offline? Then put the release's files into a directory "
            f"<dir>/k3s/{_upstream()['version']}/ and set EDGEAI_ARTIFACTS=<dir>, or go on with the stand-in"
        ) from None
    os.replace(part, target)
