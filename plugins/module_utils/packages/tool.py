# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package tool of the host (I/O)."""
from __future__ import annotations

import time

from ansible_collections.edgeai.sites.plugins.module_utils.packages import plan

SECONDS = 900
LOCK_PATIENCE = 120.0  # seconds for another package tool, such as the upgrades after boot, to end
_LOCKED = ("lock was locked by another process", "is locked by another process", "unable to access the dpkg", "can't create transaction lock")
_DPKG = ("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--force-confdef", "--force-confold")


class Failed(Exception):
    """A program of the host refused; the text says what it said."""


def package_format(host):
    """``deb``, ``rpm``, or "" where neither tool is there."""
    if host.exists("/usr/bin/dpkg-query"):
        return "deb"
    return "rpm" if host.exists("/usr/bin/rpm") else ""


def installed(host, kind, names):
    """``{name: plan.Installed}`` of those ``names`` that the host knows."""
    if not names:
        return {}
    if kind == "deb":
        # It ends with 1 when it does not know one of them.
        _code, output = host.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Version}\n", *names)
        return plan.parse_dpkg(output)
    _code, output = host.run("rpm", "-q", "--qf", "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n", *names)
    return plan.parse_rpm(output)


def files(host, kind, directory):
    """The package files of this host's format in ``directory``; what they are is read from themselves."""
    paths = ["%s/%s" % (directory, name) for name in host.names(directory) if name.endswith("." + kind)]
    found = []
    for path in paths:
        if kind == "deb":
            code, output = host.run("dpkg-deb", "--show", "--showformat=${Package}\t${Version}\t${Architecture}\n", path)
        else:
            code, output = host.run("rpm", "-qp", "--qf", "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n", path)
        if code:
            raise Failed("%s is no package: %s. Run the artifacts step with artifacts_verify: always" % (path, output.strip()[-200:]))
        found += plan.parse_files(output, [path])
    return found


def carry_out(host, kind, action, clock=time.monotonic, sleep=time.sleep):
    """Carry out one plan.Action; a package tool that is busy is waited for."""
    deadline = clock() + LOCK_PATIENCE
    for argv in commands(kind, action):
        code, output = host.run(*argv, timeout=SECONDS)
        while code and any(words in output for words in _LOCKED) and clock() < deadline:
            sleep(3)
            code, output = host.run(*argv, timeout=SECONDS)
        if code:
            raise Failed("%s failed (%s): %s. %s" % (
                " ".join(argv), code, " / ".join(output.strip().splitlines()[-8:]) or "no output", _remedy(output)))


def _remedy(output):
    if "dependency problems" in output or "Failed dependencies" in output:
        return "Put what is missing into the packages of the role and the lock file, or into the image of this host"
    if any(words in output for words in _LOCKED):
        return "Another package tool is at work: run again when it has ended"
    return "Correct the cause and run again: what is half installed will be finished"


def commands(kind, action):
    """The command lines of an action."""
    targets = list(action.targets)
    if kind == "rpm":
        commands = {"install": ["rpm", "-U", "--oldpackage", "--replacepkgs"], "remove": ["rpm", "-e"]}
        # rpm has no hold, and no state between not installed and installed.
        return [commands[action.kind] + targets] if action.kind in commands else []
    commands = {
        "install": list(_DPKG) + ["--install"], "configure": list(_DPKG) + ["--configure"], "remove": list(_DPKG) + ["--purge"],
        "hold": ["apt-mark", "hold"], "unhold": ["apt-mark", "unhold"],
    }
    return [commands[action.kind] + targets]
