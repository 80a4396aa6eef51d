"""Reading `fleet.yml` far enough for the lab: which hosts, which addresses, which network.

The full schema belongs to the inventory plugin. The lab only needs names and addresses and must work without Ansible.
"""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from edgelab.errors import LabError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Host:
    """One host of the lab; `gpu` is none, dgpu or tegra."""

    name: str
    address: str
    runtime: str
    gpu: str
    site: str


@dataclass(frozen=True)
class Fleet:
    """The hosts of one inventory and the network they share."""

    name: str
    directory: Path
    subnet: str
    hosts: tuple[Host, ...]

    @property
    def network(self) -> str:
        """Name of the Podman network, and of the lab instance."""
        return f"edgelab-{self.name}"

    @property
    def gateway(self) -> str:
        """Address of this machine on the lab network, where the release mirror listens."""
        return str(ipaddress.ip_network(self.subnet)[1])


def load(directory) -> Fleet:
    """Read `<directory>/fleet.yml`. Raises LabError for whatever the lab cannot work with."""
    directory = Path(directory).resolve()
    path = directory if directory.is_file() else directory / "fleet.yml"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LabError(
            f"no fleet.yml in {directory}: give the directory of an inventory, for example inventories/demo"
        ) from None
    except yaml.YAMLError as error:
        raise LabError(f"{path} is not YAML: {error}") from None
    return parse(data, path)


def parse(data, path: Path) -> Fleet:
    """Turn the parsed document into a Fleet. `path` is only named in errors. Nodes without an address are left out."""
    if not isinstance(data, dict):
        raise LabError(f"{path}: expected a mapping with `fleet` and `sites`, found {type(data).__name__}")
    name = str(data.get("fleet") or "")
    if not _NAME.fullmatch(name):
        raise LabError(f"{path}: `fleet: {name}` cannot name a lab; use lower case letters, digits and dashes")
    hosts = tuple(_hosts(data, path))
    if not hosts:
        raise LabError(f"{path}: no node has an address, so there is nothing to start")
    _refuse_duplicates(hosts, path)
    return Fleet(name=name, directory=path.parent, subnet=_subnet(hosts, path), hosts=hosts)


def _hosts(data, path):
    groups = [(site.get("name", "?"), site) for site in data.get("sites") or []]
    if data.get("cloud"):
        groups.append(("cloud", data["cloud"]))
    for site, group in groups:
        nodes = group.get("nodes") if isinstance(group, dict) else group
        for node in nodes or []:
            name = str(node.get("name") or "")
            if not _NAME.fullmatch(name):
                raise LabError(f"{path}: node name `{name}` in site {site} is not a host name (RFC 1123)")
            if node.get("address"):
                yield Host(
                    name, str(node["address"]), str(node.get("runtime", "")), str(node.get("gpu", "none")), str(site)
                )


def _refuse_duplicates(hosts, path):
    for what in ("name", "address"):
        seen = {}
        for host in hosts:
            value = getattr(host, what)
            if value in seen:
                raise LabError(f"{path}: {what} {value} is used by {seen[value]} and {host.name}")
            seen[value] = host.name


def _subnet(hosts, path) -> str:
    networks = set()
    for host in hosts:
        try:
            address = ipaddress.IPv4Address(host.address)
        except ValueError:
            raise LabError(f"{path}: address {host.address} of {host.name} is not an IPv4 address") from None
        if not address.is_private or address.is_loopback:
            raise LabError(
                f"{path}: address {address} of {host.name} is not private; the lab only makes private networks"
            )
        if int(address) & 0xFF in (0, 1, 255):
            raise LabError(f"{path}: address {address} of {host.name} is taken by the network itself (.0, .1, .255)")
        networks.add(str(ipaddress.ip_network(f"{address}/24", strict=False)))
    if len(networks) > 1:
        raise LabError(f"{path}: the lab puts all hosts on one /24, found {', '.join(sorted(networks))}")
    return networks.pop()
