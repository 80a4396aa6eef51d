# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this host fit for what it is meant to become? Pure: no I/O, no clock, no Ansible.

``judge(evidence, intent)`` compares what ``evidence.collect`` found with what the inventory wants and returns a list of
verdicts ``{"check", "verdict", "found", "wanted", "remedy"}``. An *intent* is a dictionary; all keys but the first two
may be missing:

.. code-block:: text

    {"node": inventory name, "runtime": "k3s_server" | "k3s_agent" | "edgecore",
     "site": str, "arch": "amd64" | "arm64" | "arm", "address": str, "node_name": str, "isolated": bool,
     "disk_mib": int, "k3s_version": str, "flannel_backend": str, "kubelet_args": [str], "flannel_iface": str, "resolv_conf": path, "resolver_planned": bool,
     "site_server": inventory name, "server_url": str, "server_addresses": [str],
     "gpu": "none" | "dgpu" | "tegra" | "" (not said), "gpu_driver": "verify" | "install" | "skip",
     "gpu_driver_packages": [str], "pod_subnet": str,
     "cloudcore": {"server": str, "ports": {name: int}, "transport": "websocket" | "quic"},
     "mesh": {"relays": [{"node": name, "addresses": [str]}]}, empty without EdgeMesh
     "cloudcore_server": {"version": str, "unsupported": bool, "ports": [int]}, empty where it does not run}
