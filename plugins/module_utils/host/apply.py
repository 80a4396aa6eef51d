# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the snapshot that ``plan`` needs, and carries out its actions. All effects of the module ``host_config`` are here."""
from __future__ import annotations

import os

from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.host import evidence, plan

SYSTEMCTL_SECONDS = 60


class StepFailed(Exception):
    """An action that the host refused; the text says which and what the host said."""


def snapshot(host, wanted):
    """The ``current`` argument of ``plan.plan``. Raises StepFailed when the host cannot be read."""
    found = evidence.collect(host, only=("machine", "systemd", "network", "resolver", "clock"))
    if found["errors"]:
        raise StepFailed("; ".join(f"{entry['probe']}: {entry['error']}" for entry in found["errors"]))
    usable = [path for path, state in found["resolver"].items() if state["usable"] and path != plan.RESOLV_FILE]
    return {
        "container": found["machine"]["container"],
        "files": {path: host.read(path) for path in plan.FILES},
        "timezone": found["clock"]["timezone"],
        "zone_known": bool(wanted["timezone"]) and host.exists(f"{plan.ZONEINFO}/{wanted['timezone']}"),
        "modules": evidence.kernel_modules(host, wanted["kernel_modules"]),
        "sysctls": evidence.sysctls(host, set(plan.SYSCTLS) | set(wanted["sysctls"])),
        "units": found["systemd"]["units"],
        "default_routes": found["network"]["default_routes"],
        "resolver_usable": bool(usable),
        "chrony_sources": host.exists("/etc/chrony/sources.d"),
    }


def apply(host, action):
    """Carry out one action; raises StepFailed."""
    steps = {
        "write": lambda: _write(action.target, action.after),
        "remove": lambda: os.unlink(action.target),
        "link": lambda: _link(action.target, action.after),
        "load": lambda: _run(host, "modprobe", action.target),
        "sysctl": lambda: _set(action.target, action.after),
        "reload": lambda: _run(host, "systemctl", "daemon-reload"),
        "enable": lambda: _run(host, "systemctl", "enable", action.target),
        "restart": lambda: _run(host, "systemctl", "restart", action.target),
        "disable": lambda: _run(host, "systemctl", "disable", "--now", action.target),
        "refresh": lambda: _run(host, "chronyc", "reload", "sources"),
    }
    try:
        steps[action.kind]()
    except OSError as error:
        raise StepFailed(f"{action.kind} {action.target}: {error.strerror or error}") from error


def _run(host, *argv):
    code, output = host.run(*argv, timeout=SYSTEMCTL_SECONDS)
    if code:
        raise StepFailed(f"{' '.join(argv)} ended with {code}: {output.strip()[-500:] or 'no output'}")


def _write(path, content):
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    replace(path, content, 0o644)


def _link(path, target):
    temporary = f"{path}.edgeai"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.replace(temporary, path)


def _set(name, value):
    with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="ascii") as stream:
        stream.write(value)
