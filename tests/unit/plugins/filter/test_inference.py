# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters as templates call them: errors in Ansible's words, results as plain data."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.edgeai.sites.plugins.filter.inference import FilterModule

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.workload.samples import BUNDLE, SITE, workload

FILTERS = FilterModule().filters()


def test_manifests_and_targets_name_the_same_deployments():
    objects = FILTERS["inference_manifests"]([workload()], SITE, BUNDLE, namespace="vision")
    targets = FILTERS["inference_targets"]([workload()], SITE, BUNDLE)
    assert [o["metadata"]["name"] for o in objects] == ["vision"] + [target["name"] for target in targets]
    assert {o["metadata"]["namespace"] for o in objects[1:]} == {"vision"}
    assert all(o["spec"]["template"]["spec"]["containers"][0]["image"].endswith(target["digest"])
               for o, target in zip(objects[1:], targets))


def test_nodes_get_the_version_of_their_runtime():
    site = [{"name": "s", "runtime": "k3s_server"}, {"name": "e", "runtime": "edgecore"}]
    assert FILTERS["inference_nodes"](site, "v1.36.5+k3s1", "v1.23.1") == [
        {"name": "s", "runtime": "k3s_server", "version": "v1.36.5+k3s1"},
        {"name": "e", "runtime": "edgecore", "version": "v1.23.1"}]


@pytest.mark.parametrize("name", ["inference_manifests", "inference_targets"])
@pytest.mark.parametrize("workloads, bundle, words", [
    ([workload(prot=1)], BUNDLE, "did you mean 'port'"),
    ([workload(runs_on={"lines": ["x"]})], BUNDLE, "no line 'x'"),
    ([workload(health={"path": "/h", "expression": "a =="})], BUNDLE,
     "edge_workloads[vision].health.expression: not a JMESPath expression: a =="),
    ([workload(golden={"request": {"inputs": [1]}, "expect": "a["})], BUNDLE, "edge_workloads[vision].golden.expect"),
    ([workload()], {"schema": 2, "artifacts": []}, "schema"),
])
def test_mistakes_become_filter_errors(name, workloads, bundle, words):
    with pytest.raises(AnsibleFilterError) as caught:
        FILTERS[name](workloads, SITE, bundle)
    assert words in str(caught.value)


def test_lines_of_other_sites():
    far = [dict(SITE[1], name="far", lines=["line-z"])]
    wide = workload(runs_on={"lines": ["line-a", "line-z"]})
    assert [t["name"] for t in FILTERS["inference_targets"]([wide], SITE, BUNDLE, fleet_nodes=far)] == ["vision-line-a"]
    with pytest.raises(AnsibleFilterError, match="no line 'line-z'"):
        FILTERS["inference_targets"]([wide], SITE, BUNDLE)
