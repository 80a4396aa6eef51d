#!/usr/bin/env python3
"""Builds the stand-in KubeEdge: release tarballs laid out like upstream's, same bytes for the same sources.

    build_kubeedge.py --out DIR [--version v1.23.1]
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import packing

DEFAULT_VERSION = "v1.23.1"
ARCHITECTURES = ("amd64", "arm64")
SHEBANG = b"#!/usr/bin/python3\n"
# Where upstream's tarball has them, and the module that each runs.
PROGRAMS = {"edge/edgecore": "edgecore", "cloud/cloudcore/cloudcore": "cloudcore"}


def members(packages: Path, build_info: dict, program: str) -> dict:
    """name in the zip -> bytes"""
    return packing.with_bytecode({
        "__main__.py": f"from kubeedge_standin.{program}.cli import main\nmain()\n".encode(),
        "kubeedge_standin/build.json": json.dumps(build_info).encode(),
        **packing.sources("kubeedge_standin"), **packing.sources("standin_common"), **packing.yaml_sources(packages)})


def tarball(packages: Path, version: str, architecture: str) -> bytes:
    """The bytes of one release tarball."""
    folder = f"kubeedge-{version}-linux-{architecture}"
    build_info = {"version": version, "arch": architecture}
    files = {f"{folder}/version": (version.encode(), 0o644)}
    for path, program in PROGRAMS.items():
        files[f"{folder}/{path}"] = (packing.executable(SHEBANG, members(packages, build_info, program)), 0o755)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, 0
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)


def build(out: Path, version: str) -> list:
    """Writes the tarballs and their checksum files; returns the tarballs."""
    out.mkdir(parents=True, exist_ok=True)
    packages = packing.site_packages()
    written = []
    for architecture in ARCHITECTURES:
        path = out / f"kubeedge-{version}-linux-{architecture}.tar.gz"
        content = tarball(packages, version, architecture)
        path.write_bytes(content)
        path.with_name(f"checksum_{path.name}.txt").write_text(hashlib.sha512(content).hexdigest())
        written.append(path)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--version", default=DEFAULT_VERSION)
    args = parser.parse_args()
    for path in build(args.out, args.version):
        print(path)


if __name__ == "__main__":
    main()
