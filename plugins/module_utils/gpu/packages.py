# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of the toolkit and the driver: from what is installed and what files are there to what must be done. Pure.

No package source is ever asked: files come from the bundle, and the host's package tool installs them without a network.
"""
from __future__ import annotations

from typing import NamedTuple

#: Since 1.18 each needs the others at exactly its own version.
TOOLKIT = ("libnvidia-container1", "libnvidia-container-tools", "nvidia-container-toolkit-base", "nvidia-container-toolkit")
#: Names from before 2022; they own files of today's packages.
OLD = ("nvidia-docker2", "nvidia-docker", "nvidia-container-runtime", "nvidia-container-runtime-hook", "libnvidia-container0")
#: Package sources of those names: apt refuses to work when two sources of one address name different keys.
OLD_SOURCES = ("libnvidia-container", "nvidia-docker", "nvidia-container-runtime")

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


def old_sources(names):
    """Those of the file ``names`` in a directory of package sources that clash with the current one."""
    return [name for name in names if name.rpartition(".")[0] in OLD_SOURCES and name.endswith((".list", ".sources", ".repo"))]


def present(installed, wanted, files, hold=True, remove_old=False):
    """Actions, in order, that bring ``wanted`` (names) to the versions of ``files`` on this host; none when all is well.

    ``installed`` is what :func:`parse_dpkg` or :func:`parse_rpm` returned for the wanted, toolkit and old packages.
    """
    chosen = _choose(wanted, files)
    actions = _old(installed, remove_old)
    _check_family(installed, wanted, chosen)
    todo = [name for name in wanted if not _is_right(installed.get(name), chosen[name])]
    repairable = [name for name in todo if _only_configure(installed.get(name), chosen[name])]
    if todo and todo == repairable:
        actions.append(Action("configure", tuple(todo), "; ".join(_reason(name, installed.get(name), chosen[name]) for name in todo)))
    elif todo:
        # All in one call: they need each other at exactly one version.
        actions.append(Action("install", tuple(chosen[name].path for name in todo),
                              "; ".join(_reason(name, installed.get(name), chosen[name]) for name in todo)))
    return actions + _holds(installed, wanted, todo, hold)


def absent(installed, wanted):
    """Actions that remove ``wanted`` with their configuration."""
    gone = tuple(name for name in wanted if name in installed)
    others = sorted(name for name in TOOLKIT if name in installed and name not in wanted and installed[name].state != "config-files")
    if gone and others and any(name in TOOLKIT for name in gone):
        raise PackagesError(
            "%s cannot be removed alone: %s needs it. Add it to nvidia_runtime_packages, or remove it by hand"
            % (", ".join(gone), ", ".join(others)))
    held = tuple(name for name in gone if installed[name].held)
    actions = [Action("unhold", held, "they are to be removed")] if held else []
    return actions + ([Action("remove", gone, "the NVIDIA runtime is not wanted here")] if gone else [])


def _choose(wanted, files):
    chosen = {}
    for name in wanted:
        of_name = [file for file in files if file.name == name]
        versions = sorted({file.version for file in of_name})
        if not of_name:
            raise PackagesError(
                "no package file of %s on this host (found: %s). Put it into the lock file, run bundle.yml, then the artifacts step"
                % (name, ", ".join(sorted({file.name for file in files})) or "none"))
        if len(versions) > 1:
            raise PackagesError("several versions of %s on this host: %s. Name one with nvidia_runtime_version and run the "
                                "artifacts step" % (name, ", ".join(versions)))
        chosen[name] = of_name[0]
    family = sorted({"%s %s" % (name, chosen[name].version) for name in wanted if name in TOOLKIT})
    if len({chosen[name].version for name in wanted if name in TOOLKIT}) > 1:
        raise PackagesError("the toolkit's packages need one version, found: %s. Correct the lock file" % ", ".join(family))
    return chosen


def _old(installed, remove_old):
    old = tuple(name for name in OLD if name in installed and installed[name].state != "config-files")
    if not old:
        return []
    if not remove_old:
        raise PackagesError(
            "%s from before the NVIDIA Container Toolkit is installed and owns files of it. Remove it, or let this role do it "
            "with nvidia_runtime_remove_old: true" % ", ".join("%s %s" % (name, installed[name].version) for name in old))
    return [Action("remove", old, "they own files of today's toolkit")]


def _check_family(installed, wanted, chosen):
    """A package of the toolkit that is not wanted holds the others at its own version."""
    version = next((chosen[name].version for name in wanted if name in TOOLKIT), None)
    others = [name for name in TOOLKIT if version and name in installed and name not in wanted
              and installed[name].state != "config-files" and installed[name].version != version]
    if others:
        raise PackagesError(
            "%s would break beside version %s of the toolkit. Add it to nvidia_runtime_packages and to the lock file, or remove "
            "it" % (", ".join("%s %s" % (name, installed[name].version) for name in others), version))


def _is_right(have, file):
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
    return [Action("unhold", tuple(held), "nvidia_runtime_hold is false")] if held else []
