"""What this machine is, as far as it decides how hosts must be started."""

import os
import resource
import socket
from dataclasses import dataclass
from pathlib import Path

_CAP_SYS_RESOURCE = 24
_LOOPBACK = ("127.", "::1")


@dataclass(frozen=True)
class Machine:
    """`cgroup` is v1 (hybrid too: its controllers are there) or v2; limits are this process's hard limits."""

    cgroup: str
    may_raise_limits: bool
    nofile: int
    nproc: int


def inspect() -> Machine:
    """Look at the machine that this process runs on."""
    return Machine(
        cgroup="v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1",
        may_raise_limits=_has_capability(_CAP_SYS_RESOURCE),
        nofile=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        nproc=resource.getrlimit(resource.RLIMIT_NPROC)[1],
    )


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def nameservers() -> list[str]:
    """Resolvers of this machine that a host in its own network can reach."""
    for path in ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"):
        if os.path.exists(path):
            lines = [line.split() for line in Path(path).read_text().splitlines()]
            found = [parts[1] for parts in lines if parts[:1] == ["nameserver"] and not parts[1].startswith(_LOOPBACK)]
            if found:
                return found
    return []


def ssh_answers(address: str, timeout: float = 0.5) -> bool:
    """True when something at port 22 of `address` speaks SSH."""
    try:
        with socket.create_connection((address, 22), timeout) as connection:
            connection.settimeout(timeout)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
