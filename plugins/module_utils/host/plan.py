# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must change on a host before K3s or EdgeCore may run there. Pure: no I/O, no clock, no Ansible.

``plan(current, wanted)`` compares a snapshot with the role's settings and returns ``(actions, verdicts)``. Nothing to do is an
empty list. What cannot be done here (a setting of the machine below a container, a missing time service) is a verdict
``warn`` with its remedy, never an action that would come again with every run.

.. code-block:: text

    current = {"container": str, "files": {path: content or None}, "timezone": str, "zone_known": bool,
               "modules": evidence.kernel_modules(), "sysctls": {name: value}, "units": {unit: state},
               "default_routes": [..], "resolver_usable": bool, "chrony_sources": bool}
    wanted  = {"isolated": bool, "resolvers": [address], "ntp_servers": [name], "timezone": str,
               "kernel_modules": [name], "sysctls": {name: value}, "journal_max_mib": int}
"""
from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import warned

HEADER = "# Written by edgeai.sites; changes will be overwritten.\n"

MODULES_FILE = "/etc/modules-load.d/edgeai.conf"
SYSCTL_FILE = "/etc/sysctl.d/90-edgeai.conf"
TIMESYNCD_FILE = "/etc/systemd/timesyncd.conf.d/90-edgeai.conf"
CHRONY_FILE = "/etc/chrony/sources.d/edgeai.sources"
JOURNALD_FILE = "/etc/systemd/journald.conf.d/90-edgeai.conf"
RESOLV_FILE = "/etc/edgeai/resolv.conf"
TIMEZONE_FILE = "/etc/timezone"
LOCALTIME = "/etc/localtime"
ZONEINFO = "/usr/share/zoneinfo"
ROUTE_UNIT = "edgeai-dummy-route.service"
ROUTE_FILE = f"/etc/systemd/system/{ROUTE_UNIT}"
ROUTE_INTERFACE = "edgeai0"
#: RFC 5737 addresses: nobody answers there, which is the point.
ROUTE_ADDRESS, ROUTE_GATEWAY, ROUTE_METRIC = "203.0.113.254/31", "203.0.113.255", 1000
FILES = (MODULES_FILE, SYSCTL_FILE, TIMESYNCD_FILE, CHRONY_FILE, JOURNALD_FILE, RESOLV_FILE, TIMEZONE_FILE, ROUTE_FILE)

#: What K3s needs of the kernel, and what its kubelet would set itself (or, hardened, refuse to run without).
SYSCTLS = {
    "fs.inotify.max_user_instances": "1024",
    "fs.inotify.max_user_watches": "524288",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.ipv4.ip_forward": "1",
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
}
#: More than this is fine: an administrator may have had a reason.
AT_LEAST = ("fs.inotify.max_user_instances", "fs.inotify.max_user_watches")

CHRONY_UNITS = ("chrony.service", "chronyd.service")
OTHER_TIME_UNITS = ("ntp.service", "ntpsec.service")
TIMESYNCD = "systemd-timesyncd.service"

ROUTE_UNIT_TEXT = HEADER + f"""\
# K3s does not start without a default route, and cluster addresses are not reached without one.
[Unit]
Description=Default route into nowhere, for a site that has none (edgeai.sites)
After=network.target
Before=network-online.target k3s.service k3s-agent.service

[Service]
Type=oneshot
RemainAfterExit=yes
# A kernel without the dummy driver has an empty bridge, which serves as well.
ExecStart=/bin/sh -ec 'ip link show {ROUTE_INTERFACE} >/dev/null 2>&1 || ip link add {ROUTE_INTERFACE} type dummy || \
ip link add {ROUTE_INTERFACE} type bridge'
ExecStart=/bin/sh -ec 'ip address replace {ROUTE_ADDRESS} dev {ROUTE_INTERFACE}; ip link set {ROUTE_INTERFACE} up; \
ip route replace default via {ROUTE_GATEWAY} dev {ROUTE_INTERFACE} metric {ROUTE_METRIC}'
ExecStop=/bin/sh -c 'ip link delete {ROUTE_INTERFACE}'

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Action:
    """One step. ``kind`` says what ``target`` and ``after`` are:

    ``write`` and ``remove`` a file (content), ``link`` a symbolic link (target), ``load`` a kernel module, ``sysctl`` a
    kernel setting (value), ``reload`` systemd's view of units, ``enable``, ``restart`` or ``disable`` a unit (disable also
    stops it), ``refresh`` chrony's sources.
    """

    kind: str
    target: str
    reason: str
    before: str = ""
    after: str = ""


