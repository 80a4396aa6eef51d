# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is and what runs on it, as one dictionary for the judges in ``verdicts``.

All reading goes through the ``host`` argument (``sources.LocalHost`` or a fake). Each probe stands alone: one that
fails leaves its key out and an entry in ``errors``, so that one odd file never hides the rest of the host.
"""
from __future__ import annotations

import hashlib
import json
import sys
import zlib

from ansible_collections.edgeai.sites.plugins.module_utils.gpu import evidence as gpu_evidence
from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config as containerd
from ansible_collections.edgeai.sites.plugins.module_utils.host import edge, parse
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import certificate, config, edge_paths

SCHEMA = 1
LARGE_FILE = 8 * 1024 * 1024
MAX_PROCESSES = 65536
MAX_DESCRIPTORS = 200000

DATA_DIRS = ("/var/lib/rancher", "/usr/local/bin", "/var/lib/edgeai")
EDGE_DIRS = ("/var/lib/containerd", "/var/lib/kubeedge")
UNITS = (
    "k3s.service", "k3s-agent.service", "edgecore.service", "docker.service", "containerd.service", *edge.KUBELETS, *edge.SHIMS,
    "chrony.service", "chronyd.service", "systemd-timesyncd.service", "ntp.service", "ntpsec.service",
    "firewalld.service", "ufw.service", "nm-cloud-setup.service", "edgeai-dummy-route.service",
)
#: The modules that matter and their kernel options: a kernel without a module tree has them inside, and often says so.
MODULE_OPTIONS = {
    "overlay": "OVERLAY_FS", "br_netfilter": "BRIDGE_NETFILTER", "nf_conntrack": "NF_CONNTRACK", "vxlan": "VXLAN",
    "xt_addrtype": "NETFILTER_XT_MATCH_ADDRTYPE", "xt_comment": "NETFILTER_XT_MATCH_COMMENT",
    "xt_conntrack": "NETFILTER_XT_MATCH_CONNTRACK", "iptable_nat": "IP_NF_NAT", "nf_tables": "NF_TABLES",
    "dummy": "DUMMY",
}
#: Where the kernel shows that a module's work is done, whatever the module tree says.
MODULE_SIGNS = {
    "br_netfilter": "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "nf_conntrack": "/proc/sys/net/netfilter/nf_conntrack_max",
}
SYSCTLS = (
    "net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables",
    "fs.inotify.max_user_instances", "fs.inotify.max_user_watches",
    "vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops",
)
K3S_DATA = "/var/lib/rancher/k3s"


def collect(host, only=None):
    """All evidence of one host.

    :param host: where to read, see ``sources.LocalHost``.
    :param only: names of the probes to run; None runs all.
    :return: a dictionary with one key per probe and ``schema``, ``errors`` (``[{"probe", "error"}]``).
    """
    evidence = {"schema": SCHEMA, "errors": []}
    probes = {
        "os": _os, "machine": _machine, "memory": _memory, "disks": _disks, "cgroup": _cgroup, "ports": _ports,
        "resolver": _resolver, "network": _network, "modules": _modules, "iptables": _iptables, "sysctls": _sysctls,
        "security": _security, "systemd": _systemd, "k3s": _k3s, "edgecore": _edgecore, "edge": _edge, "containers": _containers,
        "nvidia": _nvidia, "python": _python, "clock": _clock,
    }
    for name, probe in probes.items():
        if only is not None and name not in only:
            continue
        try:
            evidence[name] = probe(host)
        except Exception as error:
            evidence["errors"].append({"probe": name, "error": f"{type(error).__name__}: {error}"})
    return evidence


def _os(host):
    text = host.read("/etc/os-release")
    return parse.os_release(host.read("/usr/lib/os-release") or "" if text is None else text)


def _machine(host):
    model = (host.read("/proc/device-tree/model") or "").strip("\0\n ")
    cmdlines = [path for path in ("/boot/firmware/cmdline.txt", "/boot/cmdline.txt") if host.exists(path)]
    return {
        "arch": host.machine(),
        "kernel": host.kernel(),
        "cpus": host.cpus(),
        "model": model,
        "hostname": host.hostname(),
        "machine_id": (host.read("/etc/machine-id") or "").strip(),
        "container": _container(host),
        "boot_cmdline_file": cmdlines[0] if cmdlines else "",
    }


def _container(host):
    """Kind of container this host is (``podman``, ``docker``, ...), empty on a real or virtual machine."""
    named = (host.read("/run/systemd/container") or "").strip()
    if named:
        return named
    if host.exists("/run/.containerenv"):
        return "podman"
    return "docker" if host.exists("/.dockerenv") else ""


def _memory(host):
    return parse.memory(host.read("/proc/meminfo") or "")


def _disks(host):
    table = parse.mounts(host.read("/proc/self/mounts", LARGE_FILE) or "")
    disks = {}
    for path in DATA_DIRS:
        existing, free, read_only = host.space(path)
        entry = parse.mount_of(existing, table) or {"mount": "/", "fstype": "", "options": []}
        disks[path] = {
            "mount": entry["mount"],
            "fstype": entry["fstype"],
            "free_bytes": free,
            "noexec": "noexec" in entry["options"],
            "read_only": read_only or "ro" in entry["options"],
        }
    return disks


def _cgroup(host):
    unified = host.read("/sys/fs/cgroup/cgroup.controllers")
    if unified is not None:
        return {"version": 2, "controllers": sorted(unified.split())}
    return {"version": 1, "controllers": parse.enabled_v1_controllers(host.read("/proc/cgroups") or "")}


def _ports(host):
    """TCP sockets that listen, each with the process that holds it where it can be seen."""
    sockets = []
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        sockets += parse.listeners(host.read(path, LARGE_FILE) or "")
    holders = _holders(host, {entry["inode"] for entry in sockets})
    rows = {}
    for entry in sockets:
        pid = holders.get(entry["inode"])
        rows[(entry["port"], entry["address"])] = dict(
            {"port": entry["port"], "address": entry["address"]}, **(_process(host, pid) if pid else {}))
    return [rows[key] for key in sorted(rows)]


def _holders(host, inodes):
    """``{socket inode: pid}``; gives up after a bounded number of descriptors, so that no host makes this slow."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found, seen = {}, 0
    pids = [name for name in host.names("/proc", MAX_PROCESSES) if name.isdigit()]
    for pid in sorted(pids, key=int):
        try:
            descriptors = host.names(f"/proc/{pid}/fd")
        except OSError:
            continue
        for descriptor in descriptors:
            inode = wanted.get(host.readlink(f"/proc/{pid}/fd/{descriptor}") or "")
            if inode:
                found.setdefault(inode, int(pid))
        seen += len(descriptors)
        if len(found) == len(inodes) or seen > MAX_DESCRIPTORS:
            break
    return found


