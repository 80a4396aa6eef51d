# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node needs from a bundle, and where it goes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.images import find_image
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.programs import find_binary
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.naming import check_arch
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.packages import find_packages

K3S_RUNTIMES = ("k3s_server", "k3s_agent")
RUNTIMES = K3S_RUNTIMES + ("edgecore",)


@dataclass(frozen=True)
class Placement:
    """One file of a node: its bytes (``sha256``, ``size``), its place and its mode (octal text)."""

    kind: str
    name: str
    version: str
    arch: str
    sha256: str
    size: int
    path: str
    mode: str

    def to_dict(self):
        """Return what the module takes."""
        return asdict(self)


def images_dir(runtime, data_dir, state_dir):
    """Return the directory for image archives: the one that K3s watches, or ours, from which the role edgecore imports."""
    return data_dir.rstrip("/") + "/agent/images" if runtime in K3S_RUNTIMES else state_dir.rstrip("/") + "/images"


def packages_dir(state_dir):
    """Return the directory where packages wait for the operating system's package tool."""
    return state_dir.rstrip("/") + "/packages"


def placements(manifest, runtime, arch, images=(), k3s_version="", bin_dir="/usr/local/bin", data_dir="/var/lib/rancher/k3s",
               packages=(), state_dir="/var/lib/edgeai", binaries=()):
    """Return the Placements of a node, packages first, then images.

    Programs come last: whoever finds the wanted binary on a node finds its images too.
    ``images`` are ``name:version``; ``k3s_version`` may be empty if the bundle holds one version only.
    ``packages`` and ``binaries`` are ``name`` or ``name=version``. A node that runs EdgeCore gets nothing of K3s.
    """
    check_arch(arch, "architecture of the node")
    if runtime not in RUNTIMES:
        raise BundleError("runtime is not served", found=repr(runtime), wanted="one of %s" % ", ".join(RUNTIMES))
    k3s = runtime in K3S_RUNTIMES
    version = _k3s_version(manifest, arch, k3s_version) if k3s else None
    chosen = [manifest.find(("k3s-images", "k3s", version, arch))] if k3s else []
    chosen += [find_image(name, manifest, arch) for name in sorted(set(images))]
    result = [
        _place(artifact, "%s/%s" % (packages_dir(state_dir), artifact.file_name), "0644")
        for name in sorted(set(packages)) for artifact in find_packages(name, manifest, arch)
    ]
    folder = images_dir(runtime, data_dir, state_dir)
    result += [_place(artifact, "%s/%s" % (folder, artifact.file_name), "0644") for artifact in chosen]
    programs = [find_binary(name, manifest, arch) for name in sorted(set(binaries))]
    result += [_place(artifact, "%s/%s" % (bin_dir.rstrip("/"), artifact.file_name), "0755") for artifact in programs]
    if k3s:
        result.append(_place(manifest.find(("k3s-binary", "k3s", version, arch)), bin_dir.rstrip("/") + "/k3s", "0755"))
    paths = [placement.path for placement in result]
    if len(set(paths)) != len(paths):
        raise BundleError(
            "two artifacts want the same path", found=", ".join(sorted(p for p in paths if paths.count(p) > 1)),
            remedy="give each artifact of the lock file its own file name",
        )
    return result


def _place(artifact, path, mode):
    return Placement(
        kind=artifact.kind, name=artifact.name, version=artifact.version, arch=artifact.arch,
        sha256=artifact.sha256, size=artifact.size, path=path, mode=mode,
    )


def _k3s_version(manifest, arch, wanted):
    """Return the version that has both binary and images for ``arch``."""
    versions = sorted(
        {a.version for a in manifest.of_kind("k3s-binary", arch) if a.name == "k3s"}
        & {a.version for a in manifest.of_kind("k3s-images", arch) if a.name == "k3s"}
    )
    if wanted in versions:
        return wanted
    if not wanted and len(versions) == 1:
        return versions[0]
    others = sorted({a.arch for a in manifest.of_kind("k3s-binary")})
    raise BundleError(
        "the bundle has no K3s %s for %s" % (wanted or "of one version", arch),
        found="%s for %s; architectures in the bundle: %s" % (
            ", ".join(versions) or "nothing", arch, ", ".join(others) or "none"),
        wanted=wanted or "exactly one version, or k3s_version to say which",
        remedy="run bundle.yml with this version and architecture",
    )
