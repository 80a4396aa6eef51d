"""EdgeMesh on real hosts: it works where it says so, says why where it does not, and goes without a trace."""
from __future__ import annotations

import base64
import json

import pytest
from edge import EdgeSite
from scenario import Scenario, wait_until

SCENARIO = Scenario(__file__)
CLOUD, EDGE = "mesh-cloud", "mesh-edge"
SITE = EdgeSite(SCENARIO, CLOUD)
PREPARE = "Check the cluster, keep a key, and mark the services to leave alone"
PROVE, CLEAN = "Prove that EdgeMesh works here", "Remove what EdgeMesh left here"
PUBLIC = "JugH9HP1XBouyO5pWGeZa8LtipDURrf17EJvUHcJGuQ="
# What a proxy of EdgeMesh writes into the host's rules, beside a rule of somebody else.
RULES = """*nat
:KUBE-PORTALS-CONTAINER - [0:0]
:KUBE-PORTALS-HOST - [0:0]
:PLANT-OWN - [0:0]
-A PREROUTING -m comment --comment "handle ClusterIPs; NOTE: this must be before the NodePort rules" -j KUBE-PORTALS-CONTAINER
-A OUTPUT -m comment --comment "handle ClusterIPs; NOTE: this must be before the NodePort rules" -j KUBE-PORTALS-HOST
-A OUTPUT -d 192.0.2.9/32 -j PLANT-OWN
-A KUBE-PORTALS-CONTAINER -d 10.43.0.9/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 40001
COMMIT
"""


def mesh(*arguments, **variables):
    return SCENARIO.play("converge.yml", *arguments, variables=variables)


def key():
    return base64.b64decode(SITE.kubectl("-n kubeedge get secret edgemesh-agent-psk -o jsonpath={.data.psk}")).decode()


def agents():
    items = json.loads(SITE.kubectl("-n kubeedge get pods -l app.kubernetes.io/name=edgemesh-agent -o json"))["items"]
    return {pod["spec"]["nodeName"]: pod for pod in items if "deletionTimestamp" not in pod["metadata"]}


def skipped():
    items = json.loads(SITE.kubectl("get services -A -l service.edgemesh.kubeedge.io/service-proxy-name -o json"))["items"]
    return [f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in items]


@pytest.fixture(name="made_good", scope="class")
def _made_good():
    """For tests that leave something to repair: a run does, after the last test of the class."""
    yield
    healed = mesh()
    assert healed.failed == set(), healed.text


def test_an_agent_runs_on_either_side():
    assert set(agents()) == {CLOUD, EDGE}


def test_an_agent_on_the_edge_needs_no_token_and_so_outlives_a_reboot_without_a_link():
    mounts = agents()[EDGE]["spec"]["containers"][0]["volumeMounts"]
    assert not [mount for mount in mounts if "serviceaccount" in mount["mountPath"]]


def test_edgecore_lists_services_and_its_pods_ask_the_mesh_for_names():
    host = SCENARIO.host(EDGE)
    services = json.loads(host.check_output("curl --silent http://127.0.0.1:10550/api/v1/services"))["items"]
    assert "kubernetes" in [item["metadata"]["name"] for item in services]
    assert "169.254.96.16" in host.file("/etc/kubeedge/config/edgecore.yaml").content_string


def test_the_key_is_random_and_in_nothing_that_is_printed():
    psk = key()
    assert len(base64.b64decode(psk)) == 32 and psk != PUBLIC
    done = mesh("-vvv", "--diff")
    assert (done.failed, done.changed) == (set(), {}), done.text
    assert psk not in done.text and base64.b64encode(psk.encode()).decode() not in done.text
    assert "1 of 1 relays" in done.one(PROVE, EDGE)["evidence"]


def test_check_mode_changes_nothing():
    done = mesh("--check", "--diff")
    assert (done.failed, done.changed) == (set(), {}), done.text


def test_the_services_to_leave_alone_are_marked_and_no_others():
    assert skipped() == ["default/kubernetes"]


class TestKey:
    def test_the_example_of_the_documentation_is_replaced_and_the_agents_get_the_new_one(self, made_good):
        before = {name: pod["metadata"]["uid"] for name, pod in agents().items()}
        example = base64.b64encode(PUBLIC.encode()).decode()
        SITE.kubectl(f"-n kubeedge patch secret edgemesh-agent-psk --type merge -p '{{\"data\":{{\"psk\":\"{example}\"}}}}'")
        done = mesh()
        assert done.failed == set(), done.text
        assert key() != PUBLIC

        def replaced():
            now = {name: pod["metadata"]["uid"] for name, pod in agents().items()}
            return set(now) == set(before) and all(now[name] != before[name] for name in now) or now

        wait_until(replaced, 60, "agents with the new key")


