"""Executable zip files: the same bytes for the same sources."""

from __future__ import annotations

import importlib.util
import io
import marshal
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
EPOCH = (1980, 1, 1, 0, 0, 0)


def site_packages() -> Path:
    """The folder that holds the PyYAML and kubernetes packages: this interpreter's, or the repository's .venv."""
    found = importlib.util.find_spec("kubernetes")
    if found and found.origin:
        return Path(found.origin).parent.parent
    candidates = sorted((HERE.parent.parent / ".venv" / "lib").glob("python3*/site-packages"))
    if not candidates:
        raise SystemExit("this needs the packages PyYAML and kubernetes: run it with the repository's .venv")
    return candidates[-1]


def sources(package: str) -> dict:
    """name in the zip -> bytes, of one package beside this file"""
    return {str(path.relative_to(HERE)): path.read_bytes() for path in sorted((HERE / package).rglob("*"))
            if path.suffix in (".py", ".json", ".txt") and "__pycache__" not in path.parts}


def yaml_sources(packages: Path) -> dict:
    """name in the zip -> bytes, of PyYAML's pure Python"""
    return {f"yaml/{path.name}": path.read_bytes() for path in sorted((packages / "yaml").glob("*.py"))}


def with_bytecode(files: dict) -> dict:
    """The files, and beside each Python source its byte code: hash-based and unchecked, so it starts fast."""
    compiled = {name + "c": _bytecode(name, source) for name, source in files.items() if name.endswith(".py")}
    return {**files, **compiled}


def _bytecode(name: str, source: bytes) -> bytes:
    header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    return header + marshal.dumps(compile(source, name, "exec", dont_inherit=True))


def executable(shebang: bytes, files: dict) -> bytes:
    """The bytes of a zip file that the program in `shebang` runs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, files[name])
    return shebang + buffer.getvalue()
