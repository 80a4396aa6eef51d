# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock file."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.lock import parse_lock

A = "a" * 64
GOOD = {
    "schema": 1,
    "artifacts": [
        {"name": "k3s", "kind": "k3s", "version": "v1.36.5+k3s1", "sha256": {"k3s": A, "k3s-armhf": A}},
        {"name": "vision", "kind": "image", "version": "1", "file": "images/vision-1-{arch}.tar",
         "sha256": {"vision-1-amd64.tar": A}},
        {"name": "jetson", "kind": "image", "version": "r36.4", "file": "jetson.tar", "architectures": ["arm64"],
         "source": "/srv/images"},
        {"name": "nvidia-container-toolkit-base", "kind": "package", "version": "1.20.0-1",
         "file": "nvidia/{name}_{version}_{arch}.deb", "architectures": ["amd64", "arm64"]},
        {"name": "edgecore", "kind": "binary", "version": "v1.23.1", "file": "kubeedge/{version}/ke-{version}-{arch}.tar.gz",
         "member": "ke-{version}/edge/edgecore", "checksum": "kubeedge/{version}/sum-{arch}.txt",
         "sha256": {"ke-v1.23.1-arm64.tar.gz": A}},
        {"name": "crd-rules", "kind": "manifest", "version": "v1.23.1", "file": "kubeedge/{version}/rules.yaml"},
    ],
}


def changed(entry, **values):
    """Return GOOD with other values (None removes a key) in one artifact."""
    document = copy.deepcopy(GOOD)
    for key, value in values.items():
        if value is None:
            document["artifacts"][entry].pop(key)
        else:
            document["artifacts"][entry][key] = value
    return document


def test_good_lock():
    k3s, vision, jetson, toolkit, edgecore, rules = parse_lock(GOOD).artifacts
    assert (k3s.kind, k3s.version, k3s.sha256["k3s"]) == ("k3s", "v1.36.5+k3s1", A)
    assert vision.file_for("arm64") == "images/vision-1-arm64.tar"
    assert vision.architectures == ("amd64", "arm64", "arm")
    assert toolkit.file_for("arm64") == "nvidia/nvidia-container-toolkit-base_1.20.0-1_arm64.deb"
    assert (jetson.architectures, jetson.source) == (("arm64",), "/srv/images")
    assert edgecore.file_for("arm") == "kubeedge/v1.23.1/ke-v1.23.1-arm.tar.gz"
    assert (edgecore.member_for("arm"), edgecore.checksum_for("arm")) == ("ke-v1.23.1/edge/edgecore", "kubeedge/v1.23.1/sum-arm.txt")
    assert (rules.architectures, rules.file_for("any"), rules.member_for("any")) == (("any",), "kubeedge/v1.23.1/rules.yaml", None)


