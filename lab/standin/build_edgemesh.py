#!/usr/bin/env python3
"""Builds the stand-in for EdgeMesh's agent: one executable file, same bytes for the same sources.

    build_edgemesh.py --out FILE
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import packing

SHEBANG = b"#!/usr/bin/python3\n"
MAIN = b"from edgemesh_standin.agent import main\nmain()\n"


def program() -> bytes:
    """The executable's bytes."""
    return packing.executable(SHEBANG, packing.with_bytecode({
        "__main__.py": MAIN, **packing.sources("edgemesh_standin"), **packing.yaml_sources(packing.site_packages())}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.write_bytes(program())


if __name__ == "__main__":
    main()