def _process(host, pid):
    groups = (host.read(f"/proc/{pid}/cgroup") or "").splitlines()
    paths = [line.rpartition(":")[2] for line in groups]
    parts = [part for path in paths for part in path.split("/")]
    units = [part for part in parts if part.endswith(".service")]
    # A kubelet on a host that is a container moves its own process out of its unit into the cgroup /k3s.
    # In a user's session the outermost is user@<id>.service: what systemctl of the system knows.
    unit = units[0] if units else ("k3s.service" if "k3s" in parts else "")
    return {
        "pid": pid,
        "process": (host.read(f"/proc/{pid}/comm") or "").strip(),
        "executable": host.readlink(f"/proc/{pid}/exe") or "",
        "unit": unit,
    }


def _resolver(host):
    files = {}
    for path in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/etc/edgeai/resolv.conf"):
        text = host.read(path)
        if text is not None:
            servers = parse.nameservers(text)
            files[path] = {"nameservers": servers, "usable": parse.usable_nameservers(servers)}
    return files


def _network(host):
    routes = host.read("/proc/net/route", LARGE_FILE) or ""
    addresses = parse.local_addresses_v4(host.read("/proc/net/fib_trie", LARGE_FILE) or "")
    return {
        "default_routes": parse.default_routes_v4(routes),
        "default_routes_v6": parse.default_routes_v6(host.read("/proc/net/ipv6_route", LARGE_FILE) or ""),
        "addresses": addresses,
        "interface_of": {address: parse.interface_of(address, routes) for address in addresses},
        "addresses_v6": parse.local_addresses_v6(host.read("/proc/net/if_inet6", LARGE_FILE) or ""),
        "interfaces": [name for name in host.names("/sys/class/net") if name != "lo"],
    }


