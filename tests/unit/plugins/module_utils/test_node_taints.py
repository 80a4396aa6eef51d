# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taints that are ours, and those of others."""

from __future__ import annotations

import json

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils import node_taints

OURS = {"key": "plant.example/line", "value": "a", "effect": "NoSchedule"}
BARE = {"key": "plant.example/gpu", "effect": "NoExecute"}
THEIRS = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": "x"}


def node(taints=(), owned=()):
    annotations = {node_taints.OWNED_ANNOTATION: json.dumps(list(owned))} if owned else {}
    return {"metadata": {"resourceVersion": "7", "annotations": annotations}, "spec": {"taints": list(taints)} if taints else {}}


@pytest.mark.parametrize(("before", "wanted", "taints", "owned"), [
    (node(), [], None, None),
    (node([OURS], ["plant.example/line:NoSchedule"]), [OURS], None, None),
    (node([THEIRS]), [OURS], [THEIRS, OURS], ["plant.example/line:NoSchedule"]),
    # EdgeCore registered with it: nothing but the note is missing
    (node([OURS]), [OURS], None, ["plant.example/line:NoSchedule"]),
    (node([dict(OURS, value="b")], ["plant.example/line:NoSchedule"]), [OURS], [OURS], None),
    (node([THEIRS, OURS], ["plant.example/line:NoSchedule"]), [], [THEIRS], []),
    (node([OURS], ["plant.example/line:NoSchedule"]), [BARE], [BARE], ["plant.example/gpu:NoExecute"]),
    (node([OURS]), [], None, None),
])
def test_plan(before, wanted, taints, owned):
    patch = node_taints.plan(before, wanted)
    assert patch.get("spec", {}).get("taints") == taints
    if taints is not None:
        assert patch["metadata"]["resourceVersion"] == "7"
    noted = patch.get("metadata", {}).get("annotations", {}).get(node_taints.OWNED_ANNOTATION, "absent")
    assert noted == ("absent" if owned is None else json.dumps(owned) if owned else None)


def test_the_last_taint_goes_as_a_whole():
    assert node_taints.plan(node([OURS], ["plant.example/line:NoSchedule"]), [])["spec"] == {"taints": None}


@pytest.mark.parametrize(("taint", "words"), [
    (OURS, None), (BARE, None), ({"key": "a", "effect": "Never"}, "'Never'; wanted one of NoSchedule"),
    ({"effect": "NoSchedule"}, "wanted a dictionary"),
    (dict(OURS, x=1), "wanted a dictionary"), ("a", "wanted a dictionary"),
    (dict(OURS, key="node.kubernetes.io/x"), "reserved"), (dict(OURS, value="a b"), "wanted")])
def test_check(taint, words):
    problems = node_taints.check([taint])
    assert (problems == []) if words is None else words in problems[0]
