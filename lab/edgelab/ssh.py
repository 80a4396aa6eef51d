"""The lab's SSH key and known_hosts. Host keys come through Podman, so the first connection is already verified."""

import os

from edgelab import locks, paths
from edgelab.process import run


def ensure_key() -> str:
    """Make the lab's key pair once; returns the public key."""
    paths.SSH.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locks.exclusive(paths.SSH / ".lock"):
        if not paths.SSH_KEY.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "edgeai-lab", "-f", paths.SSH_KEY])
    return paths.SSH_KEY.with_suffix(".pub").read_text().strip()


def remember(keys: dict[str, str]) -> None:
    """Write host keys by address into known_hosts; an empty key forgets the address. Other lines stay."""
    with locks.exclusive(paths.SSH / ".lock"):
        lines = paths.KNOWN_HOSTS.read_text().splitlines() if paths.KNOWN_HOSTS.exists() else []
        text = "".join(f"{line}\n" for line in merge_known_hosts(lines, keys))
        temporary = paths.KNOWN_HOSTS.with_suffix(".new")
        temporary.write_text(text)
        os.replace(temporary, paths.KNOWN_HOSTS)


def merge_known_hosts(lines, keys: dict[str, str]) -> list[str]:
    """Lines of known_hosts with the entries of `keys` (address -> "type base64", or "" to forget) replaced."""
    kept = [line for line in lines if line.split()[:1] and line.split()[0] not in keys]
    return sorted(kept + [f"{address} {key}" for address, key in keys.items() if key])


def command(address: str, *remote: str, options=()) -> list[str]:
    """The argv that logs in to a host as root."""
    return [
        "ssh",
        "-i",
        str(paths.SSH_KEY),
        "-o",
        f"UserKnownHostsFile={paths.KNOWN_HOSTS}",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "GlobalKnownHostsFile=/dev/null",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "ConnectTimeout=5",
        "-o",
        "LogLevel=ERROR",
        *options,
        f"root@{address}",
        *remote,
    ]
