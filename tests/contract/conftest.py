# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the contract is tested: the cluster of EDGEAI_CONTRACT_KUBECONFIG, or else a stand-in started here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from api import Cluster, workload_image as image_of_workloads
from hosts import NODE_FILES, Host

REPOSITORY = Path(__file__).resolve().parents[2]
_HOST_VARIABLES = ("EDGEAI_CONTRACT_SERVER", "EDGEAI_CONTRACT_AGENT", "EDGEAI_CONTRACT_SSH_KEY",
                   "EDGEAI_CONTRACT_KNOWN_HOSTS", "EDGEAI_CONTRACT_KUBECONFIG")
_EDGE_VARIABLES = ("EDGEAI_CONTRACT_CLOUD", "EDGEAI_CONTRACT_EDGE", "EDGEAI_CONTRACT_MIRROR", "EDGEAI_CONTRACT_MIRROR_DIR",
                   "EDGEAI_CONTRACT_SSH_KEY", "EDGEAI_CONTRACT_KNOWN_HOSTS")


def pytest_configure(config):
    config.addinivalue_line("markers", "hosts: needs two hosts with systemd (EDGEAI_CONTRACT_SERVER, …_AGENT)")
    config.addinivalue_line("markers", "edge: needs a cloud host and an edge host (EDGEAI_CONTRACT_CLOUD, …_EDGE)")
    config.addinivalue_line("markers", "processes: needs pods that are real processes")


def pytest_collection_modifyitems(items):
    missing = [v for v in _HOST_VARIABLES if not os.environ.get(v)]
    missing_edge = [v for v in _EDGE_VARIABLES if not os.environ.get(v)]
    for item in items:
        if item.get_closest_marker("edge") and missing_edge:
            item.add_marker(pytest.mark.skip(reason="no edge host: " + ", ".join(missing_edge) + " not set"))
        if item.get_closest_marker("hosts") and missing:
            item.add_marker(pytest.mark.skip(reason="no hosts: " + ", ".join(missing) + " not set"))
        if item.get_closest_marker("processes") and not os.environ.get("EDGEAI_CONTRACT_KUBECONFIG"):
            item.add_marker(pytest.mark.skip(reason="the local stand-in only pretends to run containers"))


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory):
    given = os.environ.get("EDGEAI_CONTRACT_KUBECONFIG")
    if given:
        yield given
        return
    folder = tmp_path_factory.mktemp("standin")
    subprocess.run([sys.executable, str(REPOSITORY / "lab" / "standin" / "build.py"), "--out", str(folder)], check=True,
                   stdout=subprocess.DEVNULL)
    process, path = start_standin(folder)
    yield str(path)
    process.terminate()
    process.wait(10)


def start_standin(folder):
    """The stand-in on loopback, with two nodes that only pretend. -> (process, kubeconfig)"""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = open(folder / "k3s.log", "w")
    process = subprocess.Popen(
        [sys.executable, str(folder / "k3s"), "server", "--lab-api-only", "--lab-hollow-nodes", "2", "--data-dir",
         str(folder / "data"), "--https-listen-port", str(port)], stderr=log, stdout=log,
        env={**os.environ, "K3S_STANDIN_FAULTS": str(folder / "faults.json"),
             "K3S_CONFIG_FILE": str(folder / "config.yaml")})
    path, end = folder / "data" / "k3s.yaml", time.monotonic() + 60
    while time.monotonic() < end and "k3s is up and running" not in (folder / "k3s.log").read_text():
        assert process.poll() is None, (folder / "k3s.log").read_text()
        time.sleep(0.1)
    return process, path


@pytest.fixture(scope="session")
def cluster(kubeconfig):
    """The cluster under test, with a namespace of our own that is ready for pods."""
    found = Cluster(kubeconfig, f"contract-{uuid.uuid4().hex[:6]}")
    found.create("/api/v1/namespaces", {"metadata": {"name": found.namespace}})
    end = time.monotonic() + 30
    while found.call("GET", found.core("serviceaccounts", "default")).code != 200 and time.monotonic() < end:
        time.sleep(0.2)
    yield found
    found.delete(f"/api/v1/namespaces/{found.namespace}")


@pytest.fixture(scope="session")
def ready_nodes(cluster):
    """Names of the nodes that take pods."""
    def find():
        nodes = cluster.get("/api/v1/nodes")["items"]
        return [n["metadata"]["name"] for n in nodes if not n["spec"].get("taints")]
    from api import until
    return until(find, 60)


@pytest.fixture(scope="session")
def workload_image():
    return image_of_workloads()


# -- hosts -----------------------------------------------------------------------------------------

class ContractHost(Host):
    cluster = None

    def forget_node(self):
        """Back to a host that never joined, with its images."""
        self.stop()
        name = self.out("hostname")
        self.cluster.delete(f"/api/v1/nodes/{name}")
        self.cluster.delete(f"/api/v1/namespaces/kube-system/secrets/{name}.node-password.k3s")
        self.run(f"rm -rf {NODE_FILES}")


@pytest.fixture(scope="session")
def contract_hosts(cluster):
    ContractHost.cluster = cluster
    hosts = {role: ContractHost(os.environ[f"EDGEAI_CONTRACT_{role.upper()}"], role) for role in ("server", "agent")}
    for host in hosts.values():
        host.install_unit()
    return hosts


def _settings(host):
    return yaml.safe_load(host.out("cat /etc/rancher/k3s/config.yaml"))


@pytest.fixture(scope="session")
def good_agent_settings(contract_hosts):
    """The settings with which the agent host was found; put back at the end, and the agent started."""
    settings = _settings(contract_hosts["agent"])
    yield settings
    contract_hosts["agent"].configure(settings)
    contract_hosts["agent"].start()


@pytest.fixture(scope="session")
def good_server_settings(contract_hosts):
    """The settings with which the server was found, and the token that it has chosen where they name none."""
    settings = _settings(contract_hosts["server"])
    yield {"token": contract_hosts["server"].out("cat /var/lib/rancher/k3s/server/token").strip(), **settings}
    contract_hosts["server"].configure(settings)


@pytest.fixture(scope="session")
def cluster_facts(contract_hosts):
    token = contract_hosts["server"].out("cat /var/lib/rancher/k3s/server/token")
    return {"server": contract_hosts["server"].address, "ca_hash": token[3:67]}
