"""Facts about the host that K3s looks at, and the notification of systemd."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import struct
from pathlib import Path


class NoDefaultRoute(Exception):
    def __str__(self):
        return 'no default routes found in "/proc/net/route" or "/proc/net/ipv6_route"'


def default_interface():
    """Name of the interface of the default route."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000":
            return fields[0]
    try:
        for line in Path("/proc/net/ipv6_route").read_text().splitlines():
            fields = line.split()
            if fields[0] == "0" * 32 and fields[1] == "00" and fields[-1] != "lo":
                return fields[-1]
    except OSError:
        pass
    raise NoDefaultRoute()


def interface_address(interface):
    """IPv4 address of an interface (SIOCGIFADDR)."""
    import fcntl
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        packed = fcntl.ioctl(probe.fileno(), 0x8915, struct.pack("256s", interface[:15].encode()))
    return socket.inet_ntoa(packed[20:24])


def node_address(settings):
    """The node's IP: as configured, else that of the interface of the default route."""
    configured = settings.many("node-ip")
    if configured:
        return configured[0]
    interface = default_interface()
    return interface_address(settings.text("flannel-iface") or interface)


def hostname():
    return socket.gethostname().split(".")[0].lower()


def node_name(settings):
    return (settings.text("node-name") or hostname()).lower()


def has_cgroup_v2():
    return os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def is_noexec(path):
    return bool(os.statvfs(path).f_flag & os.ST_NOEXEC)


def boot_id():
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def machine_id():
    try:
        return Path("/etc/machine-id").read_text().strip()
    except OSError:
        return ""


def os_image():
    try:
        found = re.search(r'^PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text(), re.M)
        return found[1] if found else "Linux"
    except OSError:
        return "Linux"


def memory_kib():
    return int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])


def set_process_name(name):
    """The name that ps and ss show (PR_SET_NAME)."""
    ctypes.CDLL(None).prctl(15, name.encode()[:15], 0, 0, 0)


def notify_systemd(text):
    """sd_notify(3): one datagram to $NOTIFY_SOCKET; nothing where systemd did not ask for it."""
    address = os.environ.pop("NOTIFY_SOCKET", None)
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
        try:
            notifier.sendto(text.encode(), address)
        except OSError:
            pass
