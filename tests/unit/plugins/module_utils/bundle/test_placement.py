# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node needs, where it goes, and which image a name means."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.images import image_reference
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import Artifact, Image, Manifest, Tarball
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.packages import gpu_packages, of_format
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.placement import placements

V1, V2 = "v1.36.5+k3s1", "v1.37.1+k3s1"


def sha(number):
    return "%064x" % number


def k3s(arch, version, number):
    suffix = {"amd64": "", "arm64": "-arm64", "arm": "-armhf"}[arch]
    return (
        Artifact("k3s", "k3s-binary", version, arch, sha(number), 10, "/s", "k3s" + suffix),
        Artifact("k3s", "k3s-images", version, arch, sha(number + 1), 20, "/s", "k3s-airgap-images-%s.tar.zst" % arch),
    )


def image(arch, number, name="vision", version="1", digest=None):
    file_name = "%s-%s-%s.tar" % (name, version, arch)
    return Artifact(
        name, "image", version, arch, sha(number), 30, "/s", file_name,
        Image("lab.example/%s:%s" % (name, version), "sha256:" + sha(digest or number + 100)),
    )


def package(arch, number, version="1.20.0-1", kind="deb", name="nvidia-container-toolkit-base"):
    return Artifact(name, kind, version, arch, sha(number), 40, "/s", "%s_%s_%s.%s" % (name, version, arch, kind))


BUNDLE = Manifest(k3s("amd64", V1, 1) + k3s("arm", V1, 3) + (image("amd64", 5), image("arm", 6)))


def test_agent_with_an_image():
    found = placements(BUNDLE, "k3s_agent", "amd64", ["vision:1", "vision:1"])
    base = "/var/lib/rancher/k3s/agent/images/"
    assert [(p.path, p.sha256, p.mode) for p in found] == [
        (base + "k3s-airgap-images-amd64.tar.zst", sha(2), "0644"),
        (base + "vision-1-amd64.tar", sha(5), "0644"),
        ("/usr/local/bin/k3s", sha(1), "0755"),
    ]


def test_32_bit_arm_gets_armhf_as_k3s():
    found = placements(BUNDLE, "k3s_server", "arm", bin_dir="/opt/bin/", data_dir="/data/k3s/")
    assert [p.path for p in found] == ["/data/k3s/agent/images/k3s-airgap-images-arm.tar.zst", "/opt/bin/k3s"]
    assert found[-1].sha256 == sha(3)


def test_version_is_chosen_or_asked_for():
    both = Manifest(k3s("amd64", V1, 1) + k3s("amd64", V2, 7))
    assert placements(both, "k3s_agent", "amd64", k3s_version=V2)[-1].sha256 == sha(7)
    with pytest.raises(BundleError, match="exactly one version"):
        placements(both, "k3s_agent", "amd64")


@pytest.mark.parametrize("manifest, runtime, arch, images, version, message", [
    (BUNDLE, "k3s_agent", "arm64", [], "", "no K3s of one version for arm64.*architectures in the bundle: amd64, arm"),
    (BUNDLE, "k3s_agent", "amd64", [], V2, "Found: %s for amd64" % V1.replace("+", r"\+")),
    (BUNDLE, "kubelet", "amd64", [], "", "runtime is not served"),
    (BUNDLE, "k3s_agent", "x86_64", [], "", "not supported"),
    (BUNDLE, "k3s_agent", "amd64", ["vision:2"], "", r"'vision:2' is not in the bundle for amd64.*vision:1 \(amd64\)"),
    (BUNDLE, "k3s_agent", "amd64", ["vision"], "", "not in the bundle"),
    (Manifest(k3s("amd64", V1, 1)[:1]), "k3s_agent", "amd64", [], "", "no K3s of one version"),
    (Manifest(BUNDLE.artifacts + (dataclasses.replace(image("amd64", 9, "x"), file_name="vision-1-amd64.tar"),)),
     "k3s_agent", "amd64", ["vision:1", "x:1"], "", "two artifacts want the same path"),
])
def test_errors(manifest, runtime, arch, images, version, message):
    with pytest.raises(BundleError, match=message):
        placements(manifest, runtime, arch, images, version)


def test_image_reference():
    assert image_reference("vision:1", BUNDLE, "arm") == "lab.example/vision@sha256:" + sha(106)
    with pytest.raises(BundleError, match="for each architecture"):
        image_reference("vision:1", BUNDLE)
    shared = Manifest((image("amd64", 5, digest=7), image("arm", 6, digest=7)))
    assert image_reference("vision:1", shared) == "lab.example/vision@sha256:" + sha(7)
    with pytest.raises(BundleError, match="no images"):
        image_reference("vision:1", Manifest())


def binary(name, number, version="v1.23.1", arch="amd64"):
    return Artifact(name, "binary", version, arch, sha(number), 50, "/s", name, tarball=Tarball(sha(1), 2 * sha(1), name))


KUBEEDGE = Manifest((binary("edgecore", 30), image("amd64", 31, "pause", "3.6"), package("amd64", 32, "1.6.20", name="containerd")))


