"""The lab's own network: one Podman bridge with fixed addresses per inventory."""

import json
from dataclasses import dataclass

from edgelab import podman
from edgelab.errors import LabError


@dataclass(frozen=True)
class Obstacle:
    """A Podman network with the name or the addresses that a lab needs. `owner` is empty where it is no lab."""

    network: str
    found: str
    owner: str
    disposable: bool


def obstacles(networks: list[dict], fleet) -> list[Obstacle]:
    """What stands in the fleet's way among networks as Podman describes them; its own network does not."""
    found = []
    for network in networks:
        labels = network.get("labels") or {}
        subnets = [subnet["subnet"] for subnet in network.get("subnets") or []]
        owner = labels.get(podman.LABEL_INVENTORY, "")
        named = network["name"] == fleet.network
        if named and owner == str(fleet.directory) and subnets == [fleet.subnet]:
            continue
        if named or fleet.subnet in subnets:
            what = (
                f"lab {fleet.network} already runs with {', '.join(subnets)}"
                if named
                else f"{fleet.subnet} is in use by Podman network {network['name']}"
            )
            found.append(Obstacle(network["name"], what, owner, bool(owner and labels.get(podman.LABEL_DISPOSABLE))))
    return found


def in_the_way(fleet, disposable: bool) -> list[str]:
    """Names of the labs that a disposable lab displaces: disposable ones too, for their hosts were made for one test.

    Raises LabError for whatever may not be displaced.
    """
    found = obstacles(_networks(), fleet)
    for obstacle in found:
        if not (disposable and obstacle.disposable):
            raise LabError(_taken(obstacle.found, obstacle.owner))
    return [obstacle.network for obstacle in found]


def ensure(fleet, disposable: bool = False) -> bool:
    """Create the fleet's network where it is missing; True when it was created."""
    if any(network["name"] == fleet.network for network in _networks()):
        return False
    labels = {podman.LABEL: fleet.network, podman.LABEL_INVENTORY: fleet.directory}
    if disposable:
        labels[podman.LABEL_DISPOSABLE] = "yes"
    podman.call(
        "network",
        "create",
        "--disable-dns",
        "--subnet",
        fleet.subnet,
        "--gateway",
        fleet.gateway,
        *(word for key, value in labels.items() for word in ("--label", f"{key}={value}")),
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
