# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of the NVIDIA toolkit and the driver: which belong together, and which of before must go. Pure."""
from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.packages import plan
from ansible_collections.edgeai.sites.plugins.module_utils.packages.plan import Action, PackagesError

#: Since 1.18 each needs the others at exactly its own version.
TOOLKIT = ("libnvidia-container1", "libnvidia-container-tools", "nvidia-container-toolkit-base", "nvidia-container-toolkit")
#: Names from before 2022; they own files of today's packages.
OLD = ("nvidia-docker2", "nvidia-docker", "nvidia-container-runtime", "nvidia-container-runtime-hook", "libnvidia-container0")
#: Package sources of those names: apt refuses to work when two sources of one address name different keys.
OLD_SOURCES = ("libnvidia-container", "nvidia-docker", "nvidia-container-runtime")


def old_sources(names):
    """Those of the file ``names`` in a directory of package sources that clash with the current one."""
    return [name for name in names if name.rpartition(".")[0] in OLD_SOURCES and name.endswith((".list", ".sources", ".repo"))]


def present(installed, wanted, files, hold=True, remove_old=False):
    """Actions, in order, that bring ``wanted`` (names) to the versions of ``files`` on this host; none when all is well.

    ``installed`` is what ``plan.parse_dpkg`` or ``plan.parse_rpm`` returned for the wanted, toolkit and old packages.
    """
    chosen = plan.choose(wanted, files, "nvidia_runtime_version")
    _check_versions(wanted, chosen)
    actions = _old(installed, remove_old)
    _check_family(installed, wanted, chosen)
    return actions + plan.present(installed, chosen, hold)


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


def _check_versions(wanted, chosen):
    family = sorted({"%s %s" % (name, chosen[name].version) for name in wanted if name in TOOLKIT})
    if len({chosen[name].version for name in wanted if name in TOOLKIT}) > 1:
        raise PackagesError("the toolkit's packages need one version, found: %s. Correct the lock file" % ", ".join(family))


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
