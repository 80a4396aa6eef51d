# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files of a Linux host, from text to data. Pure: no I/O.

Every function takes the whole text of one file and never raises on lines that it does not know: kernels and
distributions add columns and keys.
"""
from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
import socket
import struct

_TCP_LISTEN = "0A"
_ROUTE_UP = 0x1
_ROUTE_REJECT = 0x200

#: Keys of K3s' config.yaml whose values are evidence. All other values stay on the host: some are secrets.
K3S_CONFIG_VALUES = (
    "cluster-init", "data-dir", "flannel-backend", "flannel-iface", "node-ip", "node-name", "resolv-conf", "selinux", "server",
)


def os_release(text):
    """``/etc/os-release`` -> ``{"id", "version_id", "id_like", "pretty_name"}``, missing keys as empty strings."""
    found = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator:
            found[key] = value.strip().strip("\"'")
    return {key: found.get(key.upper(), "") for key in ("id", "version_id", "id_like", "pretty_name")}


def memory(text):
    """``/proc/meminfo`` -> ``{"total_bytes", "available_bytes", "swap_bytes"}``, 0 where the kernel does not say."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"(\w+):\s+(\d+) kB", line)
        if match:
            found[match.group(1)] = int(match.group(2)) * 1024
    return {
        "total_bytes": found.get("MemTotal", 0),
        "available_bytes": found.get("MemAvailable", 0),
        "swap_bytes": found.get("SwapTotal", 0),
    }


def mounts(text):
    """``/proc/self/mounts`` -> ``[{"mount", "fstype", "options": [..]}]`` in mount order."""
    result = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 4:
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), fields[1])
            result.append({"mount": point, "fstype": fields[2], "options": fields[3].split(",")})
    return result


def mount_of(path, table):
    """The entry of ``mounts()`` that holds an absolute ``path``; the last one wins, as in the kernel. None if none does."""
    best = None
    for entry in table:
        point = entry["mount"].rstrip("/") + "/"
        if (path.rstrip("/") + "/").startswith(point) and (best is None or len(point) >= len(best["mount"].rstrip("/") + "/")):
            best = entry
    return best


def enabled_v1_controllers(text):
    """``/proc/cgroups`` -> sorted names of enabled controllers."""
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return sorted(row[0] for row in rows if len(row) == 4 and row[3] == "1")


def listeners(text):
    """``/proc/net/tcp`` or ``tcp6`` -> ``[{"address", "port", "inode"}]`` of the sockets that listen."""
    result = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != _TCP_LISTEN:
            continue
        address, _separator, port = fields[1].partition(":")
        result.append({"address": _kernel_address(address), "port": int(port, 16), "inode": fields[9]})
    return result


def _kernel_address(digits):
    """The kernel prints addresses as 32-bit words in the byte order of the machine; all of ours are little-endian."""
    words = [digits[start:start + 8] for start in range(0, len(digits), 8)]
    packed = b"".join(struct.pack("<I", int(word, 16)) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def nameservers(text):
    """``resolv.conf`` -> its nameservers in order, as written."""
    rows = (line.split() for line in text.splitlines())
    return [row[1] for row in rows if len(row) >= 2 and row[0] == "nameserver"]


def usable_nameservers(servers):
    """What K3s may hand to pods, by its own rule: all of them, or none when any is loopback, link-local or no address."""
    for server in servers:
        try:
            address = ipaddress.ip_address(server.partition("%")[0])
        except ValueError:
            return []
        if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
            return []
    return list(servers)


def default_routes_v4(text):
    """``/proc/net/route`` -> ``[{"interface", "gateway", "metric"}]`` of the default routes that are up."""
    result = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[1] != "00000000" or fields[7] != "00000000":
            continue
        if int(fields[3], 16) & _ROUTE_UP and not int(fields[3], 16) & _ROUTE_REJECT:
            result.append({"interface": fields[0], "gateway": _kernel_address(fields[2]), "metric": int(fields[6])})
    return result


def default_routes_v6(text):
    """``/proc/net/ipv6_route`` -> the same for IPv6, without the kernel's own reject route on ``lo``."""
    result = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 10 or fields[0] != "0" * 32 or fields[1] != "00" or fields[9] == "lo":
            continue
        if int(fields[8], 16) & _ROUTE_UP and not int(fields[8], 16) & _ROUTE_REJECT:
            gateway = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(fields[4]))
            result.append({"interface": fields[9], "gateway": gateway, "metric": int(fields[5], 16)})
    return result


