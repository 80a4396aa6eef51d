#!/usr/bin/env python3
"""Builds the stand-in K3s: one executable zip file per architecture, same bytes for the same sources.

    build.py --out DIR [--version v1.36.5+k3s1.standin]
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import marshal
import sys
import zipfile
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import schema_source

DEFAULT_VERSION = "v1.36.5+k3s1.standin"
SHEBANG = b"#!/usr/bin/env python3\n"
MAIN = "from k3s_standin.cli import main\nmain()\n"
EPOCH = (1980, 1, 1, 0, 0, 0)


def site_packages() -> Path:
    """The folder that holds the PyYAML and kubernetes packages: this interpreter's, or the repository's .venv."""
    found = importlib.util.find_spec("kubernetes")
    if found and found.origin:
        return Path(found.origin).parent.parent
    candidates = sorted((HERE.parent.parent / ".venv" / "lib").glob("python3*/site-packages"))
    if not candidates:
        raise SystemExit("build.py: needs the packages PyYAML and kubernetes: run it with the repository's .venv")
    return candidates[-1]


def members(packages: Path, build_info: dict) -> dict:
    """name in the zip -> bytes"""
    files = {"__main__.py": MAIN.encode(), "k3s_standin/data/build.json": json.dumps(build_info).encode()}
    for path in sorted((HERE / "k3s_standin").rglob("*")):
        if path.suffix in (".py", ".json", ".txt") and "__pycache__" not in path.parts:
            files[str(path.relative_to(HERE))] = path.read_bytes()
    for path in sorted((packages / "yaml").glob("*.py")):
        files[f"yaml/{path.name}"] = path.read_bytes()
    files["k3s_standin/data/schema.json"] = json.dumps(schema_source.derive(packages), sort_keys=True).encode()
    for name in [n for n in files if n.endswith(".py")]:
        files[name + "c"] = _bytecode(name, files[name])
    return files


def _bytecode(name: str, source: bytes) -> bytes:
    """Hash-based, unchecked byte code: starts fast, and does not depend on time stamps."""
    header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    return header + marshal.dumps(compile(source, name, "exec", dont_inherit=True))


def write_executable(path: Path, files: dict) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, files[name])
    path.write_bytes(SHEBANG + buffer.getvalue())
    path.chmod(0o755)


def build(out: Path, version: str) -> list:
    out.mkdir(parents=True, exist_ok=True)
    packages = site_packages()
    written = []
    for file_name, arch in (("k3s", "amd64"), ("k3s-arm64", "arm64")):
        path = out / file_name
        path.unlink(missing_ok=True)
        write_executable(path, members(packages, {"version": version, "arch": arch}))
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
