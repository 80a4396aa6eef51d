# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of the host's own format: from what is installed and what files are there to what must be done. Pure.

No package source is ever asked: files come from the bundle, and the host's package tool installs them without a network.
"""
from __future__ import annotations

from typing import NamedTuple

_STATES = {
    "n": "not-installed", "c": "config-files", "H": "half-installed", "U": "unpacked", "F": "half-configured",
    "W": "triggers-awaited", "t": "triggers-pending", "i": "installed",
}
_UNCONFIGURED = ("unpacked", "half-configured", "triggers-awaited", "triggers-pending")


class PackagesError(Exception):
    """What is wanted cannot or must not be done; nothing was changed."""


class Installed(NamedTuple):
    """What the package tool says of one package. ``state`` is dpkg's word; rpm knows ``installed`` only."""

    version: str
    state: str = "installed"
    held: bool = False
    damaged: bool = False


class File(NamedTuple):
    """A package file on this host."""

    name: str
    version: str
    arch: str
    path: str


class Action(NamedTuple):
    """One call of the package tool: ``remove``, ``install``, ``configure``, ``hold`` or ``unhold``; targets are names or paths."""

    kind: str
    targets: tuple
    reason: str


def parse_dpkg(text):
    """``{name: Installed}`` of lines ``status abbreviation TAB name TAB version`` of dpkg-query."""
    found = {}
    for line in text.splitlines():
        words = line.split("\t")
        if len(words) == 3 and len(words[0]) >= 2 and words[0][1] in _STATES and words[0][1] != "n":
            found[words[1]] = Installed(words[2], _STATES[words[0][1]], words[0][0] == "h", words[0][2:3] == "R")
    return found


def parse_rpm(text):
    """``{name: Installed}`` of lines ``name TAB epoch:version-release`` of rpm."""
    lines = [line.split("\t") for line in text.splitlines()]
    return {words[0]: Installed(without_epoch_zero(words[1])) for words in lines if len(words) == 2}


def without_epoch_zero(version):
    """No epoch and epoch 0 are the same."""
    return version[2:] if version.startswith("0:") else version


def parse_files(text, paths):
    """Files of lines ``name TAB version TAB architecture``, one for each path in order."""
    lines = [line.split("\t") for line in text.splitlines()]
    return [File(words[0], without_epoch_zero(words[1]), words[2], path) for words, path in zip(lines, paths) if len(words) == 3]


def present(installed, chosen, hold=True):
    """Actions, in order, that bring the packages of ``chosen`` (``{name: File}``) to those versions; none when all is well.

    ``installed`` is what :func:`parse_dpkg` or :func:`parse_rpm` returned for them. They are installed in one call: they may
    need each other.
    """
    todo = [name for name in chosen if not is_right(installed.get(name), chosen[name])]
    repairable = [name for name in todo if _only_configure(installed.get(name), chosen[name])]
    reason = "; ".join(_reason(name, installed.get(name), chosen[name]) for name in todo)
    actions = []
    if todo and todo == repairable:
        actions.append(Action("configure", tuple(todo), reason))
    elif todo:
        actions.append(Action("install", tuple(chosen[name].path for name in todo), reason))
    return actions + _holds(installed, list(chosen), todo, hold)


def choose(wanted, files, setting):
    """``{name: File}``, one for each of ``wanted``; raises PackagesError. ``setting``: the variable that names one version."""
    chosen = {}
    for name in wanted:
        of_name = [file for file in files if file.name == name]
        versions = sorted({file.version for file in of_name})
        if not of_name:
            raise PackagesError(
                "no package file of %s on this host (found: %s). Put it into the lock file, run bundle.yml, then the artifacts step"
                % (name, ", ".join(sorted({file.name for file in files})) or "none"))
        if len(versions) > 1:
            raise PackagesError("several versions of %s on this host: %s. Name one with %s and run the artifacts step" % (
                name, ", ".join(versions), setting))
        chosen[name] = of_name[0]
    return chosen


def is_right(have, file):
    """Whether a package is there, whole and in the version of the file."""
    return have is not None and have.state == "installed" and not have.damaged and have.version == file.version


def _only_configure(have, file):
    return have is not None and have.state in _UNCONFIGURED and not have.damaged and have.version == file.version


def _reason(name, have, file):
    if have is None or have.state == "config-files":
        return "%s %s is not installed" % (name, file.version)
    if have.state != "installed" or have.damaged:
        return "%s %s is %s: its installation was interrupted" % (name, have.version, "damaged" if have.damaged else have.state)
    return "%s is %s, wanted %s" % (name, have.version, file.version)


def _holds(installed, wanted, todo, hold):
    held = [name for name in wanted if name in installed and installed[name].held]
    if hold:
        # Installing may take the mark away, so what was just installed is marked again.
        missing = tuple(name for name in wanted if name not in held or name in todo)
        return [Action("hold", missing, "the package sources of this host must not change their version")] if missing else []
    return [Action("unhold", tuple(held), "packages are not to be held")] if held else []
