"""A K3s server and an agent on real hosts: up by evidence, restarted only for a reason, refused with a remedy.

Tests leave both nodes as the scenario's converge made them; those of a class share what it takes to get back there.
"""
from __future__ import annotations

import json
import re

import pytest
import yaml
from scenario import Scenario, reboot

SCENARIO = Scenario(__file__)
SERVER, CAMERA = "k3s-server", "k3s-camera"
UNITS = {SERVER: "k3s", CAMERA: "k3s-agent"}
CONFIG = "/etc/rancher/k3s/config.yaml"
FILES = "find /etc/rancher /etc/systemd/system -type f -exec sha256sum {} + | sort"
CGROUPS = "fail-cgroupv1=false"
PLANTED = "s3cret-of-the-proxy"
CONFIGURE, START = "Write unit and configuration", "Start K3s and wait until the node is up"


def site(*arguments, **variables):
    """Run for both nodes."""
    return SCENARIO.play("converge.yml", *arguments, variables=variables)


def camera(*arguments, **variables):
    """Run for the agent alone."""
    return site("--limit", CAMERA, *arguments, **variables)


def restarts(done):
    """How often a run restarted the agent."""
    return len(done.of("Restart k3s", CAMERA))


def main_pid(name):
    pid = int(SCENARIO.host(name).check_output(f"systemctl show {UNITS[name]} --property MainPID --value"))
    assert pid > 0
    return pid


def kubectl(arguments):
    return SCENARIO.host(SERVER).check_output(f"k3s kubectl {arguments}")


@pytest.fixture(name="agent")
def _agent():
    """The agent's host."""
    return SCENARIO.host(CAMERA)


@pytest.fixture(name="made_good", scope="class")
def _made_good():
    """For tests that leave something to repair on the agent: a run does, after the last test of the class."""
    yield
    healed = camera()
    assert healed.failed == set(), healed.text


@pytest.fixture(name="secrets", scope="module")
def _secrets():
    server = SCENARIO.host(SERVER)
    tokens = [server.file(f"/var/lib/rancher/k3s/server/{name}").content_string.strip().rpartition(":")[2]
              for name in ("token", "agent-token")]
    assert all(len(secret) >= 16 for secret in tokens)
    return [*tokens, PLANTED]


@pytest.fixture(name="again", scope="module")
def _again():
    """A second run that says all it can, with the processes that K3s had before."""
    before = {name: main_pid(name) for name in UNITS}
    return before, site("-vvv", "--diff")


@pytest.mark.parametrize("name", UNITS)
def test_node_is_up_with_the_wanted_version(name):
    host = SCENARIO.host(name)
    assert host.service(UNITS[name]).is_running
    assert host.service(UNITS[name]).is_enabled
    node = json.loads(kubectl(f"get node {name} -o json"))
    ready = [item["status"] for item in node["status"]["conditions"] if item["type"] == "Ready"]
    assert ready == ["True"]
    assert node["status"]["nodeInfo"]["kubeletVersion"] in host.check_output("k3s --version")


@pytest.mark.parametrize(("name", "path", "mode"), [
    (SERVER, CONFIG, 0o600), (CAMERA, CONFIG, 0o600),
    (SERVER, "/etc/systemd/system/k3s.service.env", 0o600), (CAMERA, "/etc/systemd/system/k3s-agent.service.env", 0o600),
    (SERVER, "/etc/rancher/k3s/k3s.yaml", 0o600), (SERVER, "/run/edgeai/k3s.started", 0o600),
])
def test_files_with_secrets_are_for_root_alone(name, path, mode):
    file = SCENARIO.host(name).file(path)
    assert (file.user, file.mode) == ("root", mode)


def test_agents_do_not_hold_the_servers_token():
    server_token = SCENARIO.host(SERVER).file("/var/lib/rancher/k3s/server/token").content_string.strip()
    config = SCENARIO.host(CAMERA).file(CONFIG).content_string
    assert server_token.split(":")[-1] not in config
    assert re.search(r'^token: "K10[0-9a-f]{64}::node:', config, re.MULTILINE)


def test_kubeconfig_on_the_controller_is_usable_and_private():
    path = SCENARIO.state / "state/test-factory/kubeconfig"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    document = yaml.safe_load(path.read_text())
    assert document["clusters"][0]["cluster"]["server"] == "https://10.89.78.11:6443"
    assert document["current-context"] == "test-factory"


def test_labels_of_the_inventory_are_on_the_node():
    labels = json.loads(kubectl(f"get node {CAMERA} -o json"))["metadata"]["labels"]
    assert labels["plant.example/hall"] == "1"
    assert labels["edgeai.sites/line.line-a"] == "true"


def test_second_run_changes_and_restarts_nothing(again):
    before, done = again
    assert (done.changed, done.failed) == ({}, set())
    assert {name: main_pid(name) for name in UNITS} == before
    for name in UNITS:
        service = done.one(START, name)
        assert (service["stages"], service["main_pid"]) == (["ready 0.0 s"], before[name])


