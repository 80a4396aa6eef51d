"""One report for all hosts: what is wrong is named with its remedy, and a bad site stops itself alone."""
from __future__ import annotations

import pytest
from scenario import Scenario, lab

SCENARIO = Scenario(__file__)
SERVER, BAD = "plant-a-server", "plant-b-server"
TREE = "find /etc /usr/local /var/lib /root -xdev -printf '%p %y %m %s %T@ %l\\n' 2>/dev/null | grep -v '/journal/' | sort"


def preflight(*arguments, **variables):
    """Exit code and all that was printed, with one space between words."""
    done = SCENARIO.play("edgeai.sites.preflight", *arguments, variables=variables,
                         ANSIBLE_STDOUT_CALLBACK="edgeai.sites.progress", ANSIBLE_TIMEOUT="5", ANSIBLE_SSH_RETRIES="0")
    return done.code, " ".join(done.text.split())


@pytest.mark.parametrize("mode", [(), ("--check",)], ids=["run", "check mode"])
def test_fit_sites_go_on_and_looking_changes_nothing(mode):
    server = SCENARIO.host(SERVER)
    before = server.check_output(TREE)
    code, text = preflight(*mode)
    assert code == 0, text
    assert "3 hosts at 2 sites looked at: fit" in text
    assert "READY plant-a (2 hosts" in text and "READY plant-b (1 host," in text
    assert "unclear" not in text, "every check decides, also the one that needs the controller's clock"
    assert "3 hosts, nothing changed" in text
    assert server.check_output(TREE) == before


@pytest.fixture(scope="class")
def taken():
    lab("fault", BAD, "port-taken", "6443")
    yield
    lab("fault", BAD, "clear")


@pytest.mark.usefixtures("taken")
class TestATakenPort:
    def test_it_names_its_process_and_stops_its_site_alone(self):
        code, text = preflight()
        assert code != 0
        assert "3 hosts at 2 sites looked at: 1 of 2 sites refused, the others go on." in text
        assert "REFUSED plant-b" in text and "READY plant-a" in text
        report = text.partition("REFUSED plant-b")[2].partition("READY plant-a")[0]
        assert "FAIL ports: plant-b-server" in report
        assert "port 6443 on" in report and "(pid " in report and "wanted port 6443 free for K3s" in report
        assert "FAILED plant-b-server" in text and "plant-b is refused" in text
        assert "FAILED plant-a" not in text

    def test_a_limit_leaves_other_sites_out(self):
        code, text = preflight("--limit", "site_plant_a")
        assert code == 0, text
        assert "2 hosts at 1 site looked at: fit" in text and "plant-b" not in text


def test_the_site_goes_on_once_the_port_is_free():
    assert preflight("--limit", "site_plant_b")[0] == 0


@pytest.fixture
def dark():
    lab("fault", BAD, "power-off")
    yield
    lab("fault", BAD, "power-on")


def test_a_host_without_power_is_in_the_report_and_stops_its_site_alone(dark):
    code, text = preflight()
    assert code != 0
    assert "REFUSED plant-b (1 host, 0 checks passed, 1 without an answer)" in text
    assert "ERROR reachable: plant-b-server" in text and "Look at power and link" in text
    assert "READY plant-a" in text and "FAILED plant-a" not in text


def test_all_that_is_wrong_with_an_inventory_is_told_at_once():
    words = ["architecture", "x86_64 (amd64)", "arch: amd64"]
    if not SCENARIO.host(BAD).file("/sys/fs/cgroup/cgroup.controllers").exists:
        words += ["cgroups", "cgroup v1", "fail-cgroupv1=false"]
    code, text = preflight("--limit", "site_plant_b", edge_arch="arm64", k3s_config={})
    assert code != 0
    assert "no site goes on" in text
    assert [expected for expected in words if expected not in text] == [], text
