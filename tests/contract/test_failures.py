# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator sees when K3s cannot start: unit states, exit codes and journal lines.

The expectations were seen on a real K3s 1.36 (systemd 252, Type=notify, Restart=always).
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field

import pytest

from api import until

pytestmark = pytest.mark.hosts

_ANY_SERVER = "https://{server}:6443"
_CGROUP = ("kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is unsupported and will be "
           "removed in a future release")


@dataclass
class Case:
    """A start that goes wrong: settings (merged into the good ones; None removes), and what is seen of it."""
    name: str
    line: str                                  # regular expression; one journal line
    change: dict = field(default_factory=dict)
    text: str = ""                             # instead of settings: the whole file
    loops: bool = False                        # systemd restarts it again and again; otherwise it waits for ever
    exit_code: str = "1"
    result: str = "exit-code"
    files: dict = field(default_factory=dict)  # other files to write


AGENT_CASES = [
    Case("unknown key", 'level=fatal msg="Error: flag provided but not defined: -no-such-key"',
         {"no-such-key": True}, loops=True),
    Case("key of the server", 'level=fatal msg="Error: flag provided but not defined: -tls-san"',
         {"tls-san": ["x.example"]}, loops=True),
    Case("no token", 'level=fatal msg="Error: --token is required"', {"token": None}, loops=True),
    Case("broken yaml", 'level=fatal msg="yaml: line 2: mapping values are not allowed in this context"',
         text="token: x\n  bad yaml: [\n", loops=True),
    Case("wrong short token", 'level=info msg="Waiting to retrieve agent configuration; server is not ready: failed to '
         'retrieve configuration from server: not authorized"', {"token": "not-the-token"}),
    Case("wrong secret in a full token", 'level=info msg="Waiting to retrieve agent configuration; server is not ready: '
         'failed to retrieve configuration from server: not authorized"', {"token": "K10{ca}::server:wrong"}),
    Case("wrong CA hash", r'level=error msg="Failed to validate connection to cluster at https://[\d.]+:6443: token CA hash '
         r'does not match the Cluster CA certificate hash: 0{64} != [0-9a-f]{64}"', {"token": "K10" + "0" * 64 + "::server:x"}),
    Case("port closed", r'level=error msg="Failed to validate connection to cluster at https://[\d.]+:6499: failed to get '
         r'CA certs: Get \\"https://127.0.0.1:6444/cacerts\\": (EOF|read tcp [\d.:]+->127.0.0.1:6444: read: connection '
         r'reset by peer)"', {"server": "https://{server}:6499"}),
    Case("broken registries.yaml", 'level=info msg="Waiting to retrieve agent configuration; server is not ready: yaml: '
         'line 2: did not find expected', files={"/etc/rancher/k3s/registries.yaml": "mirrors:\n  docker.io: [unclosed\n"}),
    Case("reserved label", r"^Error: failed to validate kubelet flags: unknown 'kubernetes.io' or 'k8s.io' labels specified "
         r"with --node-labels: \[kubernetes.io/role\]", {"node-label": ["kubernetes.io/role=edge"]}, loops=True,
         exit_code="0", result="protocol"),
]


@pytest.fixture
def agent(contract_hosts, good_agent_settings):
    """The agent host: unit installed, never joined, good settings; cleaned up afterwards."""
    host = contract_hosts["agent"]
    host.forget_node()
    yield host
    host.run("rm -f /etc/rancher/k3s/registries.yaml")
    host.forget_node()


def settle(host, case, mark):
    """Waits until the decisive line was seen (twice where systemd loops) and returns the unit's state."""
    host.await_line(mark, case.line, 40)
    end = time.monotonic() + 40
    while case.loops and time.monotonic() < end:
        state = host.state()
        if int(state["NRestarts"]) >= 1:
            break
        time.sleep(0.3)
    return host.state()


@pytest.mark.parametrize("case", AGENT_CASES, ids=lambda c: c.name.replace(" ", "-"))
def test_agent_that_cannot_start(agent, good_agent_settings, cluster_facts, case):
    settings = {k: v for k, v in {**good_agent_settings, **case.change}.items() if v is not None}
    if isinstance(settings.get("token"), str):
        settings["token"] = settings["token"].replace("{ca}", cluster_facts["ca_hash"])
    settings["server"] = settings["server"].replace("{server}", cluster_facts["server"])
    for path, text in case.files.items():
        agent.write(path, text, "644")
    agent.configure(case.text or settings)
    state = settle(agent, case, agent.start())
    assert state["ActiveState"] == "activating"
    if case.loops:
        assert int(state["NRestarts"]) >= 1
        if state["SubState"] == "auto-restart":
            assert (state["ExecMainStatus"], state["Result"]) == (case.exit_code, case.result)
    else:
        assert (state["SubState"], state["NRestarts"], state["Result"]) == ("start", "0", "success")


