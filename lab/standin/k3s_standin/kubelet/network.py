"""Pod network: bridge cni0, one network namespace and address per pod, routes to the other nodes (host-gw)."""

from __future__ import annotations

import ipaddress
import os
import subprocess
from pathlib import Path

from standin_common import pki

ALLOCATIONS = Path("/var/lib/cni/networks/cbr0")
SUBNET_ENV = Path("/run/flannel/subnet.env")
API_SERVICE = "10.43.0.1/32"
CLUSTER = "10.42.0.0/16"


class NetworkError(Exception):
    pass


def _ip(*commands, tolerant=False):
    """Several ip(8) commands in one process."""
    arguments = ["ip", "-force", "-batch", "-"] if tolerant else ["ip", "-batch", "-"]
    done = subprocess.run(arguments, input="\n".join(commands) + "\n", capture_output=True, text=True)
    if done.returncode and not tolerant:
        raise NetworkError(done.stderr.strip() or "ip failed")


class PodNetwork:
    def __init__(self):
        self.cidr = None
        self._routes = {}

    def configure(self, cidr, backend):
        """Sets up the bridge for this node's pods."""
        if cidr == self.cidr:
            return
        network = ipaddress.ip_network(cidr)
        gateway = f"{network[1]}/{network.prefixlen}"
        ALLOCATIONS.mkdir(parents=True, exist_ok=True)
        if not os.path.exists("/sys/class/net/cni0"):
            _ip("link add cni0 type bridge", "link set cni0 up")
        elif not os.listdir("/sys/class/net/cni0/brif"):
            _ip("addr flush dev cni0")  # a former range; where pods still have it, it stays beside the new one
        _ip(f"addr replace {gateway} dev cni0")
        try:
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        except OSError:
            pass
        self._masquerade(cidr)
        SUBNET_ENV.parent.mkdir(parents=True, exist_ok=True)
        pki.write_file(SUBNET_ENV, f"FLANNEL_NETWORK={CLUSTER}\nFLANNEL_SUBNET={gateway}\nFLANNEL_MTU=1500\n"
                       "FLANNEL_IPMASQ=true\n", 0o644)
        self.cidr = cidr
        self._free_unused()

    @staticmethod
    def _masquerade(cidr):
        rule = ["POSTROUTING", "-s", cidr, "!", "-d", CLUSTER, "-j", "MASQUERADE"]
        check = subprocess.run(["iptables", "-w", "2", "-t", "nat", "-C", *rule], capture_output=True)
        if check.returncode:
            subprocess.run(["iptables", "-w", "2", "-t", "nat", "-A", *rule], capture_output=True)

    @staticmethod
    def publish_api(address, port):
        """The one Service that has somebody behind it: that of the API."""
        for chain in ("PREROUTING", "OUTPUT"):
            rule = [chain, "-d", API_SERVICE, "-p", "tcp", "--dport", "443", "-j", "DNAT", "--to-destination", f"{address}:{port}"]
            if subprocess.run(["iptables", "-w", "2", "-t", "nat", "-C", *rule], capture_output=True).returncode:
                subprocess.run(["iptables", "-w", "2", "-t", "nat", "-A", *rule], capture_output=True)

    def set_routes(self, wanted):
        """wanted: {pod CIDR of another node: node address}"""
        for cidr, address in wanted.items():
            if self._routes.get(cidr) != address:
                _ip(f"route replace {cidr} via {address}", tolerant=True)
        for cidr in set(self._routes) - set(wanted):
            _ip(f"route del {cidr}", tolerant=True)
        self._routes = dict(wanted)

    def add_pod(self, sandbox):
        """A namespace with an address for this sandbox. -> (netns path, IP)"""
        if self.cidr is None:
            raise NetworkError("plugin type=\"flannel\" failed (add): failed to load flannel 'subnet.env' file: open "
                               "/run/flannel/subnet.env: no such file or directory")
        address = self._allocate(sandbox)
        network = ipaddress.ip_network(self.cidr)
        name, host_side = f"cni-{sandbox[:12]}", f"veth{sandbox[:8]}"
        try:
            _ip(f"netns add {name}")
            _ip(f"link add {host_side} type veth peer name eth0 netns {name}",
                f"link set {host_side} master cni0 up")
            done = subprocess.run(["ip", "-n", name, "-batch", "-"], capture_output=True, text=True, input=(
                f"link set lo up\naddr add {address}/{network.prefixlen} dev eth0\nlink set eth0 up\n"
                f"route add default via {network[1]}\n"))
            if done.returncode:
                raise NetworkError(done.stderr.strip())
        except NetworkError:
            self.remove_pod(sandbox, address)
            raise
        return f"/run/netns/{name}", address

    def remove_pod(self, sandbox, address):
        _ip(f"netns del cni-{sandbox[:12]}", f"link del veth{sandbox[:8]}", tolerant=True)
        if address:
            (ALLOCATIONS / address).unlink(missing_ok=True)

    def _allocate(self, sandbox):
        network = ipaddress.ip_network(self.cidr)
        last = ALLOCATIONS / "last_reserved_ip.0"
        try:
            start = int(ipaddress.ip_address(last.read_text())) - int(network[0]) + 1
        except (OSError, ValueError):
            start = 2
        size = network.num_addresses
        for offset in range(size):
            index = (start + offset) % size
            if index < 2 or index >= size - 1:
                continue
            address = str(network[index])
            try:
                descriptor = os.open(ALLOCATIONS / address, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                continue
            os.write(descriptor, sandbox.encode())
            os.close(descriptor)
            last.write_text(address)
            return address
        raise NetworkError(f"failed to allocate for range 0: no IP addresses available in range set: {self.cidr}")

    @staticmethod
    def _free_unused():
        """After a reboot the namespaces are gone, and so are their addresses."""
        for file in ALLOCATIONS.iterdir():
            if file.name[0].isdigit() and not os.path.exists(f"/run/netns/cni-{file.read_text()[:12]}"):
                file.unlink(missing_ok=True)
