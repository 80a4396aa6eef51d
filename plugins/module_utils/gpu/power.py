# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power mode and clocks of a Jetson: what its programs say, and what has to be done. Pure."""
from __future__ import annotations

import re
from typing import NamedTuple

NVPMODEL_CONF = "/etc/nvpmodel.conf"
#: Where the clocks from before are kept, so that they can be given back.
STORE = "/var/lib/edgeai/jetson_clocks.conf"
_MODEL = re.compile(r"^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>", re.MULTILINE)
_RANGE = re.compile(r"^\s*(GPU|cpu\d+)\b.*?\bMinFreq=(\d+)\s+MaxFreq=(\d+)", re.MULTILINE | re.IGNORECASE)


class PowerError(Exception):
    """What is wanted does not exist here, or cannot be read."""


class Mode(NamedTuple):
    """A mode of nvpmodel; ``name`` may be empty."""

    number: str
    name: str = ""

    def __str__(self):
        return "%s (%s)" % (self.number, self.name) if self.name else self.number


def current_mode(text):
    """The mode in the output of ``nvpmodel -q``: ``NV Power Mode: 15W`` and below it the number; None when it says none."""
    name, number = "", None
    for line in (line.strip() for line in text.splitlines()):
        found = re.match(r"(?:NVPM VERB:\s*)?NV Power Mode:\s*(\S+)$", line)
        if found:
            name = found.group(1)
        elif name and re.match(r"\d+$", line):
            number = line
            break
    return Mode(number, name.replace("MODE_", "", 1)) if number is not None else None


def modes(text):
    """The modes that nvpmodel.conf defines."""
    return [Mode(number, name.replace("MODE_", "", 1)) for number, name in _MODEL.findall(text or "")]


def find_mode(wanted, known):
    """The mode that is ``wanted`` by number or name, in any case; raises PowerError when ``known`` modes have it not."""
    wanted = str(wanted).strip()
    for mode in known:
        if wanted == mode.number or wanted.upper().replace("MODE_", "", 1) == mode.name.upper():
            return mode
    if not known and wanted.isdigit():
        return Mode(wanted)
    raise PowerError("found nvidia_runtime_nvpmodel_mode: %s, wanted one that this Jetson has: %s" % (
        wanted, ", ".join(map(str, known)) or "a number, as %s cannot be read" % NVPMODEL_CONF))


def wants_reboot(text):
    """Whether nvpmodel did not set the mode because it would have to reboot. It asks then, and is never answered."""
    return re.search(r"\breboot", text, re.IGNORECASE) is not None


def clocks_locked(text):
    """Whether ``jetson_clocks --show`` has GPU and processors at one speed; None when it says nothing of them."""
    ranges = _RANGE.findall(text)
    return all(low == high for _what, low, high in ranges) if ranges else None
