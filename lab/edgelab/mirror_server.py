"""Starting and ending the background process that serves the release mirror to one lab network."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

from edgelab import authority, paths
from edgelab.errors import LabError

PORT = 8443
_START_SECONDS = 10


def url(address: str) -> str:
    """Where hosts find the mirror."""
    return f"https://{address}:{PORT}"


def served(network: str) -> Path:
    """The link to the mirror that a lab instance serves; it may move to another mirror while the server runs."""
    return paths.instance(network) / "mirror"


def ensure(network: str, address: str) -> bool:
    """Serve the instance's mirror on its gateway address; True when the server was started now."""
    if running(network) and _answers(address):
        return False
    stop(network)
    folder = paths.instance(network)
    certificate, key = authority.server(folder, address)
    with (folder / "mirror.log").open("w") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "edgelab.serve",
                "--network",
                network,
                "--directory",
                served(network),
                "--address",
                address,
                "--port",
                str(PORT),
                "--certificate",
                certificate,
                "--key",
                key,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(paths.LAB), "PYTHONDONTWRITEBYTECODE": "1"},
        )
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(address):
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError(
                f"the mirror server does not answer at {url(address)}:\n{(folder / 'mirror.log').read_text()[-1500:]}"
            )
        time.sleep(0.05)
    return True


def stop(network: str) -> bool:
    """End the server of a lab instance; True when there was one."""
    pid = running(network)
    if pid:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while running(network) and time.monotonic() < deadline:
            time.sleep(0.02)
    return bool(pid)


def running(network: str) -> int:
    """Process id of the server of a lab instance, whichever checkout started it; 0 when it does not run."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if "edgelab.serve" in words and network in words:
            return int(entry.parent.name)
    return 0


def _answers(address: str) -> bool:
    context = ssl.create_default_context(cafile=str(authority.ensure()))
    try:
        with socket.create_connection((address, PORT), 1) as plain, context.wrap_socket(plain, server_hostname=address):
            return True
    except OSError:
        return False
