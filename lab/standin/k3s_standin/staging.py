"""Like the real k3s, the program unpacks itself into the data directory and runs from there, so that the file in
/usr/local/bin may be replaced while it runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from pathlib import Path

from standin_common import host, log

_MARK = "_K3S_STAGED"


def run_from_data_dir(data_dir, role):
    """Copies this executable to data/<sha256>/bin and executes it there; returns when that is where we run."""
    source = Path(sys.argv[0]).resolve()
    if os.environ.pop(_MARK, None) == "1" or not source.is_file():
        return
    content = source.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    base = data_dir / "data"
    target = base / digest
    if not (target / "bin" / "k3s").is_file():
        base.mkdir(mode=0o755, parents=True, exist_ok=True)
        log.info(f"Acquiring lock file {base / '.lock'}")
        descriptor = os.open(base / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        log.info(f"Preparing data dir {target}")
        _unpack(source, target, base, digest)
        os.close(descriptor)
    if host.is_noexec(target):
        log.fatal(f'Error: exec: "k3s-{role}": executable file not found in $PATH')
    os.environ[_MARK] = "1"
    os.execv(sys.executable, [sys.executable, str(target / "bin" / "k3s"), *sys.argv[1:]])


def _unpack(source, target, base, digest):
    temporary = base / f"{digest}-tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / "bin").mkdir(parents=True)
    (temporary / "etc").mkdir()
    shutil.copyfile(source, temporary / "bin" / "k3s")
    os.chmod(temporary / "bin" / "k3s", 0o755)
    for link in ("k3s-server", "k3s-agent", "kubectl", "crictl", "ctr", "cni", "containerd"):
        os.symlink("k3s", temporary / "bin" / link)
    os.rename(temporary, target)
    current = base / "current"
    if current.is_symlink():
        previous = base / "previous"
        previous.unlink(missing_ok=True)
        os.symlink(os.readlink(current), previous)
        current.unlink()
    os.symlink(target, current)
    (base / "cni").mkdir(exist_ok=True)
    (base / "cni" / "cni").unlink(missing_ok=True)
    os.symlink(target / "bin" / "cni", base / "cni" / "cni")