def _modules(host):
    return kernel_modules(host, MODULE_OPTIONS)


def kernel_modules(host, names):
    """``{"tree": bool, "state": {module: {"loaded", "works", "loadable"}}}``; without a module tree nothing is loadable."""
    tree = f"/lib/modules/{host.kernel()}"
    loadable = parse.module_names(host.read(f"{tree}/modules.dep", LARGE_FILE) or "")
    builtin = parse.module_names(host.read(f"{tree}/modules.builtin", LARGE_FILE) or "")
    loaded = parse.module_names(host.read("/proc/modules", LARGE_FILE) or "")
    inside = parse.builtin_options(_kernel_config(host))
    state = {}
    for name in names:
        works = (
            name in loaded or name in builtin or MODULE_OPTIONS.get(name, name) in inside
            or host.exists(f"/sys/module/{name}") or host.exists(MODULE_SIGNS.get(name, f"/sys/module/{name}")))
        state[name] = {"loaded": name in loaded, "works": works, "loadable": name in loadable}
    return {"tree": bool(loadable or builtin), "state": state}


def _kernel_config(host):
    packed = host.read_bytes("/proc/config.gz")
    if packed is None:
        return host.read(f"/boot/config-{host.kernel()}", LARGE_FILE) or ""
    return zlib.decompressobj(wbits=31).decompress(packed, LARGE_FILE).decode("ascii", "replace")


def _iptables(host):
    code, output = host.run("iptables", "--version")
    return parse.iptables_version(output) if code == 0 else {"version": "", "flavour": ""}


def _sysctls(host):
    return sysctls(host, SYSCTLS)


def sysctls(host, names):
    """``{name: value}`` of the kernel settings that exist here; runs of white space become one space."""
    values = {}
    for name in names:
        text = host.read("/proc/sys/" + name.replace(".", "/"))
        if text is not None:
            values[name] = " ".join(text.split())
    return values


def _security(host):
    enforce = (host.read("/sys/fs/selinux/enforce") or "").strip()
    return {
        "selinux": {"1": "enforcing", "0": "permissive"}.get(enforce, "disabled"),
        "selinux_k3s_policy": host.exists("/usr/share/selinux/packages/k3s.pp"),
        "apparmor": (host.read("/sys/module/apparmor/parameters/enabled") or "").strip() == "Y",
        "ufw_enabled": "ENABLED=yes" in (host.read("/etc/ufw/ufw.conf") or ""),
    }


def _systemd(host):
    if not host.exists("/run/systemd/system"):
        return {"version": 0, "units": {}}
    _code, output = host.run("systemctl", "show", "--property=Version")
    wanted = "--property=Id,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,MainPID,NRestarts"
    code, states = host.run("systemctl", "show", wanted, *UNITS)
    if code != 0:
        raise RuntimeError(states.strip()[:300] or f"systemctl show ended with {code}")
    units = {
        name: {
            "active": values.get("ActiveState", ""),
            "sub": values.get("SubState", ""),
            "enabled": values.get("UnitFileState", ""),
            "fragment": values.get("FragmentPath", ""),
            "main_pid": int(values.get("MainPID") or 0),
            "restarts": int(values.get("NRestarts") or 0),
        }
        for name, values in parse.unit_properties(states).items() if values.get("LoadState") not in ("not-found", "masked")
    }
    return {"version": parse.systemd_version(output), "units": units}


def _k3s(host):
    """What of K3s is on this host and to which cluster it belongs. No secret is read but to say that it is there."""
    binary = next((path for path in ("/usr/local/bin/k3s", "/opt/bin/k3s", "/usr/bin/k3s") if host.exists(path)), "")
    config = parse.k3s_config(host.read("/etc/rancher/k3s/config.yaml") or "")
    units = {name: origin for name, origin in (
        (name, _unit_origin(host, name)) for name in ("k3s.service", "k3s-agent.service")) if origin}
    server_data = any(host.exists(f"{K3S_DATA}/server/{name}") for name in ("db", "tls", "token"))
    agent_data = host.exists(f"{K3S_DATA}/agent/client-kubelet.crt")
    authority = host.read_bytes(f"{K3S_DATA}/server/tls/server-ca.crt") or host.read_bytes(f"{K3S_DATA}/agent/server-ca.crt")
    return {
        "binary": binary,
        "version": _k3s_version(host, binary),
        "units": units,
        "role": _k3s_role(units, server_data, agent_data),
        "server_data": server_data,
        "agent_data": agent_data,
        "datastore": _k3s_datastore(host, config),
        "ca_sha256": hashlib.sha256(authority).hexdigest() if authority else "",
        "server_url": _k3s_server_url(host) or config["values"].get("server", ""),
        "node_name": parse.kubelet_node_name(host.read(f"{K3S_DATA}/agent/client-kubelet.crt") or ""),
        "node_password": host.exists("/etc/rancher/node/password"),
        "config": config,
        "containerd_templates": [
            name for name in ("config.toml.tmpl", "config-v3.toml.tmpl")
            if host.exists(f"{K3S_DATA}/agent/etc/containerd/{name}")],
    }


