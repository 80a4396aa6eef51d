"""DaemonSets that would come to edge nodes, and the patch that keeps them off."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_daemonsets import guard, strays

OFF = {"key": "node-role.kubernetes.io/edge", "operator": "DoesNotExist"}


def daemon_set(selector=None, terms=None, labels=None, annotations=None):
    pod = {"containers": []}
    if selector is not None:
        pod["nodeSelector"] = selector
    if terms is not None:
        pod["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    metadata = {"namespace": "kube-system", "name": "thing", "labels": labels or {}, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"template": {"spec": pod}}}


def rule(key, operator, *values):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    "item",
    [
        daemon_set(),
        daemon_set(selector={"kubernetes.io/os": "linux"}),
        daemon_set(selector={"kubernetes.io/arch": "arm64"}),
        daemon_set(terms=[rule("kubernetes.io/os", "In", "linux")]),
        daemon_set(terms=[rule("kubernetes.io/arch", "NotIn", "s390x")]),
        daemon_set(terms=[rule("node-role.kubernetes.io/control-plane", "DoesNotExist")]),
        daemon_set(terms=[rule("x", "Exists"), rule("kubernetes.io/hostname", "Exists")]),
        daemon_set(terms=[{"matchExpressions": [{"key": "node-role.kubernetes.io/edge", "operator": "Exists"}]}]),
    ],
)
def test_these_come_and_can_be_kept_off(item):
    (stray,) = strays([item])
    assert (stray.namespace, stray.name) == ("kube-system", "thing")
    assert "cloudcore_keep_off_edge" in stray.remedy
    kept = copy.deepcopy(item)
    kept["spec"]["template"]["spec"].update(guard(item)["spec"]["template"]["spec"])
    assert strays([kept]) == []


@pytest.mark.parametrize(
    "item",
    [
        daemon_set(terms=[{"matchExpressions": [OFF]}]),
        daemon_set(selector={"kubernetes.io/os": "windows"}),
        daemon_set(selector={"gpu": "true"}),
        daemon_set(terms=[rule("node-role.kubernetes.io/control-plane", "Exists")]),
        daemon_set(terms=[rule("kubernetes.io/os", "NotIn", "linux")]),
        daemon_set(terms=[{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}]),
        daemon_set(labels={"app.kubernetes.io/managed-by": "edgeai.sites"}),
        daemon_set(annotations={"edgeai.sites/on-edge-nodes": "true"}),
    ],
)
def test_these_do_not(item):
    assert strays([item]) == []


def test_labels_of_the_inventory_count():
    item = daemon_set(selector={"camera": "surface"})
    assert strays([item], [{}]) == []
    assert len(strays([item], [{}, {"camera": "surface"}])) == 1
    assert strays([item], [{"camera": "gate"}]) == []


def test_other_affinities_stay():
    item = daemon_set(terms=[rule("kubernetes.io/os", "In", "linux")])
    item["spec"]["template"]["spec"]["affinity"]["podAffinity"] = {"x": 1}
    affinity = guard(item)["spec"]["template"]["spec"]["affinity"]
    assert affinity["podAffinity"] == {"x": 1}
    (term,) = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["key"] == "kubernetes.io/os" and term["matchExpressions"][1] == OFF


def test_what_k3s_writes_anew_has_another_remedy():
    (stray,) = strays([daemon_set(labels={"svccontroller.k3s.cattle.io/nodeselector": "false"})])
    assert "enablelb" in stray.remedy and "keep_off_edge" not in stray.remedy
