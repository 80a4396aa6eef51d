# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From ``name:version`` to the artifact and to the reference that a container engine knows."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError


def find_image(name, manifest, arch):
    """Return the image artifact ``name:version`` for ``arch``; the error lists what the bundle has."""
    wanted = str(name).partition(":")
    for artifact in manifest.of_kind("image", arch):
        if (artifact.name, artifact.version) == (wanted[0], wanted[2]):
            return artifact
    images = list(manifest.of_kind("image"))
    # Of the name that was asked for, if there is any: a list of all is cut before the one that matters.
    have = sorted({"%s:%s (%s)" % (a.name, a.version, a.arch) for a in [a for a in images if a.name == wanted[0]] or images})
    raise BundleError(
        "image %r is not in the bundle%s" % (name, "" if arch is None else " for %s" % arch),
        found=", ".join(have) or "no images", wanted="%s as <name>:<version>" % name,
        remedy="add it to the lock file and run bundle.yml, or correct the workload",
    )


def image_reference(name, manifest, arch=None):
    """Return ``<registry>/<name>@sha256:<digest>`` for ``name:version``.

    Without ``arch`` all architectures in the bundle must share one digest.
    """
    found = find_image(name, manifest, arch)
    pinned = {a.image.pinned for a in manifest.of_kind("image", arch) if (a.name, a.version) == (found.name, found.version)}
    if len(pinned) > 1:
        raise BundleError(
            "image %s has a digest of its own for each architecture" % name, found=", ".join(sorted(pinned)),
            wanted="the architecture of the node that runs it", remedy="pass arch",
        )
    return found.image.pinned
