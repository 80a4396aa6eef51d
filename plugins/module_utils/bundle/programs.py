# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From names to the programs and manifests of a bundle."""

from __future__ import annotations

import fnmatch

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError


def find_binary(wanted, manifest, arch):
    """Return the artifact of the binary ``name`` or ``name=version``; without a version the bundle must hold exactly one."""
    name, unused, version = str(wanted).partition("=")
    found = [a for a in manifest.of_kind("binary", arch) if a.name == name and version in ("", a.version)]
    if len(found) == 1:
        return found[0]
    have = sorted({"%s=%s (%s)" % (a.name, a.version, a.arch) for a in manifest.of_kind("binary")})
    raise BundleError(
        "the bundle has several versions of the binary %s" % name if found
        else "binary %r is not in the bundle for %s" % (wanted, arch),
        found=", ".join(have) or "no binaries", wanted="<name>, or <name>=<version> where the bundle has several versions",
        remedy="add it to the lock file and run bundle.yml, or name the version",
    )


def find_manifests(pattern, manifest, version=""):
    """Return the manifest artifacts whose names fit the shell ``pattern``, sorted by name; all must have one version.

    Without ``version`` the bundle must hold exactly one.
    """
    found = [a for a in manifest.of_kind("manifest") if fnmatch.fnmatchcase(a.name, pattern) and version in ("", a.version)]
    versions = sorted({a.version for a in found})
    if len(versions) == 1:
        return sorted(found, key=lambda a: a.name)
    have = sorted({"%s=%s" % (a.name, a.version) for a in manifest.of_kind("manifest")})
    raise BundleError(
        "the bundle has several versions of the manifests %s" % pattern if versions
        else "no manifest %s%s is in the bundle" % (pattern, " of version " + version if version else ""),
        found=", ".join(versions if versions else have[:20]) or "no manifests", wanted="one version of %s" % pattern,
        remedy="add them to the lock file and run bundle.yml, or name the version",
    )
