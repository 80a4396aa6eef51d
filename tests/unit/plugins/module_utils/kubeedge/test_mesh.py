# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EdgeMesh: its objects, what is refused, when it works on a node, and what its removal takes away."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import mesh, mesh_node
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.manifests import ManifestError
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.mesh_node import Seen

RELAYS = [{"node": "cloud-1", "addresses": ["192.0.2.41", "198.51.100.7"]}]
CRDS = [{"kind": "CustomResourceDefinition", "metadata": {"name": name, "creationTimestamp": None}, "status": {}} for name in mesh.CRDS]
TEXTS = {side: yaml.safe_dump(mesh.config(RELAYS, side == "edge")) for side in ("edge", "cloud")}
MESH = mesh.Mesh(RELAYS, "registry/agent@{}".format, ("arm64", "amd64", "arm64"), ("amd64",), "0123456789abcdef")
SECRET = "s3cr3t-key-that-is-long-enough-for-it"


def objects(**changes):
    return mesh.objects(MESH.__class__(**{**MESH.__dict__, **changes}), CRDS, TEXTS)


def daemon_sets(**changes):
    return {item["metadata"]["name"]: item for item in objects(**changes) if item["kind"] == "DaemonSet"}


def test_one_daemon_set_for_each_side_and_architecture():
    found = daemon_sets()
    assert sorted(found) == ["edgemesh-agent-cloud-amd64", "edgemesh-agent-edge-amd64", "edgemesh-agent-edge-arm64"]
    for name, item in found.items():
        side, arch = name.split("-")[2:]
        pod = item["spec"]["template"]["spec"]
        rules = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0]["matchExpressions"]
        assert rules[0]["operator"] == {"edge": "Exists", "cloud": "DoesNotExist"}[side] and rules[1]["values"] == [arch]
        assert pod["containers"][0]["image"] == "registry/agent@" + arch
        assert pod["automountServiceAccountToken"] is (side == "cloud")
        assert pod["hostNetwork"] is True and "runtimeClassName" not in pod
        assert pod["volumes"][1]["secret"] == {"secretName": "edgemesh-agent-psk", "defaultMode": 0o400}