@pytest.mark.parametrize("name", UNITS)
def test_secrets_are_not_printed(name, again, secrets):
    host = SCENARIO.host(name)
    assert PLANTED in host.file(f"/etc/systemd/system/{UNITS[name]}.service.env").content_string
    assert [secret for secret in secrets if secret in again[1].text] == []
    for secret in secrets:
        assert host.run(f"journalctl --no-pager | grep -F -- '{secret}'").rc == 1


@pytest.mark.usefixtures("made_good")
class TestChanges:
    """Each begins with what the one before has left: only what its own variables say must matter."""

    def test_labels_follow_the_inventory_and_foreign_ones_stay(self):
        kubectl(f"label node {CAMERA} foreign.example/x=y")
        before = main_pid(CAMERA)
        assert camera(k3s_labels={"plant.example/hall": "2"}).failed == set()
        labels = json.loads(kubectl(f"get node {CAMERA} -o json"))["metadata"]["labels"]
        assert (labels["plant.example/hall"], labels["foreign.example/x"]) == ("2", "y")
        assert "edgeai.sites/line.line-a" not in labels
        assert main_pid(CAMERA) == before
        kubectl(f"label node {CAMERA} foreign.example/x-")

    def test_changed_config_restarts_once_for_that_reason(self, agent, secrets):
        before = main_pid(CAMERA)
        changed = camera("-vvv", "--diff", k3s_config={"kubelet-arg": [CGROUPS, "max-pods=50"]})
        config = changed.one(CONFIGURE, CAMERA)
        assert config["restart_reasons"] == ["config"]
        assert restarts(changed) == 1
        assert main_pid(CAMERA) != before
        assert "max-pods=50" in agent.file(CONFIG).content_string and "max-pods=50" in changed.text
        assert [secret for secret in secrets if secret in changed.text] == []

    def test_a_run_cut_off_before_the_restart_is_made_good_by_the_next(self, agent):
        """The file on disk is as wanted, and what runs was started with another: the run before wrote it and died."""
        agent.run_expect([0], f"grep -q max-pods=50 {CONFIG} && sed -i 's/max-pods=50/max-pods=52/' {CONFIG}")
        healed = camera(k3s_config={"kubelet-arg": [CGROUPS, "max-pods=52"]})
        config = healed.one(CONFIGURE, CAMERA)
        assert (config["written"], config["restart_reasons"]) == ([], ["config"])
        assert restarts(healed) == 1


def test_a_first_drop_in_of_the_unit_is_loaded_and_restarts_once(agent):
    """systemd says NeedDaemonReload=no of it, also after a restart that noted the file."""
    folder = "/etc/systemd/system/k3s-agent.service.d"
    agent.run_expect([0], f"mkdir -p {folder} && printf '[Service]\\nEnvironment=PLANT=7\\n' > {folder}/50-plant.conf")
    agent.run_expect([0], "systemctl restart k3s-agent")
    try:
        healed = camera()
        assert healed.one(CONFIGURE, CAMERA)["restart_reasons"] == ["unit"]
        assert restarts(healed) == 1
        assert "PLANT=7" in agent.check_output("systemctl show k3s-agent --property Environment")
        assert camera().changed == {}
    finally:
        agent.run_expect([0], f"rm -r {folder} && systemctl daemon-reload")
    assert restarts(camera()) == 1


def test_a_new_binary_restarts_once_and_a_copy_of_the_old_does_not(agent):
    swap = "cp -p /usr/local/bin/k3s /usr/local/bin/.new && {} && mv /usr/local/bin/.new /usr/local/bin/k3s"
    agent.run_expect([0], swap.format("true"))
    assert restarts(camera()) == 0
    agent.run_expect([0], swap.format("echo >> /usr/local/bin/.new"))
    swapped = camera()
    config = swapped.one(CONFIGURE, CAMERA)
    assert config["restart_reasons"] == ["binary"]
    assert restarts(swapped) == 1
    assert camera().changed == {}


def test_check_mode_predicts_and_writes_nothing(agent, secrets):
    before = agent.check_output(FILES), main_pid(CAMERA)
    predicted = camera("--check", "--diff", "-vvv", k3s_config={"kubelet-arg": [CGROUPS, "max-pods=53"]},
                       k3s_env={"HTTPS_PROXY": "http://planted:another-s3cret@192.0.2.2:3128"})
    config = predicted.one(CONFIGURE, CAMERA)
    assert config["changed"] and config["restart_reasons"] == ["config", "env"]
    assert "max-pods=53" in predicted.text and "HTTPS_PROXY" in predicted.text
    assert [secret for secret in (*secrets, "another-s3cret") if secret in predicted.text] == []
    assert (agent.check_output(FILES), main_pid(CAMERA)) == before


