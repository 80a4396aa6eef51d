"""Debian packages as a source of files: downloaded through this machine's APT, checked by it, and unpacked."""

import os
from pathlib import Path

from edgelab import apt, paths
from edgelab.process import run

SUITE = "bookworm"


def architecture() -> str:
    """This machine's architecture by its Debian name, which is also its OCI name: amd64, arm64."""
    return run(["dpkg", "--print-architecture"]).stdout.strip()


def unpack(packages, target: Path) -> None:
    """Unpack `packages` (without their dependencies) below `target`; downloads are cached."""
    target.mkdir(parents=True, exist_ok=True)
    for path in download(packages):
        run(["dpkg-deb", "--extract", path, target])


def download(packages) -> list[Path]:
    """Files of the packages in the newest version of SUITE, in the order given; downloads only what is new."""
    folder = paths.CACHE / "debs"
    options = _private_apt(folder)
    found = {name: _cached(folder, name) for name in packages}
    missing = [name for name in packages if not found[name]]
    if missing:
        run(["apt-get", *options, "update"], timeout=300)
        run(["apt-get", *options, "download", *missing], cwd=folder, timeout=600)
        found.update({name: _cached(folder, name) for name in missing})
    return [found[name] for name in packages]


def _cached(folder: Path, name: str) -> Path | None:
    return max(folder.glob(f"{name}_*.deb"), default=None, key=lambda path: path.stat().st_mtime)


def _private_apt(folder: Path) -> list[str]:
    """APT options that leave this machine's own package lists alone and read SUITE whatever the machine runs."""
    lists = paths.CACHE / "apt"
    for directory in (folder, lists / "lists/partial", lists / "cache/archives/partial"):
        directory.mkdir(parents=True, exist_ok=True)
    keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
    (lists / "sources.list").write_text(apt.of_this_machine(SUITE).sources(SUITE).replace("deb ", f"deb {keyring}"))
    (lists / "status").touch()
    settings = {
        "Dir::Etc::sourcelist": lists / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": lists / "lists",
        "Dir::State::status": lists / "status",
        "Dir::Cache": lists / "cache",
        "APT::Architecture": architecture(),
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
    }
    return ["-qq", *(part for key, value in settings.items() for part in ("-o", f"{key}={value}"))]
