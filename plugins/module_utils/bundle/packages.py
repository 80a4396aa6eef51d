# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the name of a package to its files in a bundle, and which packages a node needs for its GPU."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import PACKAGE_KINDS

#: Enough for K3s: the runtime, nvidia-ctk, the CDI hook and the units that keep the CDI specification fresh.
TOOLKIT = ("nvidia-container-toolkit-base",)


def find_packages(wanted, manifest, arch):
    """Return the artifacts of the package ``name`` or ``name=version`` for ``arch``: a .deb, an .rpm, or one of each.

    Without a version the bundle must hold exactly one. Which of the two formats a node takes is known on the node only: see of_format.
    """
    name, unused, version = str(wanted).partition("=")
    of_name = [a for kind in PACKAGE_KINDS for a in manifest.of_kind(kind, arch) if a.name == name]
    versions = sorted({a.version for a in of_name})
    if not version and len(versions) == 1:
        version = versions[0]
    found = [a for a in of_name if a.version == version]
    if found:
        return found
    have = sorted({"%s=%s (%s)" % (a.name, a.version, a.arch) for kind in PACKAGE_KINDS for a in manifest.of_kind(kind)})
    raise BundleError(
        "package %r is not in the bundle for %s" % (wanted, arch) if not of_name or version
        else "the bundle has several versions of the package %s" % name,
        found=", ".join(have) or "no packages", wanted="<name>, or <name>=<version> where the bundle has several versions",
        remedy="add it to the lock file and run bundle.yml, or name the version",
    )


def of_format(placements, tool):
    """Return the placements (as dicts) without packages that come in the format ``tool``, "deb" or "rpm", too.

    A package in one format only stays, whatever the node has: the step that installs it knows what to say then.
    """
    there = {p["name"] for p in placements if p["kind"] == tool}
    return [p for p in placements if p["kind"] not in PACKAGE_KINDS or p["kind"] == tool or p["name"] not in there]


def gpu_packages(gpu, packages=None, version="", drivers=None, state="present"):
    """Return the packages that a node with this ``edge_gpu`` gets from the bundle; none without a GPU, none when absent.

    ``packages`` are those of the NVIDIA Container Toolkit, all at one ``version``; None is the smallest set that K3s needs.
    ``drivers`` are those of the driver; a Jetson never gets any, its driver is part of JetPack.
    """
    if gpu not in ("dgpu", "tegra") or state == "absent":
        return []
    toolkit = TOOLKIT if packages is None else packages
    result = ["%s=%s" % (name, version) if version else name for name in toolkit]
    return result + (list(drivers or []) if gpu == "dgpu" else [])