def test_waiting_agent_ends_as_failed_when_stopped(agent, good_agent_settings):
    agent.configure({**good_agent_settings, "token": "not-the-token"})
    mark = agent.start()
    agent.await_line(mark, "Waiting to retrieve agent configuration")
    agent.run(f"systemctl stop {agent.unit}")
    assert agent.state()["Result"] == "exit-code"
    assert 'level=fatal msg="Error: failed to retrieve agent configuration: ' in agent.journal(mark)


def test_agent_refuses_cgroup_v1(agent, good_agent_settings):
    if agent.run("test -e /sys/fs/cgroup/cgroup.controllers", check=False).returncode == 0:
        pytest.skip("this host has cgroup v2")
    agent.configure({k: v for k, v in good_agent_settings.items() if k != "kubelet-arg"})
    mark = agent.start()
    agent.await_line(mark, "^Error: failed to validate kubelet configuration, error: " + _CGROUP)
    agent.await_line(mark, 'level=error msg="Shutdown request received: ')


@contextlib.contextmanager
def without_default_route(host):
    route = host.out("ip route show default")
    host.run("ip route del default")
    try:
        yield
    finally:
        host.stop()
        host.run(f"ip route add {route}")


FLANNEL_ENDED = ('level=error msg="Shutdown request received: '
                 r'\\"flannel exited: failed to find the interface: failed to get default interface: unable to find default route\\""')


def flannel_ends(host, running, seconds):
    mark = host.start()
    host.await_line(mark, f'level=info msg="{running}"')
    host.await_line(mark, FLANNEL_ENDED)
    until(lambda: int(host.state()["NRestarts"]) >= 1, seconds, host.state)
    assert (host.state()["Result"], host.state()["ExecMainStatus"]) == ("success", "0")


def test_agent_takes_its_address_from_the_default_route(agent, good_agent_settings):
    agent.configure({key: value for key, value in good_agent_settings.items() if key != "node-ip"})
    with without_default_route(agent):
        mark = agent.start()
        agent.await_line(mark, 'level=fatal msg="Error: failed to get node name and addresses: no default routes found in '
                         r'\\"/proc/net/route\\" or \\"/proc/net/ipv6_route\\""')


def test_flannel_needs_a_default_route_all_the_same(agent, good_agent_settings):
    """With an address the agent is started, says so to systemd, and ends well: only its restarts and one line tell."""
    agent.configure({**good_agent_settings, "node-ip": [agent.address]})
    with without_default_route(agent):
        flannel_ends(agent, "k3s agent is up and running", 30)
    agent.configure({**good_agent_settings, "node-ip": [agent.address], "flannel-iface": agent.out(
        f"ip -o -4 address | awk '$4 ~ /^{agent.address}[/]/ {{print $2}}'")})
    with without_default_route(agent):
        agent.start()
        agent.await_state("active")
        main_pid = agent.state()["MainPID"]
        # Longer than it took to end, and to be started again.
        until(lambda: int(agent.out(f"ps -o etimes= -p {main_pid} || echo 99")) >= 10, 30)
        assert (agent.state()["MainPID"], agent.state()["NRestarts"]) == (main_pid, "0")


def test_agent_waits_for_its_server_and_joins(agent, good_agent_settings, contract_hosts, cluster):
    """Second half of a node's life: join, restart with a wrong token, restart without one."""
    agent.configure(good_agent_settings)
    mark = agent.start()
    agent.await_state("active")
    agent.await_line(mark, 'level=info msg="k3s agent is up and running"')
    assert agent.out("stat -c %a /etc/rancher/node/password") == "600"
    assert agent.out("wc -c < /etc/rancher/node/password") == "33"
    agent.configure({**good_agent_settings, "token": "wrong-but-joined"})
    agent.run(f"systemctl restart {agent.unit}", timeout=60)
    assert agent.state()["ActiveState"] == "active"
    agent.configure({k: v for k, v in good_agent_settings.items() if k != "token"})
    agent.stop()
    mark = agent.start()
    agent.await_line(mark, 'level=error msg="Failed to validate connection to cluster at .*: token must not be empty"')
    assert agent.state()["ActiveState"] == "activating"


