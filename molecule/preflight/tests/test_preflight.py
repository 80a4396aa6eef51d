"""One report for all hosts: what is wrong is named with its remedy, and a bad site stops itself alone."""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import testinfra

ROOT = Path(__file__).resolve().parents[3]
SSH = ROOT / ".lab/ssh"
SSH_OPTIONS = f"-o UserKnownHostsFile={SSH}/known_hosts -o StrictHostKeyChecking=yes"
INVENTORY = ROOT / "molecule/preflight/inventory"
TREE = "find /etc /usr/local /var/lib /root -xdev -printf '%p %y %m %s %T@ %l\\n' 2>/dev/null | grep -v '/journal/' | sort"


@pytest.fixture(scope="module")
def server():
    return testinfra.get_host("ssh://root@10.89.78.21", ssh_identity_file=str(SSH / "id_ed25519"), ssh_extra_args=SSH_OPTIONS)


def run(*command):
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "ANSIBLE_STDOUT_CALLBACK": "edgeai.sites.progress",
             "EDGEAI_REPORT_DIR": "/nonexistent", "ANSIBLE_TIMEOUT": "5", "ANSIBLE_SSH_RETRIES": "0"})


def lab(*arguments):
    done = run(ROOT / "lab/lab", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def preflight(*arguments):
    done = run("ansible-playbook", "-i", INVENTORY, "edgeai.sites.preflight", *arguments)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_fit_sites_go_on():
    code, text = preflight()
    assert code == 0, text
    assert "3 hosts at 2 sites looked at: fit" in text
    assert "READY plant-a (2 hosts" in text and "READY plant-b (1 host," in text
    assert "unclear" not in text, "every check decides, also the one that needs the controller's clock"


def test_check_mode_looks_all_the_same():
    code, text = preflight("--check")
    assert code == 0, text
    assert "3 hosts at 2 sites looked at: fit" in text


def test_looking_changes_nothing(server):
    before = server.check_output(TREE)
    assert preflight()[0] == 0
    assert server.check_output(TREE) == before


@pytest.fixture
def taken():
    lab("fault", "plant-b-server", "port-taken", "6443")
    yield
    lab("fault", "plant-b-server", "clear")


def test_a_taken_port_names_its_process_and_stops_its_site_alone(taken):
    code, text = preflight()
    assert code != 0
    assert "3 hosts at 2 sites looked at: 1 of 2 sites refused, the others go on." in text
    assert "REFUSED plant-b" in text and "READY plant-a" in text
    report = text.partition("REFUSED plant-b")[2].partition("READY plant-a")[0]
    assert "FAIL ports: plant-b-server" in report
    assert "port 6443 on" in report and "(pid " in report and "wanted port 6443 free for K3s" in report
    assert "FAILED plant-b-server" in text and "plant-b is refused" in text
    assert "FAILED plant-a" not in text


def test_the_site_goes_on_once_the_port_is_free():
    assert preflight("--limit", "site_plant_b")[0] == 0


def test_a_limit_leaves_other_sites_out(taken):
    code, text = preflight("--limit", "site_plant_a")
    assert code == 0, text
    assert "2 hosts at 1 site looked at: fit" in text and "plant-b" not in text


@pytest.fixture
def dark():
    lab("fault", "plant-b-server", "power-off")
    yield
    lab("fault", "plant-b-server", "power-on")


def test_a_host_without_power_is_in_the_report_and_stops_its_site_alone(dark):
    code, text = preflight()
    assert code != 0
    assert "REFUSED plant-b (1 host, 0 checks passed, 1 without an answer)" in text
    assert "ERROR reachable: plant-b-server" in text and "Look at power and link" in text
    assert "READY plant-a" in text and "FAILED plant-a" not in text


@pytest.mark.parametrize(("setting", "words"), [
    ({"edge_arch": "arm64"}, ("architecture", "x86_64 (amd64)", "arch: amd64")),
    ({"k3s_config": {}}, ("cgroups", "cgroup v1", "fail-cgroupv1=false")),
])
def test_a_wrong_inventory_is_refused(server, setting, words):
    if "k3s_config" in setting and server.file("/sys/fs/cgroup/cgroup.controllers").exists:
        pytest.skip("this machine has cgroup v2")
    code, text = preflight("--limit", "site_plant_b", "-e", json.dumps(setting))
    assert code != 0
    assert "no site goes on" in text
    assert all(word in text for word in words), text