def _k3s_version(host, binary):
    if not binary:
        return ""
    code, output = host.run(binary, "--version", timeout=20)
    return parse.k3s_version(output) if code == 0 else ""


def _unit_origin(host, name):
    """Who wrote a unit: ``edgeai``, ``install-script`` or ``other``; empty when it does not exist."""
    text = host.read(f"/etc/systemd/system/{name}") or host.read(f"/usr/lib/systemd/system/{name}")
    if text is None:
        return ""
    if "edgeai" in text.lower():
        return "edgeai"
    uninstall = "k3s-uninstall.sh" if name == "k3s.service" else "k3s-agent-uninstall.sh"
    return "install-script" if host.exists(f"/usr/local/bin/{uninstall}") else "other"


def _k3s_role(units, server_data, agent_data):
    if "k3s.service" in units or server_data:
        return "server"
    return "agent" if "k3s-agent.service" in units or agent_data else ""


def _k3s_datastore(host, config):
    if "datastore-endpoint" in config["keys"]:
        return "external"
    if host.exists(f"{K3S_DATA}/server/db/etcd"):
        return "etcd"
    return "sqlite" if host.exists(f"{K3S_DATA}/server/db/state.db") else ""


def _k3s_server_url(host):
    try:
        record = json.loads(host.read(f"{K3S_DATA}/agent/etc/k3s-agent-load-balancer.json") or "{}")
    except ValueError:
        return ""
    return str(record.get("ServerURL") or "") if isinstance(record, dict) else ""


def _edgecore(host):
    return {
        "binary": host.exists("/usr/local/bin/edgecore"),
        "config": host.exists("/etc/kubeedge/config/edgecore.yaml"),
        "unit": host.exists("/etc/systemd/system/edgecore.service") or host.exists("/usr/lib/systemd/system/edgecore.service"),
    }


def _edge(host):
    """Which node an EdgeCore here is, and what of its engine is in the way. No secret is read."""
    try:
        known = certificate.read(host.read(edge_paths.CERTIFICATE) or "")
    except ValueError:
        known = certificate.Certificate("", 0.0, 0.0)
    unit = host.read(edge_paths.UNIT_FILE)
    return {
        "common_name": known.common_name,
        "expires": known.not_after,
        # The database is not asked here: the file says enough where there is a certificate, and the step edgecore looks closer.
        "database_node": config.scalar(host.read(edge_paths.CONFIG) or "", "hostnameOverride") if host.exists(edge_paths.DATABASE) else "",
        "unit": unit is not None,
        "unit_ours": "edgeai" in (unit or ""),
        "cri_disabled": containerd.cri_disabled(host.read(containerd.CONFIG) or ""),
        "networks": [name for name in host.names("/etc/cni/net.d") if name.endswith((".conf", ".conflist", ".json"))],
    }


def _containers(host):
    return {
        "docker": host.exists("/usr/bin/dockerd"),
        "containerd": host.exists("/usr/bin/containerd"),
        "podman": host.exists("/usr/bin/podman"),
    }


def _nvidia(host):
    """Raw signs of NVIDIA hardware and software, without a word on what they mean."""
    return gpu_evidence.collect(host)


def _python(_host):
    return {"version": ".".join(str(part) for part in sys.version_info[:3])}


def _clock(host):
    return {
        "epoch": round(host.now(), 1),
        "rtc": host.exists("/sys/class/rtc/rtc0"),
        "synchronized": host.exists("/run/systemd/timesync/synchronized"),
        "timezone": (host.readlink("/etc/localtime") or "").partition("zoneinfo/")[2],
    }