def test_node_password(agent, good_agent_settings, contract_hosts, cluster):
    """A re-imaged host is refused under its old name until its Node is deleted, and then joins by itself."""
    agent.configure(good_agent_settings)
    agent.start()
    agent.await_state("active")
    name = agent.out("hostname")
    secret = cluster.get(f"/api/v1/namespaces/kube-system/secrets/{name}.node-password.k3s")
    assert (secret["type"], secret["immutable"], list(secret["data"])) == ("k3s.cattle.io/node-password", True, ["hash"])
    agent.stop()
    agent.run("rm -rf /etc/rancher/node")
    server_mark = contract_hosts["server"].out("date +%s.%N")
    mark = agent.start()
    agent.await_line(mark, "level=info .*serving-kubelet.crt: Node password rejected, duplicate hostname or contents of "
                     "'/etc/rancher/node/password' may not match server node-passwd entry")
    assert agent.state()["ActiveState"] == "activating"
    contract_hosts["server"].await_line(server_mark, "level=error .*403 response to .*: unable to verify password for "
                                        f"node {name}: hash does not match")
    cluster.delete(f"/api/v1/nodes/{name}")
    agent.await_state("active", 40)


def test_pods_survive_a_restart_and_come_back_after_a_crash(agent, good_agent_settings, cluster, workload_image):
    agent.configure(good_agent_settings)
    agent.start()
    agent.await_state("active")
    name = agent.out("hostname")
    pod = cluster.run_pod("survivor", node=name, image=workload_image)
    before = cluster.await_pod(pod, ready=True)
    container = before["status"]["containerStatuses"][0]
    agent.run(f"systemctl restart {agent.unit}", timeout=60)
    time.sleep(8)
    after = cluster.get_pod(pod)["status"]["containerStatuses"][0]
    assert (after["containerID"], after["restartCount"], after["ready"]) == (container["containerID"], 0, True)
    pid = agent.state()["MainPID"]
    agent.run(f"kill -9 {pid}")
    agent.await_state("activating", 10)
    agent.await_state("active", 40)
    assert agent.state()["NRestarts"] == "1"
    time.sleep(8)
    assert cluster.get_pod(pod)["status"]["containerStatuses"][0]["containerID"] == container["containerID"]
    cluster.delete_pod(pod)


def test_pod_without_pause_image_waits_for_it(agent, good_agent_settings, cluster, workload_image):
    """No pause image: ContainerCreating and an event; it starts by itself once the archive is there."""
    images = "/var/lib/rancher/k3s/agent/images"
    pause = agent.out(f"ls {images}/*airgap* {images}/pause* 2>/dev/null || true").split()
    assert pause, "the agent host needs an archive with the pause image"
    agent.run(f"mkdir -p /root/aside && mv {' '.join(pause)} /root/aside/ && "
              "rm -rf /var/lib/rancher/k3s/agent/containerd/*")
    agent.configure(good_agent_settings)
    try:
        agent.start()
        agent.await_state("active", 90)
        pod = cluster.run_pod("pauseless", node=agent.out("hostname"), image=workload_image)
        event = cluster.await_event(pod, "FailedCreatePodSandBox", 60)
        assert 'failed to pull image "rancher/mirrored-pause:' in event["message"]
        state = cluster.get_pod(pod)["status"]["containerStatuses"][0]["state"]
        assert state["waiting"]["reason"] == "ContainerCreating"
    finally:
        agent.run(f"mv /root/aside/* {images}/")
    cluster.await_pod(pod, ready=True, seconds=40)
    cluster.delete_pod(pod)


def test_damaged_archives_do_not_stop_an_agent(agent, good_agent_settings):
    images = "/var/lib/rancher/k3s/agent/images"
    whole = agent.out(f"ls -S {images}/*.tar | head -1")
    agent.run(f"head -c 300000 /dev/urandom > {images}/corrupt.tar; head -c 5000001 {whole} > {images}/half.tar; "
              f"echo hello > {images}/text.tar; : > {images}/zero.tar; echo note > {images}/README.md")
    agent.configure(good_agent_settings)
    mark = agent.start()
    try:
        agent.await_state("active", 90)
        for name, why in (("corrupt", "archive/tar: invalid tar header"), ("text", "unexpected EOF"),
                          ("zero", "unrecognized image format"), ("half", "unexpected EOF")):
            agent.await_line(mark, f'level=error msg="Failed to process image event: failed to import {images}/{name}.tar: '
                             f'.*{why}"', 20)
        assert "README.md" not in agent.journal(mark)
    finally:
        agent.run(f"rm -f {images}/corrupt.tar {images}/half.tar {images}/text.tar {images}/zero.tar {images}/README.md")