def check_wanted(wanted):
    """Errors in the settings, as text for people; an empty list when they are fine."""
    errors = []
    for server in wanted["resolvers"]:
        if not _pod_nameserver(server):
            errors.append(f"host_resolvers: '{server}' is not an address that pods can ask (an IP address, no loopback)")
    for server in wanted["ntp_servers"]:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:-]*", server):
            errors.append(f"host_ntp_servers: '{server}' is neither a host name nor an address")
    if wanted["timezone"] and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", wanted["timezone"]):
        errors.append(f"host_timezone: '{wanted['timezone']}' is no name of a time zone, such as Europe/Berlin")
    for name in wanted["kernel_modules"]:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_]*", name):
            errors.append(f"host_kernel_modules: '{name}' is no module name")
    for name, value in wanted["sysctls"].items():
        if not re.fullmatch(r"[a-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+", name) or not re.fullmatch(r"[\w .:/-]+", value):
            errors.append(f"host_sysctls: '{name} = {value}' is no kernel setting in dotted form")
    return errors


def _pod_nameserver(text):
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)


def plan(current, wanted):
    """``(actions in the order to apply them, verdicts)``; see the module for the shapes."""
    actions, verdicts = [], []
    for step in (_modules, _sysctls, _time_sync, _journal, _timezone, _resolver, _default_route):
        more, said = step(current, wanted)
        actions += more
        verdicts += said
    return actions, verdicts


def _file(current, path, content, reason):
    before = current["files"].get(path)
    return [] if before == content else [Action("write", path, reason, before or "", content)]


def _absent(current, path, reason):
    before = current["files"].get(path)
    return [] if before is None else [Action("remove", path, reason, before)]


def _modules(current, wanted):
    """Load what is missing, now and at boot. The file names loadable modules only: boot would fail on any other name."""
    state, actions, missing = current["modules"]["state"], [], []
    loadable = [name for name in wanted["kernel_modules"] if state[name]["loadable"]]
    if loadable:
        content = HEADER + "".join(f"{name}\n" for name in loadable)
        actions += _file(current, MODULES_FILE, content, "load kernel modules at boot")
    else:
        actions += _absent(current, MODULES_FILE, "no kernel module needs loading at boot")
    for name in wanted["kernel_modules"]:
        if state[name]["works"]:
            continue
        if state[name]["loadable"] and not current["container"]:
            actions.append(Action("load", name, "the kernel has it as a module and it is not loaded"))
        else:
            missing.append(name)
    if not missing:
        return actions, []
    place = "on the machine that runs this container" if current["container"] else "with the package of the kernel's other modules"
    return actions, [warned("kernel_modules", f"{', '.join(missing)} neither work nor can be loaded",
                            f"{', '.join(wanted['kernel_modules'])}", f"Provide them {place}.")]


def _sysctls(current, wanted):
    """The file for the next boot, and the values now. A container owns only its network settings."""
    bridge = current["modules"]["state"].get("br_netfilter", {"works": False, "loadable": False})
    has_bridge = bridge["works"] or (bridge["loadable"] and "br_netfilter" in wanted["kernel_modules"])
    values, actions, foreign = dict(SYSCTLS, **wanted["sysctls"]), [], []
    kept = {}
    for name, value in sorted(values.items()):
        now = current["sysctls"].get(name)
        if name.startswith("net.bridge.") and not has_bridge:
            continue
        if name in AT_LEAST and now is not None and now.isdigit() and int(now) > int(value):
            value = now
        if current["container"] and not name.startswith("net."):
            if now != value:
                foreign.append(f"{name} is {now}, wanted {value}")
            continue
        kept[name] = value
        if now != value:
            actions.append(Action("sysctl", name, "the running value differs", "" if now is None else now, value))
    content = HEADER + "".join(f"{name} = {value}\n" for name, value in kept.items())
    actions = _file(current, SYSCTL_FILE, content, "keep kernel settings across reboots") + actions
    if not foreign:
        return actions, []
    return actions, [warned("sysctls", "; ".join(foreign), "the settings that K3s needs",
                            "This host is a container: set them on the machine below.")]


