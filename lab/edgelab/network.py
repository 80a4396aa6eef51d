"""The lab's own network: one Podman bridge with fixed addresses per inventory."""

import json

from edgelab import podman
from edgelab.errors import LabError


def ensure(fleet) -> bool:
    """Create the fleet's network where it is missing; True when it was created.

    Raises LabError when its name or its addresses belong to something else.
    """
    for network in _networks():
        subnets = [subnet["subnet"] for subnet in network.get("subnets") or []]
        owner = (network.get("labels") or {}).get(podman.LABEL_INVENTORY)
        if network["name"] == fleet.network:
            if owner != str(fleet.directory) or subnets != [fleet.subnet]:
                raise LabError(_taken(f"lab {fleet.network} already runs with {', '.join(subnets)}", owner))
            return False
        if fleet.subnet in subnets:
            raise LabError(_taken(f"{fleet.subnet} is in use by Podman network {network['name']}", owner))
    podman.call(
        "network",
        "create",
        "--disable-dns",
        "--subnet",
        fleet.subnet,
        "--gateway",
        fleet.gateway,
        "--label",
        f"{podman.LABEL}={fleet.network}",
        "--label",
        f"{podman.LABEL_INVENTORY}={fleet.directory}",
        fleet.network,
    )
    return True


def remove(name: str) -> bool:
    """Remove the network of a lab instance; True when it was there. Never touches a network without the lab's label."""
    if not any(network["name"] == name and podman.LABEL in (network.get("labels") or {}) for network in _networks()):
        return False
    podman.call("network", "rm", name)
    return True


def _taken(what: str, owner) -> str:
    remedy = f"`lab down {owner}` removes it" if owner else "remove it, or give the fleet other addresses"
    return f"{what}, started from {owner or 'elsewhere'}; {remedy}"


def _networks() -> list[dict]:
    names = podman.call("network", "ls", "--quiet").stdout.split()
    return json.loads(podman.call("network", "inspect", *names).stdout) if names else []