"""
from __future__ import annotations

import ipaddress
import re

from ansible_collections.edgeai.sites.plugins.module_utils.gpu.verdicts import judge_gpu
from ansible_collections.edgeai.sites.plugins.module_utils.host import cloud, edge, identity, mesh
from ansible_collections.edgeai.sites.plugins.module_utils.host.plan import RESOLV_FILE as SITE_RESOLV_CONF
from ansible_collections.edgeai.sites.plugins.module_utils.host.plan import ROUTE_INTERFACE
from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import (
    failed, inconclusive, make, passed, warned,
)

MIB = 1024 * 1024
GIB = 1024 * MIB

#: 2026-11-01: a clock before the day this software was made is wrong, whatever the controller thinks.
BUILD_EPOCH = 1793491200
CLOCK_FAIL_SECONDS = 60
CLOCK_WARN_SECONDS = 5

ARCHITECTURES = {
    "x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "arm", "armv8l": "arm",
}
#: A board sold with 1, 2 or 0.5 GiB shows up to a tenth less: firmware and GPU keep a part.
SERVER_MEMORY_FAIL = 900 * MIB
SERVER_MEMORY_WARN = 1800 * MIB
AGENT_MEMORY_FAIL = 400 * MIB

DEFAULT_DISK_MIB = 2048
#: Free MiB that the other directories need: the binary three times, and one artifact on its way in.
OTHER_DISKS_MIB = {"/usr/local/bin": 300, "/var/lib/edgeai": 300}

OPEN_PORTS = {"k3s_server": (6443, 10250), "k3s_agent": (10250,), "edgecore": ()}
LOOPBACK_PORTS = {
    "k3s_server": (6444, 10010, 10248, 10249, 10256, 10257, 10258, 10259),
    "k3s_agent": (6444, 10010, 10248, 10249, 10256),
    "edgecore": (10350,),
}
K3S_UNITS = ("k3s.service", "k3s-agent.service")
EDGECORE_UNIT, EDGECORE_PROGRAM = "edgecore.service", "/usr/local/bin/edgecore"
TIME_UNITS = ("chrony.service", "chronyd.service", "systemd-timesyncd.service", "ntp.service", "ntpsec.service")
REQUIRED_MODULES = ("overlay", "br_netfilter", "nf_conntrack", "xt_addrtype", "xt_comment", "xt_conntrack")
CONTROLLERS_V2 = ("cpu", "cpuset", "memory", "pids")
OLDEST_SYSTEMD = 239


def judge(evidence, intent):
    """Verdicts of one host, in the order of ``CHECKS``. A check whose evidence is missing is an ``error``, never a pass."""
    errors = {entry["probe"]: entry["error"] for entry in evidence.get("errors", ())}
    verdicts = []
    for needs, check in CHECKS:
        missing = [probe for probe in needs if probe not in evidence]
        if missing:
            verdicts.append(make(
                check.__name__, "error", errors.get(missing[0], "the probe returned nothing"), f"evidence on {missing[0]}",
                "Log in and look at the named file or command, repair it, and run preflight again."))
        else:
            verdicts += check(evidence, intent)
    return verdicts


def _is_k3s(intent):
    return intent["runtime"] in ("k3s_server", "k3s_agent")


def architecture(evidence, intent):
    machine, wanted = evidence["machine"]["arch"], intent.get("arch", "")
    found = ARCHITECTURES.get(machine)
    if found is None:
        return [failed("architecture", machine, "x86_64, aarch64 or armv7l",
                       "Use other hardware: there is no build for this processor.")]
    if wanted and found != wanted:
        return [failed("architecture", f"{machine} ({found})", wanted,
                       f"Set arch: {found} for this node in the inventory, or correct its address.")]
    return [passed("architecture", f"{machine} ({found})", wanted or "a known architecture")]


def memory(evidence, intent):
    total = evidence["memory"]["total_bytes"]
    found = f"{total // MIB} MiB"
    if intent["runtime"] == "k3s_server":
        if total < SERVER_MEMORY_FAIL:
            return [failed("memory", found, "2 GiB for a K3s server, at the very least 1 GiB",
                           "Make this node an agent (runtime: k3s_agent), or use a board with 2 GiB or more.")]
        if total < SERVER_MEMORY_WARN:
            return [warned("memory", found, "2 GiB for a K3s server",
                           "Switch off what the site does not need (k3s_config: disable: [traefik, servicelb, "
                           "metrics-server]), or use a board with 2 GiB or more.")]
        return [passed("memory", found, "2 GiB for a K3s server")]
    if total < AGENT_MEMORY_FAIL:
        return [failed("memory", found, "512 MiB for an agent", "Use a board with 512 MiB or more.")]
    return [passed("memory", found, "512 MiB for an agent")]


def disk(evidence, intent):
    settled = evidence.get("k3s", {}).get("role", "") != ""
    needs = dict(OTHER_DISKS_MIB, **{"/var/lib/rancher": int(intent.get("disk_mib") or DEFAULT_DISK_MIB)})
    verdicts = []
    for path, state in sorted(evidence["disks"].items()):
        where = f"{path} on {state['mount']}"
        if state["read_only"]:
            verdicts.append(failed("disk", f"{where} is read-only", "a writable directory",
                                   f"Mount a writable file system on {path}, or remount: mount -o remount,rw {state['mount']}"))
        if state["noexec"] and path != "/var/lib/edgeai":
            verdicts.append(failed("disk", f"{where} is mounted noexec", "programs may run from there: K3s unpacks itself",
                                   f"Remove noexec from {state['mount']} in /etc/fstab, then: "
                                   f"mount -o remount,exec {state['mount']}"))
        free, wanted = state["free_bytes"] // MIB, needs.get(path, 0)
        if free < wanted:
            # A host that already runs holds most of what it needs; it must still hear of it.
            say = warned if settled else failed
            verdicts.append(say("disk", f"{where} has {free} MiB free", f"{wanted} MiB free",
                                f"Free space on {state['mount']} (journalctl --vacuum-size=100M; apt-get clean), or mount a "
                                f"larger disk on {path}."))
    return verdicts or [passed("disk", "enough space, programs may run", "space for three times the artifacts")]


def cgroups(evidence, intent):
    version, controllers = evidence["cgroup"]["version"], evidence["cgroup"]["controllers"]
    if version == 2:
        return _cgroup_controllers(CONTROLLERS_V2, controllers, 2, evidence)
    verdicts = _cgroup_controllers(("memory",), controllers, 1, evidence)
    if not _is_k3s(intent) or not _refuses_cgroup_v1(intent.get("k3s_version", "")):
        return verdicts
    wanted = f"cgroup v2 for K3s {intent['k3s_version']}"
    if "fail-cgroupv1=false" in intent.get("kubelet_args", ()):
        return [entry for entry in verdicts if entry["verdict"] != "pass"] + [
            warned("cgroups", "cgroup v1, allowed by fail-cgroupv1=false", wanted,
                   "Plan the move to cgroup v2 (kernel argument systemd.unified_cgroup_hierarchy=1): a later Kubernetes "
                   "will not start here.")]
    return [entry for entry in verdicts if entry["verdict"] != "pass"] + [
        failed("cgroups", "cgroup v1", wanted,
               "Add systemd.unified_cgroup_hierarchy=1 to the kernel arguments and reboot; or stay at K3s 1.34; or, for a "
               "while, allow it with k3s_config: kubelet-arg: [fail-cgroupv1=false].")]


def _cgroup_controllers(wanted, controllers, version, evidence):
    missing = [name for name in wanted if name not in controllers]
    if not missing:
        return [passed("cgroups", f"cgroup v{version} with {', '.join(wanted)}", f"{', '.join(wanted)}")]
    remedy = f"Enable {', '.join(missing)} with kernel arguments and reboot."
    cmdline = evidence.get("machine", {}).get("boot_cmdline_file", "")
    if "memory" in missing:
        place = f"the one line of {cmdline}" if cmdline else "the kernel arguments"
        remedy = (f"Add cgroup_memory=1 cgroup_enable=memory to {place} (no line break), reboot, and look for memory in "
                  f"/sys/fs/cgroup/cgroup.controllers.")
    return [failed("cgroups", f"cgroup v{version} without {', '.join(missing)}", f"{', '.join(wanted)}", remedy)]


def _refuses_cgroup_v1(version):
    match = re.match(r"v(\d+)\.(\d+)\.", version)
    return bool(match) and (int(match.group(1)), int(match.group(2))) >= (1, 35)


def ports(evidence, intent):
    runtime, verdicts = intent["runtime"], []
    for entry in evidence["ports"]:
        anywhere = entry["port"] in OPEN_PORTS[runtime]
        loopback = entry["port"] in LOOPBACK_PORTS[runtime] and _covers_loopback(entry["address"])
        ours = _held_by_edgecore(entry) if runtime == "edgecore" else _held_by_k3s(entry, evidence)
        if (anywhere or loopback) and not ours:
            verdicts.append(_port_taken(entry, runtime))
    if verdicts:
        return verdicts
    wanted = OPEN_PORTS[runtime] + LOOPBACK_PORTS[runtime]
    if not wanted:
        return []
    return [passed("ports", "free, or held by this %s" % ("EdgeCore" if runtime == "edgecore" else "K3s"), f"free: {', '.join(str(port) for port in wanted)}")]


def _covers_loopback(address):
    return address in ("0.0.0.0", "::", "::1") or address.startswith("127.") or address.startswith("::ffff:127.")


def _held_by_k3s(entry, evidence):
    if entry.get("unit") in K3S_UNITS or entry.get("executable", "").startswith(identity.K3S_PROGRAMS):
        return True
    units = evidence.get("systemd", {}).get("units", {})
    mains = {units[name]["main_pid"] for name in K3S_UNITS if name in units}
    return bool(entry.get("pid")) and entry["pid"] in mains


def _held_by_edgecore(entry):
    return entry.get("unit") == EDGECORE_UNIT or entry.get("executable") == EDGECORE_PROGRAM


def _port_taken(entry, runtime):
    wanted = f"port {entry['port']} free for {'EdgeCore' if runtime == 'edgecore' else 'K3s'}"
    where = f"port {entry['port']} on {entry['address']}"
    if not entry.get("pid"):
        return failed("ports", f"{where} is taken by a process that could not be seen", wanted,
                      f"On the host: ss -lntp 'sport = :{entry['port']}'. Stop what is named there.")
    unit = entry.get("unit", "")
    stop = f"systemctl disable --now {unit}" if unit and not unit.startswith("user@") else f"kill {entry['pid']}"
    holder = f"{entry.get('process') or 'a process'} (pid {entry['pid']}{', ' + unit if unit else ''})"
    return failed("ports", f"{where} is taken by {holder}", wanted,
                  f"Move that program to another port, or stop it: {stop}")


def resolver(evidence, intent):
    if not _is_k3s(intent):
        return []
    files, wanted = evidence["resolver"], "a nameserver that pods can use (no loopback, no link-local)"
    chosen = intent.get("resolv_conf", "")
    candidates = [chosen] if chosen in files else [SITE_RESOLV_CONF, "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"]
    for path in candidates:
        if files.get(path, {}).get("usable"):
            return [passed("resolver", f"{', '.join(files[path]['nameservers'])} in {path}", wanted)]
    if intent.get("resolver_planned"):
        return [passed("resolver", f"none yet; the step host writes {SITE_RESOLV_CONF}", wanted)]
    seen = [server for path in candidates for server in files.get(path, {}).get("nameservers", ())]
    return [warned("resolver", f"{', '.join(seen) or 'no nameserver'} in {' and '.join(candidates[-2:])}", wanted,
                   f"K3s would send pods to 8.8.8.8. Set host_resolvers: [<address>] for the site (or host_isolated: true): the "
                   f"step host writes {SITE_RESOLV_CONF}, and K3s is told to read that.")]


def default_route(evidence, intent):
    """The route must be of the family of the node's address: K3s takes its own address from the interface of that route."""
    if not _is_k3s(intent):
        return []
    routes = evidence["network"]["default_routes_v6" if ":" in intent.get("address", "") else "default_routes"]
    real = [route for route in routes if route["interface"] != ROUTE_INTERFACE]
    if real:
        ways = ", ".join(f"{route['gateway']} on {route['interface']}" for route in real[:3])
        return [passed("default_route", ways, "a default route")]
    if not intent.get("isolated"):
        found = f"only the dummy one on {ROUTE_INTERFACE}, and host_isolated is not set" if routes else "none"
        return [failed("default_route", found, "a default route: K3s does not start without one",
                       "Give the host its gateway again; or, at a site that has none, set host_isolated: true and the step "
                       "host adds a route into nowhere that is enough for K3s.")]
    if intent.get("flannel_backend", "vxlan") != "none" and not intent.get("flannel_iface"):
        real_interface = evidence["network"]["interface_of"].get(intent.get("address", "")) or "<interface>"
        return [warned("default_route", "none; with the dummy one, flannel would look for the other nodes behind it",
                       "a default route, or flannel-iface in k3s_config",
                       f"Set k3s_config: flannel-iface: {real_interface} for this node.")]
    return [passed("default_route", "none; the site is isolated, the step host adds a dummy one", "a default route")]


