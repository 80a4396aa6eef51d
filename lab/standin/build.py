#!/usr/bin/env python3
"""Builds the stand-in K3s: one executable zip file per architecture, same bytes for the same sources.

    build.py --out DIR [--version v1.36.5+k3s1.standin]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import packing
import schema_source

DEFAULT_VERSION = "v1.36.5+k3s1.standin"
SHEBANG = b"#!/usr/bin/env python3\n"
MAIN = "from k3s_standin.cli import main\nmain()\n"


def members(packages: Path, build_info: dict) -> dict:
    """name in the zip -> bytes"""
    return packing.with_bytecode({
        "__main__.py": MAIN.encode(), "k3s_standin/data/build.json": json.dumps(build_info).encode(),
        "k3s_standin/data/schema.json": json.dumps(schema_source.derive(packages), sort_keys=True).encode(),
        **packing.sources("k3s_standin"), **packing.sources("standin_common"), **packing.yaml_sources(packages)})


def build(out: Path, version: str) -> list:
    out.mkdir(parents=True, exist_ok=True)
    packages = packing.site_packages()
    written = []
    for file_name, arch in (("k3s", "amd64"), ("k3s-arm64", "arm64")):
        path = out / file_name
        path.unlink(missing_ok=True)
        path.write_bytes(packing.executable(SHEBANG, members(packages, {"version": version, "arch": arch})))
        path.chmod(0o755)
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
