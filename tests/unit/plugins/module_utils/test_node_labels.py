# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node labels: which are allowed, and the patch that brings ours up to date."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgeai.sites.plugins.module_utils import node_labels as labels


@pytest.mark.parametrize(("wanted", "expected"), [
    ({"plant.example/hall": "1", "zone": "", "a.b_c-d": "X.y_z"}, None),
    ({"topology.kubernetes.io/zone": "hall-1"}, None),
    ({"kubernetes.io/role": "edge"}, "reserved for Kubernetes"),
    ({"node-role.kubernetes.io/worker": "true"}, "reserved for Kubernetes"),
    ({"x.k8s.io/y": "z"}, "reserved for Kubernetes"),
    ({"notkubernetes.io/role": "edge"}, None),
    ({"hall": 1}, "write it in quotes"),
    ({"hall": "a b"}, "not a label value"),
    ({"hall": "x" * 64}, "not a label value"),
    ({"-hall": "1"}, "not a Kubernetes label name"),
    ({"UPPER.example/hall": "1"}, "not a Kubernetes label name"),
    ({"/hall": "1"}, "not a Kubernetes label name"),
])
def test_check(wanted, expected):
    problems = labels.check(wanted)
    assert (problems == []) if expected is None else (len(problems) == 1 and expected in problems[0])


def node(current, owned=None):
    annotations = {} if owned is None else {labels.OWNED_ANNOTATION: owned}
    return {"metadata": {"labels": current, "annotations": annotations}}


@pytest.mark.parametrize(("current", "owned", "wanted", "patch_labels", "patch_owned"), [
    ({}, None, {}, {}, None),
    ({"a": "1"}, '["a"]', {"a": "1"}, {}, None),
    ({}, None, {"a": "1"}, {"a": "1"}, '["a"]'),
    ({"a": "2"}, '["a"]', {"a": "1"}, {"a": "1"}, None),
    ({"a": "1", "theirs": "x"}, '["a"]', {}, {"a": None}, "removed"),
    ({"theirs": "x"}, '["a"]', {}, {}, "removed"),
    ({"a": "1"}, "not json", {"a": "1"}, {}, '["a"]'),
    ({"a": "1"}, '{"a": 1}', {"a": "1"}, {}, '["a"]'),
])
def test_plan(current, owned, wanted, patch_labels, patch_owned):
    metadata = labels.plan(node(current, owned), wanted).get("metadata", {})
    assert metadata.get("labels", {}) == patch_labels
    annotation = metadata.get("annotations", {}).get(labels.OWNED_ANNOTATION, "absent")
    assert annotation == {None: "absent", "removed": None}.get(patch_owned, patch_owned)


NAMES = st.sampled_from(["a", "b", "c", "d"])
LABELS = st.dictionaries(NAMES, st.sampled_from(["1", "2"]))


def apply(document, patch):
    metadata = {key: dict(value) for key, value in document["metadata"].items()}
    for part, changes in patch.get("metadata", {}).items():
        for key, value in changes.items():
            metadata[part].pop(key, None)
            metadata[part].update({} if value is None else {key: value})
    return {"metadata": metadata}


@given(LABELS, st.lists(NAMES, unique=True), LABELS)
def test_after_the_patch_nothing_is_left_to_do_and_foreign_labels_stay(current, owned, wanted):
    before = node(current, json.dumps(owned))
    after = apply(before, labels.plan(before, wanted))
    assert labels.plan(after, wanted) == {}
    result = after["metadata"]["labels"]
    assert {key: result.get(key) for key in wanted} == wanted
    foreign = set(current) - set(owned) - set(wanted)
    assert {key: result.get(key) for key in foreign} == {key: current[key] for key in foreign}
    assert set(result) == set(wanted) | foreign