def address(evidence, intent):
    wanted = intent.get("address", "")
    own = evidence["network"]["addresses"] + evidence["network"]["addresses_v6"]
    try:
        ipaddress.ip_address(wanted)
    except ValueError:
        return []  # a name: whoever resolves it knows more than we do
    if wanted in own:
        return [passed("address", wanted, "the inventory's address on an interface of the host")]
    return [warned("address", f"{wanted} is on no interface (has {', '.join(own) or 'none'})",
                   "the inventory's address on an interface of the host",
                   "Fine behind NAT or a jump host if k3s_config: node-ip says what the node is called inside the site; "
                   "else correct the address.")]


def clock(evidence, intent):
    """The host's time was read between two looks at the controller's: what lies outside of that is certain."""
    state, seen = evidence["clock"], evidence.get("controller_clock")
    repair = "On the host: timedatectl set-time 'YYYY-MM-DD hh:mm:ss' (UTC), then let it follow a time server of the site " \
             "(host_ntp_servers: [<address>])."
    wanted = f"at most {CLOCK_WARN_SECONDS} s from the controller"
    if state["epoch"] < BUILD_EPOCH:
        board = "" if state["rtc"] else " The board has no battery-backed clock: it needs a time server at every boot."
        return [failed("clock", f"{state['epoch']:.0f} s since 1970: before this software was made",
                       "the time of day: certificates would not be valid yet", repair + board)]
    if seen is None:
        return [inconclusive("clock", "no time of the controller to compare with", wanted, "Run the playbook preflight.")]
    least, most = state["epoch"] - seen["after"], state["epoch"] - seen["before"]
    off = max(least, -most)
    found = f"at least {off:.0f} s {'ahead of' if least > 0 else 'behind'} the controller"
    if off > CLOCK_FAIL_SECONDS:
        return [failed("clock", found, wanted, repair + " If the controller is the wrong one, correct that.")]
    if off > CLOCK_WARN_SECONDS:
        return [warned("clock", found, wanted, repair)]
    width = most - least
    if width > CLOCK_FAIL_SECONDS:
        return [inconclusive("clock", f"the answer took {width:.0f} s, too long to tell", wanted,
                             "Run preflight again when the connection is better.")]
    return [passed("clock", f"no difference seen within {max(width, 1):.0f} s", wanted)]