class TestRefusals:
    def test_a_relay_that_is_no_node(self):
        before = key()
        done = mesh(edgemesh_relays=[{"node": "nowhere", "addresses": ["192.0.2.1"]}])
        assert "the relay nowhere is no Node of the cluster (it has mesh-cloud, mesh-edge)" in done.error(CLOUD)
        assert "Nothing was changed" in done.error(CLOUD) and key() == before

    def test_a_service_that_is_not_there(self):
        done = mesh(edgemesh_skip_services=["default/kubernetes", "default/no-such"])
        assert "there is no Service default/no-such" in done.error(CLOUD)

    def test_settings_of_edgecore_that_speak_against_it(self):
        done = SCENARIO.play("edgeai.sites.edgecore", variables={
            "edgecore_config": {"modules": {"metaManager": {"metaServer": {"enable": False}}}}})
        assert "EdgeMesh needs True" in done.error(EDGE) and "edgemesh_state: absent" in done.error(EDGE)

    def test_settings_of_cloudcore_that_speak_against_it(self):
        done = SCENARIO.play("edgeai.sites.cloudcore", variables={
            "cloudcore_config": {"modules": {"dynamicController": {"enable": False}}}})
        assert "without which EdgeMesh's agents see no service" in done.text and CLOUD in done.failed

    def test_preflight_tells_a_port_that_is_taken(self):
        host = SCENARIO.host(EDGE)
        host.check_output("systemctl stop edgecore")
        host.check_output("ctr --namespace k8s.io containers ls 'labels.\"io.kubernetes.container.name\"==edgemesh-agent' --quiet"
                          " | xargs --no-run-if-empty --max-args 1 ctr --namespace k8s.io tasks kill --signal SIGKILL")
        host.check_output("systemd-run --unit taker python3 -m http.server 20006")
        try:
            wait_until(lambda: host.run("ss -Hltn sport = :20006").stdout.strip() != "", 20, "the taker of the port")
            done = SCENARIO.play("edgeai.sites.preflight")
        finally:
            host.check_output("systemctl stop taker; systemctl start edgecore")
        assert "port 20006 on 0.0.0.0 is taken by python3" in done.text and EDGE in done.failed
        healed = mesh()
        assert healed.failed == set(), healed.text


class TestProof:
    """Each alone leaves the agent's pod Running."""

    def test_a_relay_that_cannot_be_reached(self):
        host = SCENARIO.host(EDGE)
        rule = f"OUTPUT -d {SCENARIO.nodes[CLOUD]['address']} -p tcp --dport 20006 -j DROP"
        host.check_output(f"iptables -I {rule}")
        try:
            done = mesh("--limit", EDGE, edgemesh_deadline=8)
        finally:
            host.check_output(f"iptables -D {rule}")
        assert f"the relay {CLOUD} cannot be reached" in done.error(EDGE) and "Open 20006/tcp" in done.error(EDGE)

    def test_a_link_that_is_gone(self, made_good):
        host = SCENARIO.host(EDGE)
        host.check_output("ip link delete edgemesh0")
        done = mesh("--limit", EDGE, edgemesh_deadline=4)
        assert "there is no link edgemesh0" in done.error(EDGE)
        SITE.kubectl("-n kubeedge delete pod -l app.kubernetes.io/component=edge,app.kubernetes.io/name=edgemesh-agent")


class TestRemoval:
    def test_nothing_is_left_in_the_cluster_and_on_the_hosts(self):
        host = SCENARIO.host(EDGE)
        host.check_output(f"echo '{RULES}' | iptables-restore --noflush")
        done = mesh(edgemesh_state="absent")
        assert done.failed == set(), done.text
        assert agents() == {} and skipped() == []
        for kind in ("daemonset", "configmap", "secret", "serviceaccount"):
            assert "edgemesh" not in SITE.kubectl(f"-n kubeedge get {kind} -o name"), kind
        assert "istio" not in SITE.kubectl("get crd -o name")
        for name in (CLOUD, EDGE):
            assert not SCENARIO.host(name).file("/sys/class/net/edgemesh0").exists, name
        rules = host.check_output("iptables-save -t nat")
        assert "KUBE-PORTALS" not in rules
        assert "-A OUTPUT -d 192.0.2.9/32 -j PLANT-OWN" in rules
        host.check_output("iptables -t nat -D OUTPUT -d 192.0.2.9/32 -j PLANT-OWN; iptables -t nat -X PLANT-OWN")

    def test_a_second_removal_finds_nothing(self):
        done = mesh(edgemesh_state="absent")
        assert (done.failed, done.changed) == (set(), {}), done.text

    def test_edgecore_goes_back_to_what_it_was_without(self):
        done = SCENARIO.play("edgeai.sites.edgecore", variables={"edgemesh_state": "absent"})
        assert done.failed == set(), done.text
        assert "169.254.96.16" not in SCENARIO.host(EDGE).file("/etc/kubeedge/config/edgecore.yaml").content_string

    def test_a_reset_of_the_node_takes_such_rules_too(self):
        host = SCENARIO.host(EDGE)
        host.check_output(f"echo '{RULES}' | iptables-restore --noflush")
        done = SCENARIO.play("edgeai.sites.reset", variables={"reset_hosts": [EDGE], "edgemesh_state": "absent"})
        assert done.failed == set(), done.text
        rules = host.check_output("iptables-save -t nat")
        assert "KUBE-PORTALS" not in rules and "-j PLANT-OWN" in rules
        host.check_output("iptables -t nat -D OUTPUT -d 192.0.2.9/32 -j PLANT-OWN; iptables -t nat -X PLANT-OWN")