def test_no_pod_is_evicted_when_its_node_is_away():
    for item in daemon_sets().values():
        assert item["spec"]["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]


def test_the_key_is_in_none_of_the_objects_and_another_one_makes_other_pods():
    before, after = (daemon_sets(psk_mark=mesh.mark(key)) for key in (SECRET, SECRET + "2"))
    assert SECRET not in json.dumps(objects(psk_mark=mesh.mark(SECRET)))
    for name, item in before.items():
        assert item["spec"]["template"]["metadata"]["annotations"] != after[name]["spec"]["template"]["metadata"]["annotations"]


def test_another_configuration_makes_other_pods():
    other = mesh.objects(MESH, CRDS, dict(TEXTS, edge="other"))
    changed = [item["metadata"]["name"] for item, before in zip(other, objects()) if item != before]
    assert changed == ["edgemesh-agent-config", "edgemesh-agent-edge-amd64", "edgemesh-agent-edge-arm64"]


def test_what_the_agents_are_told():
    edge, cloud = (yaml.safe_load(TEXTS[side]) for side in ("edge", "cloud"))
    assert edge["modules"]["edgeDNS"]["enable"] is True and cloud["modules"]["edgeDNS"]["enable"] is False
    assert edge["kubeAPIConfig"]["metaServer"]["server"] == "http://127.0.0.1:10550" and "kubeAPIConfig" not in cloud
    tunnel = edge["modules"]["edgeTunnel"]
    assert tunnel["relayNodes"] == [{"nodeName": "cloud-1", "advertiseAddress": ["192.0.2.41", "198.51.100.7"]}]
    assert (tunnel["listenPort"], tunnel["psk"]) == (20006, {"enable": True, "path": "/etc/edgemesh/secret/psk"})


def test_definitions_are_ours_to_remove_again_and_carry_nothing_of_a_generator():
    for item in objects()[:3]:
        assert item["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "edgeai.sites"}
        assert "status" not in item and "creationTimestamp" not in item["metadata"]


@pytest.mark.parametrize(("relays", "words"), [
    ([], "has 0 entries"),
    ([{"node": "Cloud_1", "addresses": ["192.0.2.1"]}], "'Cloud_1'"),
    ([{"node": "cloud-1", "addresses": []}], "none"),
    ([{"node": "cloud-1", "addresses": ["relay.example"]}], "'relay.example'"),
    ([{"node": "cloud-1", "addresses": [7]}], "7"),
    (RELAYS * 17, "has 17 entries"),
], ids=["none", "name", "no address", "dns name", "number", "many"])
def test_relays_that_are_none(relays, words):
    assert words in "; ".join(mesh.check_relays(relays))
    with pytest.raises(ManifestError):
        objects(relays=relays)


def test_good_relays():
    assert mesh.check_relays(RELAYS) == [] and mesh.check_relays([{"node": "a", "addresses": ["2001:db8::1"]}]) == []


def test_definitions_of_a_bundle():
    assert [item["metadata"]["name"] for item in mesh.wanted_crds(CRDS, [])] == list(mesh.CRDS)
    assert len(mesh.wanted_crds(CRDS, [mesh.CRDS[1]])) == 2, "Istio's own is left to Istio"
    with pytest.raises(ManifestError, match="gateways.networking.istio.io"):
        mesh.wanted_crds([CRDS[0], CRDS[2]], [])
    assert len(mesh.wanted_crds([CRDS[0], CRDS[2]], [mesh.CRDS[1]])) == 2
    with pytest.raises(ManifestError, match="other objects"):
        mesh.wanted_crds([*CRDS, {"kind": "Pod", "metadata": {"name": "x"}}], [])


@pytest.mark.parametrize(("key", "words"), [
    ("", "has 0 characters"), ("short", "has 5 characters"), (" " * 60, "has 0 characters"), (mesh.PUBLIC_PSK, "everybody knows"),
    (mesh.PUBLIC_PSK + "\n", "everybody knows"), (SECRET, ""),
])
def test_keys(key, words):
    found = mesh.psk_problem(key)
    assert words in found if words else found == ""


@pytest.mark.parametrize(("nodes", "strays", "cloudcore", "words"), [
    (["cloud-1", "edge"], [], True, []),
    (["edge"], [], True, ["the relay cloud-1 is no Node of the cluster (it has edge)"]),
    (["cloud-1"], ["kube-proxy", "cni"], True, ["cloudcore_keep_off_edge"]),
    (["cloud-1"], ["cni"], True, []),
    ([], [], False, ["run the cloudcore step first"]),
])
def test_clusters(nodes, strays, cloudcore, words):
    found = mesh.cluster_problems(nodes, RELAYS, strays, cloudcore)
    assert len(found) == len(words) and all(word in text for word, text in zip(words, found)), found


def service(name, **labels):
    return {"metadata": {"namespace": "default", "name": name, "labels": {key.replace("_", "/"): value for key, value in labels.items()}}}


def test_labels_of_services():
    skip, ours = mesh.SKIP_LABEL, mesh.SKIPPED_BY_US
    marked = {"metadata": {"namespace": "default", "name": "old", "labels": {skip: "", ours: "true"}}}
    foreign = {"metadata": {"namespace": "default", "name": "foreign", "labels": {skip: ""}}}
    patches, missing = mesh.service_labels([service("kubernetes"), marked, foreign], ["default/kubernetes", "default/none"])
    assert dict(patches) == {
        "default/kubernetes": {"metadata": {"labels": {skip: "", ours: "true"}}},
        "default/old": {"metadata": {"labels": {skip: None, ours: None}}},
    }
    assert missing == ["default/none"]
    assert mesh.service_labels([foreign], ["default/foreign"]) == ([], []), "labelled already, by somebody else"


@pytest.mark.parametrize("name", ["kubernetes", "default/", "default/a b", "default/a/../b", 7])
def test_names_of_services(name):
    assert len(mesh.check_services([name])) == 1
    assert mesh.check_services(["default/kubernetes"]) == []


GOOD = Seen(services=4, link=("169.254.96.16",), relays={"cloud-1": ""})


@pytest.mark.parametrize(("changes", "state", "stage", "words"), [
    ({}, "ready", "ready", "4 services, 1 of 1 relays"),
    ({"kube_proxy": "kube-proxy runs here (pid 7)"}, "hopeless", "kube_proxy", "pid 7"),
    ({"services": None, "meta": "connection refused"}, "progressing", "meta_server", "connection refused"),
    ({"services": 0}, "progressing", "services", "not even the API server's"),
    ({"link": None}, "progressing", "link", "there is no link edgemesh0"),
    ({"link": ()}, "progressing", "link", "has the address none"),
    ({"link": ("10.0.0.1",)}, "progressing", "link", "10.0.0.1 and not 169.254.96.16"),
    ({"listening": "connection refused"}, "progressing", "port", "20006/tcp"),
    ({"dns": "NXDOMAIN"}, "progressing", "dns", "kubernetes.default.svc.cluster.local: NXDOMAIN"),
    ({"relays": {"cloud-1": "", "b": "192.0.2.9 port 20006: no answer within 3 s"}}, "progressing", "relay", "the relay b cannot"),
])
def test_nodes(changes, state, stage, words):
    verdict = mesh_node.judge(GOOD._replace(**changes))
    assert (verdict.state, verdict.stage) == (state, stage) and words in verdict.reason
    assert bool(verdict.remedy) == (state != "ready")


@pytest.mark.parametrize(("problem", "remedy"), [
    ("192.0.2.1 port 20006: connection refused", "look at the agent's pod on cloud-1"),
    ("192.0.2.1 port 20006: no answer within 3 s", "Open 20006/tcp"),
    ("192.0.2.1 port 20006: connection refused; 198.51.100.7 port 20006: no answer within 3 s", "Open 20006/tcp"),
])
def test_a_relay_that_does_not_answer_and_one_that_cannot_be_reached_are_two_things(problem, remedy):
    assert remedy in mesh_node.judge(GOOD._replace(relays={"cloud-1": problem})).remedy


def test_nothing_seen_is_not_well():
    assert mesh_node.judge(Seen()).state == "progressing"


def test_dns():
    question = mesh_node.query("a.bc", 0x1234)
    assert question == b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0" + b"\1a\2bc\0" + b"\0\1\0\1"
    answer = b"\x12\x34\x85\x80\0\1\0\1\0\0\0\0"
    assert mesh_node.answer_problem(answer, 0x1234) == ""
    for data, words in ((b"", "0 bytes"), (question, "another question"), (answer, "another question"),
                        (b"\x12\x34\x85\x83\0\1\0\0\0\0\0\0", "NXDOMAIN"), (b"\x12\x34\x85\x80\0\1\0\0\0\0\0\0", "no address")):
        assert words in mesh_node.answer_problem(data, 0x9999 if data == answer else 0x1234)


SAVED = """# Generated by iptables-save
*filter
:INPUT ACCEPT [0:0]
:KUBE-NODEPORT-NON-LOCAL - [0:0]
-A INPUT -m comment --comment "Ensure that non-local NodePort traffic can flow" -j KUBE-NODEPORT-NON-LOCAL
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PORTALS-CONTAINER - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m comment --comment "-j KUBE-PORTALS-HOST" -j KUBE-SERVICES
-A PREROUTING -m comment --comment "handle ClusterIPs; NOTE: first" -j KUBE-PORTALS-CONTAINER
-A KUBE-PORTALS-CONTAINER -d 10.43.0.9/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 40001
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
COMMIT
"""


def test_leftovers_are_undone_and_rules_of_others_stay():
    assert mesh_node.undo(SAVED) == """*filter
-D INPUT -m comment --comment "Ensure that non-local NodePort traffic can flow" -j KUBE-NODEPORT-NON-LOCAL
-F KUBE-NODEPORT-NON-LOCAL
-X KUBE-NODEPORT-NON-LOCAL
COMMIT
*nat
-D PREROUTING -m comment --comment "handle ClusterIPs; NOTE: first" -j KUBE-PORTALS-CONTAINER
-F KUBE-PORTALS-CONTAINER
-X KUBE-PORTALS-CONTAINER
COMMIT
"""


def test_nothing_to_undo():
    assert mesh_node.undo("") == "" == mesh_node.undo("*nat\n:KUBE-SERVICES - [0:0]\nCOMMIT\n")