def test_an_edgecore_node_gets_nothing_of_k3s():
    found = placements(KUBEEDGE, "edgecore", "amd64", ["pause:3.6"], packages=["containerd"], binaries=["edgecore=v1.23.1"])
    assert [(p.path, p.sha256, p.mode) for p in found] == [
        ("/var/lib/edgeai/packages/containerd_1.6.20_amd64.deb", sha(32), "0644"),
        ("/var/lib/edgeai/images/pause-3.6-amd64.tar", sha(31), "0644"),
        ("/usr/local/bin/edgecore", sha(30), "0755"),
    ]


def test_a_k3s_server_may_have_more_programs():
    found = placements(Manifest(BUNDLE.artifacts + (binary("cloudcore", 33),)), "k3s_server", "amd64", binaries=["cloudcore"])
    assert [p.path for p in found[-2:]] == ["/usr/local/bin/cloudcore", "/usr/local/bin/k3s"]


@pytest.mark.parametrize("binaries, message", [
    (["cloudcore"], r"'cloudcore' is not in the bundle for amd64.*edgecore=v1.23.1 \(amd64\)"),
    (["edgecore=v1.22.2"], "'edgecore=v1.22.2' is not in the bundle"),
])
def test_binaries_that_the_bundle_cannot_give(binaries, message):
    with pytest.raises(BundleError, match=message):
        placements(KUBEEDGE, "edgecore", "amd64", binaries=binaries)


def test_one_binary_of_several_versions_has_to_be_named():
    both = Manifest((binary("edgecore", 30), binary("edgecore", 34, "v1.22.2")))
    assert placements(both, "edgecore", "amd64", binaries=["edgecore=v1.22.2"])[0].sha256 == sha(34)
    with pytest.raises(BundleError, match="several versions of the binary edgecore"):
        placements(both, "edgecore", "amd64", binaries=["edgecore"])


BASE = "nvidia-container-toolkit-base"
GPU_BUNDLE = Manifest(BUNDLE.artifacts + (package("amd64", 8), package("arm", 9), package("amd64", 10, kind="rpm")))


def test_packages_come_first_and_in_both_formats():
    found = placements(GPU_BUNDLE, "k3s_agent", "amd64", packages=[BASE, BASE], state_dir="/var/lib/edgeai/")
    assert [(p.kind, p.path, p.mode) for p in found[:2]] == [
        ("deb", "/var/lib/edgeai/packages/%s_1.20.0-1_amd64.deb" % BASE, "0644"),
        ("rpm", "/var/lib/edgeai/packages/%s_1.20.0-1_amd64.rpm" % BASE, "0644"),
    ]
    assert found[-1].path == "/usr/local/bin/k3s"


@pytest.mark.parametrize("tool, kept", [("deb", ["deb"]), ("rpm", ["rpm"]), ("", ["deb", "rpm"])])
def test_a_node_takes_one_format(tool, kept):
    """A package in one format only is not hidden from whoever has to say that it does not fit."""
    found = [p.to_dict() for p in placements(GPU_BUNDLE, "k3s_agent", "amd64", packages=[BASE])]
    rest = [p["kind"] for p in found[2:]]
    assert [p["kind"] for p in of_format(found, tool)] == kept + rest
    alone = [p for p in found if p["kind"] != "deb"]
    assert of_format(alone, tool) == alone


TWO_VERSIONS = Manifest(GPU_BUNDLE.artifacts + (package("amd64", 11, "1.19.1-1"),))


def test_one_of_several_versions():
    found = placements(TWO_VERSIONS, "k3s_agent", "amd64", packages=[BASE + "=1.19.1-1"])
    assert found[0].sha256 == sha(11)


@pytest.mark.parametrize("manifest, arch, wanted, message", [
    (BUNDLE, "amd64", BASE, "'%s' is not in the bundle for amd64.*no packages" % BASE),
    (GPU_BUNDLE, "arm64", BASE, r"not in the bundle for arm64.*1.20.0-1 \(amd64\)"),
    (GPU_BUNDLE, "amd64", BASE + "=1.21.0-1", "not in the bundle"),
    (GPU_BUNDLE, "amd64", "nvidia-container", "not in the bundle"),
    (TWO_VERSIONS, "amd64", BASE, "several versions of the package.*=1.19.1-1"),
])
def test_packages_that_the_bundle_cannot_give(manifest, arch, wanted, message):
    bundle = Manifest(manifest.artifacts + k3s("arm64", V1, 20))
    with pytest.raises(BundleError, match=message):
        placements(bundle, "k3s_agent", arch, packages=[wanted])


@pytest.mark.parametrize("gpu, options, expected", [
    ("none", {}, []),
    (None, {}, []),
    ("dgpu", {}, [BASE]),
    ("tegra", {"version": "1.20.0-1", "drivers": ["nvidia-open"]}, [BASE + "=1.20.0-1"]),
    ("dgpu", {"packages": ["libnvidia-container1"], "drivers": ["nvidia-open=1"]}, ["libnvidia-container1", "nvidia-open=1"]),
    ("dgpu", {"packages": []}, []),
    ("dgpu", {"state": "absent"}, []),
])
def test_packages_of_a_gpu(gpu, options, expected):
    assert gpu_packages(gpu, **options) == expected