# -- the server: its state is broken on purpose and mended again -----------------------------------

@pytest.fixture
def server(contract_hosts, good_server_settings):
    host = contract_hosts["server"]
    host.stop()
    yield host
    host.stop()
    host.run("rm -f /etc/rancher/k3s/registries.yaml /var/lib/rancher/k3s/server/cred/passwd")
    host.configure(good_server_settings)
    host.start()
    host.await_state("active")


SERVER_CASES = [
    Case("changed token", 'level=fatal msg="Error: preparing server: failed to bootstrap cluster data: bootstrap data '
         'already found and encrypted with different token"', {"token": "another-token"}, loops=True),
    Case("broken yaml", 'level=fatal msg="yaml: line 2: mapping values are not allowed in this context"',
         text="token: x\n  bad yaml: [\n", loops=True),
    Case("broken registries.yaml", 'level=info msg="Waiting to retrieve agent configuration; server is not ready: yaml: '
         'line 2: did not find expected', files={"/etc/rancher/k3s/registries.yaml": "mirrors:\n  docker.io: [unclosed\n"}),
]


@pytest.mark.parametrize("case", SERVER_CASES, ids=lambda c: c.name.replace(" ", "-"))
def test_server_that_cannot_start(server, good_server_settings, case):
    for path, text in case.files.items():
        server.write(path, text, "644")
    server.configure(case.text or {**good_server_settings, **case.change})
    state = settle(server, case, server.start())
    assert state["ActiveState"] == "activating"
    assert (int(state["NRestarts"]) >= 1) == case.loops


def test_server_drops_unknown_keys_with_a_warning(server, good_server_settings):
    server.configure({**good_server_settings, "no-such-key": True, "lb-server-port": 6444})
    mark = server.start()
    server.await_state("active")
    journal = server.journal(mark)
    assert journal.count(r'level=warning msg="Unknown flag --no-such-key found in config.yaml, skipping\n"') == 1
    assert "lb-server-port" not in journal


def test_server_port_taken(server, good_server_settings):
    server.configure(good_server_settings)
    server.run("systemd-run --collect --unit contract-port python3 -c 'import socket,time; "
               "s=socket.create_server((\"\", 6443)); time.sleep(600)'")
    try:
        time.sleep(1)
        mark = server.start()
        server.await_line(mark, 'level=fatal msg="Error: preparing server: failed to start supervisor listener: listen tcp '
                          ':6443: bind: address already in use"')
    finally:
        server.run("systemctl stop contract-port", check=False)


def test_flannel_of_a_server_needs_a_default_route_too(server, good_server_settings):
    server.configure({**good_server_settings, "node-ip": [server.address]})
    with without_default_route(server):
        flannel_ends(server, "k3s is up and running", 60)


def test_server_without_token_uses_what_it_remembers(server, good_server_settings):
    settings = {k: v for k, v in good_server_settings.items() if k != "token"}
    server.configure(settings)
    server.start()
    server.await_state("active")
    server.stop()
    server.run("rm -f /var/lib/rancher/k3s/server/token /var/lib/rancher/k3s/server/cred/passwd")
    mark = server.start()
    server.await_line(mark, 'level=fatal msg="Error: starting kubernetes: failed to start cluster: bootstrap data already '
                      'found and encrypted with different token"')
    server.stop()
    server.configure(good_server_settings)
    mark = server.start()
    server.await_line(mark, "level=fatal .*cred/passwd newer than datastore and could cause a cluster outage. Remove the "
                      "file")
    server.stop()
    server.run("rm -f /var/lib/rancher/k3s/server/cred/passwd")
    server.start()
    server.await_state("active")


def test_server_is_ready_for_systemd_although_its_kubelet_dies(server, good_server_settings):
    if server.run("test -e /sys/fs/cgroup/cgroup.controllers", check=False).returncode == 0:
        pytest.skip("this host has cgroup v2")
    server.configure({k: v for k, v in good_server_settings.items() if k != "kubelet-arg"})
    mark = server.out("date +%s.%N")
    assert server.run(f"systemctl start {server.unit}", check=False).returncode == 0
    server.await_line(mark, "^Error: failed to validate kubelet configuration, error: " + _CGROUP)
    server.await_state("activating", 20)
    assert server.state()["ExecMainStatus"] == "0"