def time_sync(evidence, intent):
    wanted = "a time service that runs"
    if evidence["machine"]["container"]:
        return [passed("time_sync", "a container: the clock belongs to the machine below", wanted)]
    units = evidence["systemd"]["units"]
    present = [name for name in TIME_UNITS if name in units]
    active = [name for name in present if units[name]["active"] == "active"]
    if active:
        return [passed("time_sync", active[0], wanted)]
    if present:
        return [warned("time_sync", f"{present[0]} is there but does not run", wanted,
                       f"The step host starts it; by hand: systemctl enable --now {present[0]}")]
    return [warned("time_sync", "no time service is installed", wanted,
                   "Put chrony or systemd-timesyncd into the image of this board; without it the clock drifts until "
                   "certificates fail.")]


def kernel_modules(evidence, intent):
    if not _is_k3s(intent):
        return []
    needed = list(REQUIRED_MODULES)
    if intent.get("flannel_backend", "vxlan") == "vxlan":
        needed.append("vxlan")
    state = evidence["modules"]["state"]
    missing = [name for name in needed if not (state[name]["works"] or state[name]["loadable"])]
    wanted = f"{', '.join(needed)}: built in or loadable"
    if not missing:
        return [passed("kernel_modules", "all there", wanted)]
    if not evidence["modules"]["tree"]:
        return [inconclusive("kernel_modules", f"no sign of {', '.join(missing)}, and no module tree to look in", wanted,
                             "Nothing to do if K3s starts; k3s check-config names what the kernel lacks.")]
    package = "kernel-modules-extra" if "rhel" in _family(evidence) else "linux-modules-extra-$(uname -r)"
    vxlan = " Without vxlan, flat sites may use k3s_config: flannel-backend: host-gw." if "vxlan" in missing else ""
    return [failed("kernel_modules", f"{', '.join(missing)} missing in {evidence['machine']['kernel']}", wanted,
                   f"Install the package with the kernel's other modules ({package}) and reboot.{vxlan}")]