def _time_sync(current, wanted):
    """One time service that runs, with the site's own servers where it reads drop-in files."""
    units, actions, verdicts = current["units"], [], []
    chrony = next((name for name in CHRONY_UNITS if name in units), "")
    other = next((name for name in OTHER_TIME_UNITS if name in units), "")
    service = chrony or other or (TIMESYNCD if TIMESYNCD in units else "")
    changed = False
    if wanted["ntp_servers"]:
        servers = wanted["ntp_servers"]
        if service == TIMESYNCD:
            found = _file(current, TIMESYNCD_FILE, f"{HEADER}[Time]\nNTP={' '.join(servers)}\n", "time servers of the site")
            actions, changed = actions + found, bool(found)
        elif chrony and current["chrony_sources"]:
            lines = "".join(f"server {server} iburst\n" for server in servers)
            found = _file(current, CHRONY_FILE, HEADER + lines, "time servers of the site")
            actions += found + [Action("refresh", chrony, "its list of servers changed") for _change in found[:1]]
        elif service:
            verdicts.append(warned("time_sync", f"{service} reads no drop-in files here", f"the servers {', '.join(servers)}",
                                   f"Name them in the configuration of {service} in the image of this host."))
    else:
        found = _absent(current, TIMESYNCD_FILE, "no time servers of the site any more")
        actions, changed = actions + found, bool(found)
        gone = _absent(current, CHRONY_FILE, "no time servers of the site any more")
        actions += gone + [Action("refresh", chrony, "its list of servers changed") for _change in gone[:1] if chrony]
    if current["container"]:
        return actions, verdicts  # the clock belongs to the machine below, and time services do not start here
    if not service:
        return actions, verdicts + [warned(
            "time_sync", "no time service is installed", "chrony or systemd-timesyncd",
            "Put one of them into the image of this board: this role installs no packages.")]
    state = units[service]
    if state["enabled"] not in ("enabled", "enabled-runtime", "static", "alias"):
        actions.append(Action("enable", service, "the clock must be right after a reboot too", state["enabled"], "enabled"))
    if state["active"] != "active" or (changed and service == TIMESYNCD):
        actions.append(Action("restart", service, "its servers changed" if changed else "it does not run", state["active"], "active"))
    return actions, verdicts


def _journal(current, wanted):
    """Logs that survive a reboot and never fill the disk: the reboot is often what is to be explained."""
    if not wanted["journal_max_mib"]:
        actions = _absent(current, JOURNALD_FILE, "the journal is left alone")
    else:
        content = f"{HEADER}[Journal]\nStorage=persistent\nSystemMaxUse={wanted['journal_max_mib']}M\n"
        actions = _file(current, JOURNALD_FILE, content, "a journal that survives reboots, of a bounded size")
    if actions:
        actions.append(Action("restart", "systemd-journald.service", "its settings changed"))
    return actions, []


def _timezone(current, wanted):
    zone = wanted["timezone"]
    if not zone or current["timezone"] == zone and current["files"].get(TIMEZONE_FILE) in (None, f"{zone}\n"):
        return [], []
    if not current["zone_known"]:
        return [], [warned("timezone", f"{ZONEINFO}/{zone} does not exist", zone,
                           "Put tzdata into the image of this host, correct the name, or set host_timezone: ''")]
    actions = []
    if current["timezone"] != zone:
        actions.append(Action("link", LOCALTIME, "time zone of the site", current["timezone"], f"{ZONEINFO}/{zone}"))
    if current["files"].get(TIMEZONE_FILE) is not None:
        actions += _file(current, TIMEZONE_FILE, f"{zone}\n", "time zone of the site")
    return actions, []


def _resolver(current, wanted):
    """A resolver file for pods. It is never removed: K3s may have been told to read it."""
    if wanted["resolvers"]:
        lines = "".join(f"nameserver {server}\n" for server in wanted["resolvers"])
        return _file(current, RESOLV_FILE, HEADER + lines, "nameservers of the site, for pods"), []
    if wanted["isolated"] and (not current["resolver_usable"] or current["files"].get(RESOLV_FILE) is not None):
        content = f"{HEADER}# Nobody answers there: names outside the cluster fail within a second.\n" \
                  f"nameserver {ROUTE_GATEWAY}\noptions timeout:1 attempts:1\n"
        return _file(current, RESOLV_FILE, content, "pods need a nameserver line, and this site has none"), []
    return [], []


def _default_route(current, wanted):
    ours = [route for route in current["default_routes"] if route["interface"] == ROUTE_INTERFACE]
    others = len(current["default_routes"]) - len(ours)
    there = current["files"].get(ROUTE_FILE) is not None
    if not wanted["isolated"]:
        if not there:
            return [], []
        return [
            Action("disable", ROUTE_UNIT, "the site is not isolated any more"),
            *_absent(current, ROUTE_FILE, "the site is not isolated any more"),
            Action("reload", "systemd", "a unit was removed"),
        ], []
    if others and not there:
        return [], []  # an isolated site may have a gateway all the same
    actions = _file(current, ROUTE_FILE, ROUTE_UNIT_TEXT, "an isolated site without a default route")
    if actions:
        actions.append(Action("reload", "systemd", "a unit was written"))
    state = current["units"].get(ROUTE_UNIT, {"active": "", "enabled": ""})
    if state["enabled"] != "enabled":
        actions.append(Action("enable", ROUTE_UNIT, "the route must be there after a reboot", state["enabled"], "enabled"))
    if actions or state["active"] != "active" or not ours:
        reason = "there is no default route" if not ours else "its unit changed or does not run"
        actions.append(Action("restart", ROUTE_UNIT, reason, state["active"], "active"))
    return actions, []