def interface_of(address, text):
    """Interface whose network in ``/proc/net/route`` holds an IPv4 ``address``; empty when none does."""
    wanted = struct.unpack("<I", socket.inet_aton(address))[0]
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[7] == "00000000" or fields[2] != "00000000":
            continue
        if wanted & int(fields[7], 16) == int(fields[1], 16):
            return fields[0]
    return ""


def local_addresses_v4(text):
    """``/proc/net/fib_trie`` -> sorted own IPv4 addresses without loopback."""
    found, last = set(), ""
    for line in text.splitlines():
        leaf = re.match(r"\s*\|-- (\S+)", line)
        if leaf:
            last = leaf.group(1)
        elif "/32 host LOCAL" in line and not last.startswith("127."):
            found.add(last)
    return sorted(found, key=lambda address: tuple(int(part) for part in address.split(".")))


def local_addresses_v6(text):
    """``/proc/net/if_inet6`` -> own IPv6 addresses without loopback and link-local ones."""
    result = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 6 and fields[3] not in ("10", "20"):
            result.append(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(fields[0])))
    return result


def module_names(text):
    """Module names in ``/proc/modules``, ``modules.builtin`` or ``modules.dep``, with underscores as the kernel has them."""
    names = set()
    for line in text.splitlines():
        first = re.split(r"[:\s]", line.strip(), maxsplit=1)[0]
        name = first.rpartition("/")[2]
        if name:
            names.add(re.sub(r"\.ko(\.\w+)?$", "", name).replace("-", "_"))
    return names


def builtin_options(text):
    """A kernel's configuration -> names of the options that are built in, without ``CONFIG_``."""
    return set(re.findall(r"^CONFIG_(\w+)=y$", text, re.MULTILINE))


def iptables_version(text):
    """``iptables --version`` -> ``{"version", "flavour"}``; the flavour of old versions without one is legacy."""
    match = re.search(r"v(\d+(?:\.\d+)+)(?: \((\w+)\))?", text)
    if not match:
        return {"version": "", "flavour": ""}
    return {"version": match.group(1), "flavour": "nft" if match.group(2) == "nf_tables" else "legacy"}


def k3s_version(text):
    """First line of ``k3s --version`` -> ``v1.36.5+k3s1``, or an empty string."""
    match = re.match(r"k3s version (v\S+)", text)
    return match.group(1) if match else ""


def systemd_version(text):
    """``Version=252.39-1~deb12u1`` (or with a leading ``v``) -> 252; 0 when unknown."""
    match = re.search(r"^Version=v?(\d+)", text, re.MULTILINE)
    return int(match.group(1)) if match else 0


def unit_properties(text):
    """Output of ``systemctl show A B ...`` -> ``{unit: {property: value}}``."""
    units = {}
    for block in re.split(r"\n\s*\n", text.strip()):
        properties = dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        if properties.get("Id"):
            units[properties["Id"]] = properties
    return units


def k3s_config(text):
    """K3s' ``config.yaml`` -> ``{"keys": [..], "values": {..}}``.

    Targets have no YAML library; top-level keys need none. Only the values named in ``K3S_CONFIG_VALUES`` are kept.
    """
    if text.lstrip().startswith("{"):
        try:
            pairs = {str(key): value for key, value in json.loads(text).items()}
        except ValueError:
            pairs = {}
    else:
        rows = (re.match(r"[\"']?([A-Za-z0-9_.-]+)\+?[\"']?\s*:(?:\s+(.*))?$", line) for line in text.splitlines())
        pairs = {row.group(1): _scalar(row.group(2) or "") for row in rows if row}
    values = {key: str(pairs[key]) for key in K3S_CONFIG_VALUES if pairs.get(key) not in (None, "")}
    return {"keys": sorted(pairs), "values": values}


def _scalar(text):
    quoted = re.match(r"(['\"])(.*)\1\s*(#.*)?$", text)
    return quoted.group(2) if quoted else re.sub(r"\s+#.*$", "", text).strip()


def kubelet_node_name(pem):
    """Node name in a kubelet client certificate (subject ``system:node:<name>``), or an empty string.

    Reads the length byte that DER puts before the string: the byte after it would often pass for a part of the name.
    """
    body = re.search(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", pem, re.DOTALL)
    if not body:
        return ""
    try:
        der = base64.b64decode("".join(body.group(1).split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    start = der.find(b"system:node:")
    if start < 1 or der[start - 1] > 127:
        return ""
    return der[start:start + der[start - 1]][len("system:node:"):].decode("ascii", "replace")
