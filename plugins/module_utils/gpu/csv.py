# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CSV files by which a Jetson says which of its files a container gets. Pure."""
from __future__ import annotations

from typing import NamedTuple

DIRECTORY = "/etc/nvidia-container-runtime/host-files-for-container.d"
#: The ones that the toolkit reads unless a container asks for more.
DEFAULT_FILES = ("devices.csv", "drivers.csv", "l4t.csv")
KINDS = ("dev", "dir", "lib", "sym")


class Entry(NamedTuple):
    """One line: what it is and where it lies on the host."""

    kind: str
    path: str


def parse(text):
    """``(entries, unreadable lines as "number: text")``."""
    entries, unreadable = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        kind, comma, path = (part.strip() for part in line.partition(","))
        if comma and kind in KINDS and path.startswith("/"):
            entries.append(Entry(kind, path))
        else:
            unreadable.append("%d: %.80s" % (number, line))
    return entries, unreadable


def entries(text):
    """The readable entries of one file."""
    return parse(text)[0]


def problems(files, present):
    """Problems of ``{file name: text or None}``, one sentence each, given the set of paths that are ``present``.

    Entries without a target are common and harmless: one list serves several modules, and the toolkit skips what is not
    there. Without the driver library, or without any device, no container has a GPU.
    """
    missing_files = [name for name in DEFAULT_FILES if files.get(name) is None]
    if len(missing_files) == len(DEFAULT_FILES):
        return ["none of %s in %s: the packages nvidia-l4t-init and nvidia-l4t-core bring them" % (
            ", ".join(DEFAULT_FILES), DIRECTORY)]
    found, entries = [], []
    for name in DEFAULT_FILES:
        more, unreadable = parse(files.get(name) or "")
        entries += more
        found += ["%s/%s line %s cannot be read" % (DIRECTORY, name, line) for line in unreadable]
    cuda = [entry.path for entry in entries if entry.kind in ("lib", "sym") and "/libcuda.so" in entry.path]
    if not cuda:
        found.append("no line of %s names libcuda.so: containers would start without CUDA" % DIRECTORY)
    elif not present.intersection(cuda):
        found.append("libcuda.so is not where %s says (%s): containers would start without CUDA" % (DIRECTORY, ", ".join(cuda)))
    devices = [entry.path for entry in entries if entry.kind == "dev"]
    if not present.intersection(devices):
        found.append("none of the %d devices in %s is there" % (len(devices), DIRECTORY))
    return found


def targets(files):
    """Every path that the default files name."""
    return sorted({entry.path for name in DEFAULT_FILES for entry in parse(files.get(name) or "")[0]})
