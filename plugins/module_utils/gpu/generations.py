# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said of a GPU from its PCI device id, and of a Jetson from its L4T release. Pure tables.

The PCI ranges are those in which the public PCI id list knows GPUs of one generation only. An id outside of them gives no
generation: a newer card than this table is better left unnamed than named wrongly.
"""
from __future__ import annotations

import re

#: Oldest first: the order decides what an open kernel module and a driver branch can still drive.
ORDER = ("fermi", "kepler", "maxwell", "pascal", "volta", "turing", "ampere", "ada", "hopper", "blackwell", "rubin")

#: (first id, last id, generation), display and compute functions only.
PCI_RANGES = (
    (0x0FC0, 0x103F, "kepler"), (0x1040, 0x109B, "fermi"), (0x1140, 0x1140, "fermi"), (0x1180, 0x11FF, "kepler"),
    (0x1200, 0x1251, "fermi"), (0x1280, 0x12BA, "kepler"), (0x1340, 0x1436, "maxwell"), (0x15C2, 0x15FF, "pascal"),
    (0x1613, 0x161A, "maxwell"), (0x1667, 0x1676, "maxwell"), (0x1725, 0x172F, "pascal"), (0x174D, 0x17FD, "maxwell"),
    (0x1B00, 0x1D56, "pascal"), (0x1D81, 0x1DF6, "volta"), (0x1E02, 0x1FF9, "turing"), (0x2080, 0x20FF, "ampere"),
    (0x2182, 0x21D1, "turing"), (0x2200, 0x223F, "ampere"), (0x2302, 0x23F0, "hopper"), (0x2414, 0x25FB, "ampere"),
    (0x2681, 0x28F8, "ada"), (0x2900, 0x29F1, "blackwell"), (0x2B00, 0x2B00, "blackwell"), (0x2B85, 0x2BBC, "blackwell"),
    (0x2C02, 0x2C79, "blackwell"), (0x2D04, 0x2E2A, "blackwell"), (0x2F04, 0x2F58, "blackwell"), (0x3000, 0x3040, "rubin"),
    (0x30C0, 0x30C0, "rubin"), (0x3180, 0x323E, "blackwell"), (0x3340, 0x3340, "blackwell"),
)
#: The GPU of a Thor module is a PCI function of the module itself, not a card.
TEGRA_PCI_DEVICES = frozenset((0x2B00,))

#: The last driver branch of a generation; those that are not named are driven by the newest.
LAST_BRANCH = {"fermi": 390, "kepler": 470, "maxwell": 580, "pascal": 580, "volta": 580}
#: The first driver branch that knows a generation, where one that is still in use does not.
FIRST_BRANCH = {"ada": 520, "blackwell": 570}

#: SoC in the device tree -> (name of the family, GPU generation).
SOCS = {
    "tegra210": ("Nano / TX1", "maxwell"), "tegra186": ("TX2", "pascal"), "tegra194": ("Xavier", "volta"),
    "tegra234": ("Orin", "ampere"), "tegra264": ("Thor", "blackwell"),
}

#: L4T release -> (JetPack, CUDA that it carries). Releases of one JetPack that only fix things share its CUDA.
JETPACKS = {
    "32.1": ("4.2", "10.0"), "32.2": ("4.2.1", "10.0"), "32.2.1": ("4.2.2", "10.0"), "32.2.3": ("4.2.3", "10.0"),
    "32.3.1": ("4.3", "10.0"), "32.4.2": ("4.4 DP", "10.2"), "32.4.3": ("4.4", "10.2"), "32.4.4": ("4.4.1", "10.2"),
    "32.5": ("4.5", "10.2"), "32.5.1": ("4.5.1", "10.2"), "32.5.2": ("4.5.1", "10.2"), "32.6.1": ("4.6", "10.2"),
    "32.7.1": ("4.6.1", "10.2"), "32.7.2": ("4.6.2", "10.2"), "32.7.3": ("4.6.3", "10.2"), "32.7.4": ("4.6.4", "10.2"),
    "32.7.5": ("4.6.5", "10.2"), "32.7.6": ("4.6.6", "10.2"),
    "34.1": ("5.0 DP", "11.4"), "34.1.1": ("5.0.1 DP", "11.4"), "35.1": ("5.0.2", "11.4"), "35.2.1": ("5.1", "11.4"),
    "35.3.1": ("5.1.1", "11.4"), "35.4.1": ("5.1.2", "11.4"), "35.5": ("5.1.3", "11.4"), "35.6": ("5.1.4", "11.4"),
    "35.6.1": ("5.1.5", "11.4"), "35.6.2": ("5.1.5", "11.4"),
    "36.2": ("6.0 DP", "12.2"), "36.3": ("6.0", "12.2"), "36.4": ("6.1", "12.6"), "36.4.3": ("6.2", "12.6"),
    "36.4.4": ("6.2.1", "12.6"), "36.4.7": ("6.2.1", "12.6"), "36.5": ("6.2.2", "12.6"),
    "38.2": ("7.0", "13.0"), "38.2.1": ("7.0", "13.0"), "38.4": ("7.1", "13.0"), "39.2": ("7.2", "13.2"),
}
#: A release that the table does not have is named by its line, and its CUDA is left open.
JETPACK_LINES = {"32": "4", "34": "5", "35": "5", "36": "6", "38": "7", "39": "7"}
#: Containers with the GPU came with this release.
OLDEST_L4T = (32, 1)


def of_device(device):
    """Generation of a PCI device id such as ``0x27b8``; empty when it is not known."""
    try:
        number = int(device, 16)
    except (TypeError, ValueError):
        return ""
    return next((name for first, last, name in PCI_RANGES if first <= number <= last), "")


def is_of_tegra(device):
    """True for the PCI function of a Tegra's own GPU."""
    try:
        return int(device, 16) in TEGRA_PCI_DEVICES
    except (TypeError, ValueError):
        return False


