# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of the host and its first file system: what nvidia_runtime does beside packages."""
from __future__ import annotations

import os

from ansible_collections.edgeai.sites.plugins.module_utils.packages.tool import SECONDS, Failed


def units(host, *names):
    """``{unit: {property: value}}``; an absent unit has LoadState=not-found."""
    code, output = host.run("systemctl", "show", "--property=Id,LoadState,UnitFileState,ActiveState,Result", *names)
    if code:
        raise Failed("systemctl show %s failed: %s" % (" ".join(names), output.strip()[-300:]))
    found = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in output.strip().split("\n\n")]
    return {unit["Id"]: unit for unit in found if "Id" in unit}


def systemctl(host, *arguments):
    """``systemctl ARGUMENTS``; raises Failed."""
    code, output = host.run("systemctl", *arguments, timeout=120)
    if code:
        raise Failed("systemctl %s failed: %s" % (" ".join(arguments), output.strip()[-500:] or "no output"))


def rebuild_initramfs(host):
    """nouveau is loaded from the initial file system, before any file of /etc is read."""
    for argv in (("update-initramfs", "-u"), ("dracut", "--force")):
        if any(os.access("%s/%s" % (place, argv[0]), os.X_OK) for place in ("/usr/sbin", "/usr/bin", "/sbin")):
            code, output = host.run(*argv, timeout=SECONDS)
            if code:
                raise Failed("%s failed: %s" % (" ".join(argv), output.strip()[-500:]))
            return
