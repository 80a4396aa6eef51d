# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What belongs into a bundle and what is done about it."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle import plan
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.lock import parse_lock
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import Artifact, Manifest
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.oci import layout

A, B = "a" * 64, "b" * 64
K3S = {"name": "k3s", "kind": "k3s", "version": "v1.36.5+k3s1", "sha256": {"k3s": A}}
VISION = {"name": "vision", "kind": "image", "version": "1", "file": "images/vision-1-{arch}.tar"}
JETSON = {"name": "jetson", "kind": "image", "version": "1", "file": "jetson.tar", "architectures": ["arm64"]}


def lock(*entries):
    return parse_lock({"schema": 1, "artifacts": list(entries)})


def test_only_the_architectures_of_the_fleet():
    wants = plan.wanted(lock(K3S, VISION, JETSON), ["amd64", "amd64"], "/srv")
    assert [want.file_name for want in wants] == ["vision-1-amd64.tar", "k3s", "k3s-airgap-images-amd64.tar.zst"]


def test_upstream_and_mirror_addresses():
    upstream, = [want for want in plan.wanted(lock(K3S), ["arm"]) if want.kind == "k3s-binary"]
    base = "https://github.com/k3s-io/k3s/releases/download/v1.36.5%2Bk3s1/"
    assert upstream.location == base + "k3s-armhf"
    assert upstream.sums_location == base + "sha256sum-arm.txt"
    image, binary, unused = plan.wanted(lock(K3S, VISION), ["amd64"], "https://m:8443")
    assert binary.location == "https://m:8443/k3s/v1.36.5%2Bk3s1/k3s"
    assert binary.pin == A
    assert image.location == "https://m:8443/images/vision-1-amd64.tar"
    assert image.sums_location == "https://m:8443/images/sha256sum-amd64.txt"
    assert image.pin is None


def test_source_of_an_entry_wins():
    entry = dict(VISION, source="/srv/images")
    image, = [want for want in plan.wanted(lock(K3S, entry), ["amd64"]) if want.kind == "image"]
    assert image.location == "/srv/images/images/vision-1-amd64.tar"


@pytest.mark.parametrize("entries, architectures, source, message", [
    ([VISION], ["amd64"], None, "has no source"),
    ([JETSON], ["amd64"], "/srv", "nothing to put"),
    ([K3S], [], "/srv", "nothing to put"),
    ([K3S], ["x86_64"], "/srv", "not supported"),
])
def test_nothing_sensible_wanted(entries, architectures, source, message):
    with pytest.raises(BundleError, match=message):
        plan.wanted(lock(*entries), architectures, source)


def test_packages_have_their_checksums_beside_them():
    entry = {"name": "nvidia-container-toolkit", "kind": "package", "version": "1.20.0-1",
             "file": "nvidia/{name}_{version}_{arch}.deb"}
    package, = plan.wanted(lock(entry), ["arm"], "https://m:8443")
    assert (package.kind, package.file_name) == ("deb", "nvidia-container-toolkit_1.20.0-1_armhf.deb")
    assert package.location == "https://m:8443/nvidia/nvidia-container-toolkit_1.20.0-1_armhf.deb"
    assert package.sums_location == "https://m:8443/nvidia/sha256sum-arm.txt"


def want(kind="image", pin=None):
    return plan.Want("vision", kind, "1", "amd64", "v.tar", "/srv/v.tar", "/srv/sums", pin)


@pytest.mark.parametrize("asked, sums, expected", [
    (want(pin=A), {"v.tar": A}, A),
    (want(), {"v.tar": B}, B),
    (want(pin=A), None, A),
    (want("deb", A), None, A),
])
def test_expected_checksum(asked, sums, expected):
    assert plan.expected_checksum(asked, sums) == expected


@pytest.mark.parametrize("asked, sums, message", [
    (want(), None, "no file /srv/sums"),
    (want("rpm"), None, "or a pin in the lock file"),
    (want("k3s-binary", A), None, "no file /srv/sums"),
    (want(pin=A), {}, "without a line"),
    (want(), {"v.tar.old": A}, "without a line"),
    (want(pin=A), {"v.tar": B}, "two checksums"),
])
def test_nobody_vouches(asked, sums, message):
    with pytest.raises(BundleError, match=message):
        plan.expected_checksum(asked, sums)


def have(sha256):
    return Artifact("vision", "image", "1", "amd64", sha256, 5, "/srv/v.tar", "v.tar")


@pytest.mark.parametrize("pin, artifact, sound, expected, step", [
    (A, have(A), True, None, plan.KEEP),
    (A, have(A), False, None, plan.ASK),
    (A, have(A), False, A, plan.FETCH),
    (A, have(B), True, None, plan.ASK),
    (A, have(B), True, A, plan.FETCH),
    (None, have(A), True, None, plan.ASK),
    (None, have(A), True, A, plan.KEEP),
    (None, have(A), True, B, plan.FETCH),
    (None, None, False, None, plan.ASK),
    (None, None, False, A, plan.FETCH),
])
def test_decide(pin, artifact, sound, expected, step):
    assert plan.decide(want(pin=pin), artifact, sound, expected) == step


def test_renamed_file_is_not_kept():
    assert plan.decide(dataclasses.replace(want(pin=A), file_name="w.tar"), have(A), True) == plan.ASK


def test_stale_blobs():
    binary = Artifact("k3s", "k3s-binary", "v1.36.5+k3s1", "arm", A, 5, "/srv/k3s-armhf", "k3s-armhf")
    manifest = Manifest((binary,))
    used = [A] + list(layout(manifest)[1])
    assert plan.stale_blobs(manifest, used + [B]) == [B]