def soc_of(compatible):
    """The Tegra (``tegra234``) that a device tree's ``compatible`` names; empty when it names none that is known or new."""
    for word in compatible:
        match = re.match(r"nvidia,(tegra\d+)$", word)
        if match:
            return match.group(1)
    return ""


def l4t_release(text):
    """First line of ``/etc/nv_tegra_release`` -> ``36.4.3``; a last part of 0 is dropped, as in the names of releases."""
    match = re.match(r"#?\s*R(\d+)\b.*?REVISION:\s*(\d+(?:\.\d+)*)", text)
    if not match:
        return ""
    return re.sub(r"\.0$", "", f"{match.group(1)}.{match.group(2)}")


def jetpack_of(l4t):
    """``(JetPack, CUDA)`` of an L4T release; ``("6.x", "")`` when only the line is known, ``("", "")`` when not even that."""
    if l4t in JETPACKS:
        return JETPACKS[l4t]
    line = JETPACK_LINES.get(l4t.partition(".")[0], "")
    return (f"{line}.x", "") if line else ("", "")


def numbers(version):
    """``580.95.05`` -> ``(580, 95, 5)``, for comparisons; empty for what is no version."""
    return tuple(int(part) for part in version.split(".")) if re.match(r"\d+(\.\d+)*$", version) else ()


def branch_of(version):
    """Branch of a driver version, ``580.95.05`` -> 580; 0 for what is no version."""
    return (numbers(version) or (0,))[0]


def builds_module(package):
    """True for a package whose kernel module is built on the host (DKMS), so that nobody has signed it."""
    return "dkms" in package and "no-dkms" not in package


def needs_open(generation):
    """True where only the open kernel modules drive the GPU (Blackwell and later)."""
    return generation in ORDER and ORDER.index(generation) >= ORDER.index("blackwell")


def takes_open(generation):
    """True where the open kernel modules drive the GPU (Turing and later: they need its GSP)."""
    return generation in ORDER and ORDER.index(generation) >= ORDER.index("turing")


def unfit(generation, branch, module):
    """Why a driver branch or a kind of kernel module cannot drive a generation; empty when it can or nothing is known.

    :param branch: 580 and the like, 0 when not known.
    :param module: ``open``, ``proprietary`` or empty.
    """
    if generation not in ORDER:
        return ""
    if branch and branch > LAST_BRANCH.get(generation, branch):
        return f"driver branch {branch} no longer drives {generation} GPUs; the last that does is {LAST_BRANCH[generation]}"
    if branch and branch < FIRST_BRANCH.get(generation, branch):
        return f"driver branch {branch} does not know {generation} GPUs yet; the first that does is {FIRST_BRANCH[generation]}"
    if module == "open" and not takes_open(generation):
        return f"the open kernel modules do not drive {generation} GPUs; they need Turing or later"
    if module == "proprietary" and needs_open(generation):
        return f"{generation} GPUs need the open kernel modules"
    return ""