@pytest.mark.parametrize("document, message", [
    ([], "lock file has the wrong type"),
    ({"schema": 1}, "lacks artifacts"),
    ({"schema": 2, "artifacts": []}, "another schema"),
    ({"schema": True, "artifacts": []}, "another schema"),
    ({"schema": 1, "artifacts": []}, "0 entries"),
    ({"schema": 1, "artifacts": [GOOD["artifacts"][0]] * 257}, "257 entries"),
    ({"schema": 1, "artifacts": [GOOD["artifacts"][0]] * 2}, "twice"),
    ({"schema": 1, "artifacts": ["k3s"]}, "artifact 1 has the wrong type"),
    (changed(0, kind="helm"), "one of k3s, image, package"),
    (changed(0, name="kubernetes"), "belong together"),
    (changed(1, name="k3s"), "belong together"),
    (changed(1, name="Vision"), "RFC 1123"),
    (changed(0, version="latest"), "moves with time"),
    (changed(1, version="stable"), "moves with time"),
    (changed(0, version="v1.36"), "exact K3s version"),
    (changed(1, version=1), "put it in quotes"),
    (changed(1, version="1/2"), "letters, digits"),
    (changed(1, file=None), "lacks file"),
    (changed(0, file="k3s.tar"), "unknown key"),
    (changed(1, file="../vision-{arch}.tar"), "relative path"),
    (changed(1, file="images/../../vision-{arch}.tar"), "plain relative path"),
    (changed(1, file="/images/vision-{arch}.tar"), "relative path"),
    (changed(1, file="images//vision-{arch}.tar"), "plain relative path"),
    (changed(1, file="images/vision-{os}-{arch}.tar"), "plain relative path"),
    (changed(1, file="images/vision-{arch}.tar.zst"), "ends in .tar"),
    (changed(1, file="{arch}/vision.tar"), "same for several"),
    (changed(1, file="vision.tar"), "same for several"),
    (changed(2, architectures=[]), "without repetition"),
    (changed(2, architectures=["arm64", "arm64"]), "without repetition"),
    (changed(2, architectures=["aarch64"]), "not supported"),
    (changed(2, source="http://mirror.example"), "https"),
    (changed(3, name="Nvidia"), "name of a package"),
    (changed(3, name="nvidia_container"), "name of a package"),
    (changed(3, version="latest"), "moves with time"),
    (changed(3, version="v1.20"), "exact package version"),
    (changed(3, version="1.20.0-1; reboot"), "exact package version"),
    (changed(3, file="nvidia/toolkit-{arch}.tar"), "ends in .deb or .rpm"),
    (changed(3, file="nvidia/{name}.deb"), "same for several"),
    (changed(3, file="{name}/../{arch}.deb"), "plain relative path"),
    (changed(3, file="{os}_{arch}.deb"), "no braces but {arch}, {name} and {version}"),
    (changed(3, sha256={"nvidia-container-toolkit-base_1.20.0-1_x86_64.deb": A}), "did you mean"),
    (changed(4, member=None), "lacks member"),
    (changed(4, member="../edgecore"), "relative path"),
    (changed(4, checksum="sums/{os}.txt"), r"checksum is not a plain.*no braces but \{arch\} and \{version\}"),
    (changed(4, version="1"), "such as v1.23.1"),
    (changed(4, file="kubeedge/{arch}.zip"), "ends in .tar.gz"),
    (changed(3, member="edgecore"), "unknown key"),
    (changed(5, architectures=["amd64"]), "unknown key"),
    (changed(5, file="rules.json"), "ends in .yaml"),
    (changed(0, sha256={"k3s": "A" * 64}), "64 lower-case"),
    (changed(0, sha256={"k3s": 5}), "wrong type"),
    (changed(0, sha256={"k3s-arm": A}), "did you mean"),
    (changed(1, sha256={"vision-2-amd64.tar": A}), "did you mean 'vision-1-amd64.tar'"),
    (changed(1, sha265={}), "did you mean 'sha256'"),
])
def test_bad_locks(document, message):
    with pytest.raises(BundleError, match=message):
        parse_lock(document)


@pytest.mark.parametrize("version", ["1.20.0-1", "1:580.95.05-0ubuntu1~24.04.1", "36.4.0-20240912212859", "2.0+dfsg-1"])
@pytest.mark.parametrize("ending, arm", [("deb", "armhf"), ("rpm", "armv7hl")])
def test_versions_and_architectures_of_packages(version, ending, arm):
    """A file name leaves the epoch out, and each format has its own names of architectures."""
    package = parse_lock(changed(3, version=version, file="{name}_{version}_{arch}." + ending, architectures=["arm"])).artifacts[3]
    assert package.version == version
    assert package.file_for("arm") == "nvidia-container-toolkit-base_%s_%s.%s" % (version.split(":")[-1], arm, ending)


def test_a_package_may_be_there_in_both_formats():
    both = changed(3)
    both["artifacts"].append(dict(both["artifacts"][3], file="nvidia/{name}-{version}.{arch}.rpm"))
    assert [artifact.format for artifact in parse_lock(both).artifacts if artifact.kind == "package"] == ["deb", "rpm"]