def _family(evidence):
    release = evidence.get("os", {})
    return f"{release.get('id', '')} {release.get('id_like', '')}".split()


def iptables(evidence, intent):
    if not _is_k3s(intent):
        return []
    version = evidence["iptables"]["version"]
    numbers = tuple(int(part) for part in version.split(".") if part)
    if (1, 8, 0) <= numbers <= (1, 8, 4):
        return [warned("iptables", f"{version} ({evidence['iptables']['flavour']})", "not 1.8.0 to 1.8.4: they duplicate rules",
                       "Let K3s use its own: k3s_config: prefer-bundled-bin: true")]
    return [passed("iptables", version or "none, K3s brings its own", "not 1.8.0 to 1.8.4")]


def firewall(evidence, intent):
    units = evidence["systemd"]["units"]
    active = [name for name in ("firewalld.service", "ufw.service") if units.get(name, {}).get("active") == "active"]
    if "ufw.service" in active and not evidence["security"]["ufw_enabled"]:
        active.remove("ufw.service")  # the unit is active on every Ubuntu, with the firewall switched off
    if not active or not _is_k3s(intent):
        return [passed("firewall", "none is active", "the ports of the site open between its nodes")]
    wanted = [f"{port}/tcp" for port in OPEN_PORTS[intent["runtime"]]]
    if intent.get("flannel_backend", "vxlan") == "vxlan":
        wanted.append("8472/udp")
    if active[0] == "firewalld.service":
        commands = [f"firewall-cmd --permanent --add-port={port}" for port in wanted]
        commands += [f"firewall-cmd --permanent --zone=trusted --add-source={net}" for net in ("10.42.0.0/16", "10.43.0.0/16")]
        commands.append("firewall-cmd --reload")
    else:
        commands = [f"ufw allow {port}" for port in wanted] + [f"ufw allow from {net}" for net in ("10.42.0.0/16", "10.43.0.0/16")]
    return [warned("firewall", f"{active[0]} is active", f"{', '.join(wanted)} open between the nodes of the site",
                   "; ".join(commands))]


