# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the policy ``install`` does about the driver of a card. What ``verify`` finds wrong is said by ``verdicts``. Pure."""
from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.edgeai.sites.plugins.module_utils.gpu import generations
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.detect import DGPU
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.verdicts import INSTALLABLE

NOUVEAU_FILE = "/etc/modprobe.d/edgeai-nouveau.conf"
NOUVEAU_TEXT = """# Written by edgeai.sites (role nvidia_runtime): the kernel's own driver would hold the GPU.
blacklist nouveau
options nouveau modeset=0
"""
UPGRADES_FILE = "/etc/apt/apt.conf.d/52edgeai-nvidia"
UPGRADES_TEXT = """// Written by edgeai.sites (role nvidia_runtime): a driver whose libraries are upgraded under its loaded kernel module
// serves no pod until the next reboot.
Unattended-Upgrade::Package-Blacklist {
    "^nvidia-";
    "^libnvidia-";
    "^cuda-drivers";
    "^linux-modules-nvidia-";
    "^linux-objects-nvidia-";
};
"""


class Refused(Exception):
    """The driver cannot be installed as wanted; nothing was changed."""


class Plan(NamedTuple):
    """``packages`` to bring to their version, and whether nouveau must be kept from loading."""

    packages: tuple
    blacklist_nouveau: bool


def plan(gpu, policy, packages, blacklisted):
    """What to do; raises Refused.

    :param gpu: what ``detect`` found.
    :param packages: names of the driver's packages from the bundle.
    :param blacklisted: whether ``NOUVEAU_FILE`` is there already, from an earlier run.
    """
    if policy != "install" or gpu.kind != DGPU:
        return Plan((), blacklisted and gpu.kind == DGPU)
    broken = set(gpu.problems) & INSTALLABLE
    if broken and not packages:
        raise Refused("the driver is to be installed (%s), and nvidia_runtime_driver_packages is empty. Name the packages of the "
                      "driver, put them and what they need into the lock file, and run bundle.yml" % ", ".join(sorted(broken)))
    _check_choice(gpu, packages)
    return Plan(tuple(packages), blacklisted or "nouveau" in gpu.problems)


def _check_choice(gpu, packages):
    dkms = [name for name in packages if generations.builds_module(name)]
    if dkms and gpu.driver.secure_boot:
        raise Refused("Secure Boot is on, and %s builds a kernel module that nobody has signed: it would not load. Take the "
                      "distribution's signed modules, or switch Secure Boot off in the firmware" % ", ".join(dkms))
    for name in packages:
        kernel = re.search(r"(dkms|linux-modules|kmod|headless|^nvidia-open|^cuda-drivers|^nvidia-driver)", name)
        branch = re.search(r"-(\d{3})(?:-|$)", name)
        module = ("open" if "open" in name else "proprietary") if kernel else ""
        for device in gpu.devices:
            why = generations.unfit(device.generation, int(branch.group(1)) if branch else 0, module)
            if why:
                raise Refused("%s does not fit: %s. Correct nvidia_runtime_driver_packages" % (name, why))


def reboot_reasons(gpu):
    """Why only a reboot helps, given what ``detect`` finds once everything is installed; empty when nothing does."""
    driver, reasons = gpu.driver, []
    if gpu.kind != DGPU or not driver.installed:
        return reasons
    if driver.loaded and driver.loaded != driver.installed:
        reasons.append("driver %s is loaded, %s is installed" % (driver.loaded, driver.installed))
    elif driver.nouveau and not driver.loaded:
        reasons.append("nouveau holds the GPU")
    return reasons