@pytest.mark.parametrize(("wrong", "expected"), [
    ({"k3s_config": {"kubelet-arg": [CGROUPS], "flanel-iface": "eth0", "tls-san": "x", "debug": "yes"},
      "k3s_labels": {"kubernetes.io/role": "edge"}, "k3s_token": "a-short-token-of-some-length"},
     ["did you mean flannel-iface?", "only a K3s server knows this key", "wanted true or false",
      "reserved for Kubernetes", "full token"]),
    ({"k3s_version": "v1.0.0+k3s1"}, ["wanted is v1.0.0+k3s1: run the artifacts step first"]),
    ({"k3s_token": "K10" + "0" * 64 + "::node:0123456789abcdef"}, ["belongs to another cluster"]),
    ({"k3s_server_url": "https://10.89.78.11:6399", "k3s_token": "given"}, ["cannot be reached from this node"]),
    ({"k3s_token": "wrong secret"}, ["refuses the join token"]),
    ({"edge_runtime": "k3s_server", "edge_site_server": CAMERA}, ["agent of another server"]),
])
def test_bad_input_is_refused_before_anything_is_written(agent, wrong, expected):
    good = re.search(r'^token: "(.*)"$', agent.file(CONFIG).content_string, re.MULTILINE).group(1)
    tokens = {"given": good, "wrong secret": good.rsplit(":", 1)[0] + ":0123456789abcdef0123456789abcdef"}
    wrong = {name: tokens.get(value, value) if isinstance(value, str) else value for name, value in wrong.items()}
    before = agent.check_output(FILES), main_pid(CAMERA)
    refused = camera(**wrong)
    assert refused.failed == {CAMERA}
    error = refused.error(CAMERA)
    assert [words for words in expected if words not in error] == [], error
    after = agent.check_output(FILES), main_pid(CAMERA)
    assert after == before


def test_a_servers_token_cannot_be_changed():
    before = main_pid(SERVER)
    refused = site("--limit", SERVER, k3s_token="another-token-of-good-length")
    assert "differs from the token this cluster was created with" in refused.error(SERVER)
    assert main_pid(SERVER) == before


@pytest.mark.usefixtures("made_good")
def test_a_taken_port_ends_the_wait_early_with_cause_and_remedy(agent):
    agent.run_expect([0], "systemctl stop k3s-agent")
    listener = ("import socket, time; s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('127.0.0.1', 6444)); "
                "s.listen(); time.sleep(600)")
    agent.run_expect([0], f'systemd-run --unit=squatter python3 -c "{listener}"')
    try:
        agent.run_expect([0], "timeout 10 sh -c 'until ss -ltn | grep -q 127.0.0.1:6444; do sleep 0.1; done'")
        failed = camera()
        service = failed.one(START, CAMERA)
        assert service["cause"] == "port_taken"
        assert service["waited_seconds"] < 60
        assert "address already in use" in service["msg"] and "ss -lntp" in service["msg"]
    finally:
        agent.run_expect([0], "systemctl stop squatter")


def test_a_missing_pause_image_is_told_before_any_pod_waits_for_it(agent):
    """Ready says nothing of it: a node without the image takes pods and starts none."""
    data = "/var/lib/rancher/k3s/agent"
    agent.run_expect([0], f"systemctl stop k3s-agent && mv {data}/images {data}/images.away && rm -r {data}/containerd")
    try:
        failed = camera()
        service = failed.one(START, CAMERA)
        assert service["cause"] == "pause_image", service
        assert service["waited_seconds"] < 60
        assert "artifacts" in service["remedy"]
    finally:
        agent.run_expect([0], f"mv {data}/images.away {data}/images")
    healed = camera()
    assert healed.failed == set(), healed.text


def test_a_wiped_host_is_told_apart_and_joins_after_its_node_was_deleted(agent):
    agent.run_expect([0], "systemctl stop k3s-agent && rm -r /etc/rancher/node")
    failed = camera()
    service = failed.one(START, CAMERA)
    assert service["cause"] == "node_password"
    assert "kubectl delete node" in service["remedy"]
    kubectl(f"delete node {CAMERA}")
    assert camera().failed == set()


def test_without_its_server_each_agent_gets_a_message():
    before = main_pid(CAMERA)
    host = SCENARIO.host(SERVER)
    host.run_expect([0], "mv /usr/local/bin/k3s /usr/local/bin/k3s.away")
    try:
        failed = site()
        assert "run the artifacts step first" in failed.error(SERVER)
        assert f"its server {SERVER} did not come up" in failed.error(CAMERA)
    finally:
        host.run_expect([0], "mv /usr/local/bin/k3s.away /usr/local/bin/k3s")
    assert main_pid(CAMERA) == before


def test_a_reboot_is_no_reason_for_anything():
    reboot(*UNITS)
    pids = {name: main_pid(name) for name in UNITS}
    done = site()
    assert (done.changed, done.failed) == ({}, set())
    assert {name: main_pid(name) for name in UNITS} == pids
