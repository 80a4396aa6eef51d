"""CloudCore's objects: what is in them that matters, and what a bundle has to hold."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import manifests
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.ports import TABLE, listening

PORTS = {port.name: port.number for port in TABLE}
WANTED = manifests.Deployment(image="r/cloudcore@sha256:1", config="x: 1\n", ports=listening(PORTS, False, True),
                              servers=("s2", "s1"), stream_sha256="a" * 64)


def crd(name, kind="CustomResourceDefinition"):
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": kind, "metadata": {"name": name, "creationTimestamp": None},
            "spec": {"group": name.partition(".")[2]}, "status": {"conditions": None}}


NEEDED = [crd(name) for name in manifests.NEEDED_CRDS]


def workload(**changes):
    found = manifests.workload(dataclasses.replace(WANTED, **changes))
    assert [item["kind"] for item in found] == ["ConfigMap", "Service", "PodDisruptionBudget", "Deployment"]
    return found


def deployment(**changes):
    return workload(**changes)[-1]


def pod(**changes):
    return deployment(**changes)["spec"]["template"]["spec"]


def annotations(**changes):
    return deployment(**changes)["spec"]["template"]["metadata"]["annotations"]


def test_definitions_come_sorted_and_without_what_the_server_fills_in():
    found = manifests.check_crds([crd("rules.rules.kubeedge.io"), *NEEDED])
    assert [item["metadata"] for item in found] == [
        {"name": "clusterobjectsyncs.reliablesyncs.kubeedge.io"}, {"name": "objectsyncs.reliablesyncs.kubeedge.io"},
        {"name": "rules.rules.kubeedge.io"}]
    assert not any("status" in item for item in found)


@pytest.mark.parametrize(
    ("crds", "words"),
    [
        ([], "objectsyncs.reliablesyncs.kubeedge.io and clusterobjectsyncs"),
        (NEEDED[:1], "CRD clusterobjectsyncs.reliablesyncs.kubeedge.io, without which CloudCore hangs"),
        ([*NEEDED, crd("evil", kind="Pod")], "hold other objects: Pod evil"),
    ],
)
def test_a_bundle_that_would_not_do_is_refused(crds, words):
    with pytest.raises(manifests.ManifestError, match=words):
        manifests.check_crds(crds)


def test_secrets_are_written_in_its_own_namespace_only():
    by_kind = {item["kind"]: item for item in manifests.access()}
    cluster = [rule for rule in by_kind["ClusterRole"]["rules"] if {"secrets", "configmaps", "*"} & set(rule["resources"])]
    assert cluster and all(set(rule["verbs"]) <= {"get", "list", "watch"} for rule in cluster)
    assert by_kind["Role"]["metadata"]["namespace"] == "kubeedge"


def test_the_rule_that_upstream_forgot_is_there():
    rules = next(item for item in manifests.access() if item["kind"] == "ClusterRole")["rules"]
    devices = next(rule for rule in rules if rule["apiGroups"] == ["devices.kubeedge.io"])
    assert {"devicestatuses", "devicestatuses/status"} <= set(devices["resources"])


def test_it_runs_with_little():
    found = pod()
    context = found["containers"][0]["securityContext"]
    assert found["hostNetwork"] and found["securityContext"]["runAsNonRoot"]
    assert context["readOnlyRootFilesystem"] and context["capabilities"] == {"drop": ["ALL"]}
    assert "cpu" not in found["containers"][0]["resources"]["limits"]


def test_it_runs_where_edge_nodes_look_for_it_and_never_on_one():
    (term,) = pod()["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [
        {"key": "node-role.kubernetes.io/edge", "operator": "DoesNotExist"},
        {"key": "kubernetes.io/hostname", "operator": "In", "values": ["s1", "s2"]}]
    (term,) = pod(servers=())["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert len(term["matchExpressions"]) == 1


@pytest.mark.parametrize(("replicas", "strategy", "apart"), [(1, "Recreate", False), (3, "RollingUpdate", True)])
def test_two_never_want_the_ports_of_one_host(replicas, strategy, apart):
    spec = deployment(replicas=replicas)["spec"]
    assert spec["strategy"]["type"] == strategy
    assert spec["strategy"].get("rollingUpdate", {"maxSurge": 0})["maxSurge"] == 0
    assert ("podAntiAffinity" in pod(replicas=replicas)["affinity"]) is apart


@pytest.mark.parametrize("change", [{"config": "x: 2\n"}, {"mark": "m"}, {"stream_sha256": "b" * 64}])
def test_what_it_reads_once_makes_another_pod(change):
    assert annotations(**change) != annotations()


@pytest.mark.parametrize("change", [{"replicas": 2}, {"nodes": 100}])
def test_what_it_does_not_read_makes_none_by_annotation(change):
    assert annotations(**change) == annotations()


def test_without_a_stream_server_nothing_of_it_is_mounted():
    names = [volume["name"] for volume in pod(stream_sha256="")["volumes"]]
    assert names == ["config", "socket"]


def test_a_drain_is_never_held_up():
    assert workload()[2]["spec"]["maxUnavailable"] == 1


def test_it_is_ready_when_it_serves_its_ca():
    probe = pod(ports=listening(dict(PORTS, https=30002), False, True))["containers"][0]["readinessProbe"]
    assert probe["httpGet"] == {"path": "/ca.crt", "port": 30002, "scheme": "HTTPS"}
