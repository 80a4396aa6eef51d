# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters as a template calls them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.edgeai.sites.plugins.filter.bundle import FilterModule
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import Artifact, Image, Manifest

FILTERS = FilterModule().filters()
VISION = Artifact("vision", "image", "1", "arm64", "b" * 64, 7, "/s", "vision-1-arm64.tar",
                  Image("lab.example/vision:1", "sha256:" + "a" * 64))


def test_from_directory_to_reference(tmp_path):
    (tmp_path / "bundle.json").write_text(Manifest((VISION,)).dump())
    manifest = FILTERS["bundle_manifest"](str(tmp_path))
    assert manifest == {"schema": 1, "artifacts": [VISION.to_dict()]}
    assert FILTERS["bundle_image"]("vision:1", manifest, arch="arm64") == "lab.example/vision@sha256:" + "a" * 64
    with pytest.raises(AnsibleFilterError, match=r"Found: vision:1 \(arm64\)"):
        FILTERS["bundle_image"]("vision:1", manifest, arch="amd64")


def test_no_bundle(tmp_path):
    with pytest.raises(AnsibleFilterError, match="no bundle at"):
        FILTERS["bundle_manifest"](str(tmp_path))


def test_node_images():
    workloads = [{"name": "v", "image": "vision:1", "runs_on": {"lines": ["line-a"]}}]
    assert FILTERS["node_images"](workloads, {"name": "n", "lines": ["line-a"]}) == ["vision:1"]
    with pytest.raises(AnsibleFilterError, match="must say one thing"):
        FILTERS["node_images"]([{"name": "v", "image": "x"}], {"name": "n"})