def security_modules(evidence, intent):
    state = evidence["security"]
    if state["selinux"] == "enforcing" and not state["selinux_k3s_policy"] and _is_k3s(intent):
        return [warned("security_modules", "SELinux is enforcing and the K3s policy is not installed", "the package k3s-selinux",
                       "Put k3s-selinux and container-selinux into the image of this host, and set k3s_config: selinux: true")]
    return [passed("security_modules", f"SELinux {state['selinux']}", "no policy that stops K3s")]


def systemd(evidence, intent):
    version, units = evidence["systemd"]["version"], evidence["systemd"]["units"]
    if version < OLDEST_SYSTEMD:
        return [failed("systemd", f"systemd {version}" if version else "systemd does not run here", f"systemd {OLDEST_SYSTEMD} or later",
                       "Use an operating system of 2019 or later (Debian 10, RHEL 8, Ubuntu 20.04, JetPack 5).")]
    if units.get("nm-cloud-setup.service", {}).get("enabled") == "enabled":
        return [warned("systemd", "nm-cloud-setup is enabled: it rewrites routes under K3s", "nm-cloud-setup disabled",
                       "systemctl disable --now nm-cloud-setup.service nm-cloud-setup.timer; reboot")]
    return [passed("systemd", f"systemd {version}", f"systemd {OLDEST_SYSTEMD} or later")]


def gpu(evidence, intent):
    """See ``gpu.verdicts``; here only to be named like the other checks."""
    return judge_gpu(evidence, intent)


CHECKS = (
    (("machine",), architecture),
    (("memory",), memory),
    (("disks",), disk),
    (("cgroup",), cgroups),
    (("systemd",), systemd),
    (("modules", "machine"), kernel_modules),
    (("iptables",), iptables),
    (("security", "systemd"), firewall),
    (("security",), security_modules),
    (("ports",), ports),
    (("resolver",), resolver),
    (("network",), default_route),
    (("network",), address),
    (("clock",), clock),
    (("systemd", "machine"), time_sync),
    (("nvidia",), gpu),
    (("k3s", "machine"), identity.node_name),
    (("k3s", "edgecore"), identity.one_runtime),
    (("k3s",), identity.existing_k3s),
    (("systemd",), edge.one_kubelet),
    (("edge", "clock"), edge.existing_edgecore),
    (("edge",), edge.engine),
    ((), edge.cloudcore),
    (("ports", "modules"), mesh.mesh),
    ((), mesh.relays),
    ((), cloud.versions),
    (("ports",), cloud.ports),
)
