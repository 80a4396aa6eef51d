"""What a prepared host has, what a reboot leaves of it, and what check mode leaves alone."""
from __future__ import annotations

import pytest
from scenario import Scenario, reboot

SCENARIO = Scenario(__file__)
OPEN, LONE = "open-server", "lone-server"
TASK = "prepare_host | Set kernel, time, journal, resolver and default route"
OURS = (
    "/etc/sysctl.d/90-edgeai.conf", "/etc/systemd/journald.conf.d/90-edgeai.conf", "/etc/edgeai/resolv.conf",
    "/etc/systemd/system/edgeai-dummy-route.service",
)
# Everything that this role could write, but for what changes by itself.
TREE = ("find /etc /usr/local /var/lib/edgeai /var/lib/systemd -xdev -not -path '*/timesync/*' -not -path '*/random-seed' "
        "-printf '%p %y %m %s %T@ %l\\n' 2>/dev/null | sort")


@pytest.fixture(name="lone")
def _lone():
    """The host without a gateway."""
    return SCENARIO.host(LONE)


@pytest.fixture(name="opened")
def _opened():
    """The host that has everything."""
    return SCENARIO.host(OPEN)


def only_lone(*arguments, **variables):
    """Run the role on the host without a gateway; returns what it said."""
    done = SCENARIO.play("converge.yml", "--limit", LONE, *arguments, variables=variables)
    assert done.code == 0, done.text
    return done.one(TASK, LONE)


def default_routes(host):
    return host.check_output("ip -4 route show default").splitlines()


def test_kernel_settings_hold_now(opened):
    assert opened.sysctl("net.ipv4.ip_forward") == 1
    assert opened.sysctl("net.bridge.bridge-nf-call-iptables") == 1


@pytest.mark.parametrize("name", [LONE, OPEN])
def test_the_journal_survives_a_reboot(name):
    host = SCENARIO.host(name)
    assert host.check_output("journalctl --list-boots | wc -l") != "0"
    assert host.file("/etc/systemd/journald.conf.d/90-edgeai.conf").contains("^Storage=persistent$")
    assert host.service("systemd-journald").is_running


def test_the_site_has_its_time_zone_and_nameserver(opened):
    assert opened.check_output("date +%Z") in ("CET", "CEST")
    assert opened.file("/etc/edgeai/resolv.conf").content_string.endswith("nameserver 192.0.2.53\n")


def test_a_site_with_a_gateway_gets_no_second_one(opened):
    assert not opened.file("/etc/systemd/system/edgeai-dummy-route.service").exists
    assert not opened.interface("edgeai0").exists
    assert [line for line in default_routes(opened) if "dev eth0" in line]


def test_a_missing_default_route_is_repaired(lone):
    assert [line.strip() for line in default_routes(lone)] == ["default via 203.0.113.255 dev edgeai0 metric 1000"]
    assert lone.service("edgeai-dummy-route").is_enabled


def test_pods_get_a_nameserver_that_is_not_the_host(lone):
    assert "nameserver 127.0.0.53" in lone.file("/etc/resolv.conf").content_string
    assert "nameserver 203.0.113.255" in lone.file("/etc/edgeai/resolv.conf").content_string


def test_the_route_and_everything_else_survive_a_reboot(lone):
    reboot(LONE, OPEN)
    assert "dev edgeai0 metric 1000" in default_routes(lone)[0]
    assert lone.check_output("systemctl is-system-running --wait || systemctl --failed") == "running"
    again = SCENARIO.play("converge.yml")
    assert again.code == 0, again.text
    assert {name: again.one(TASK, name)["changed"] for name in (LONE, OPEN)} == {LONE: False, OPEN: False}


def test_a_route_that_somebody_removed_comes_back(lone):
    lone.check_output("ip route del default")
    assert [(entry["kind"], entry["reason"]) for entry in only_lone()["actions"]] == [
        ("restart", "there is no default route")]
    assert "dev edgeai0 metric 1000" in default_routes(lone)[0]


def test_the_route_goes_when_the_site_is_isolated_no_more(lone):
    only_lone(host_isolated=False)
    assert default_routes(lone) == []
    assert not lone.file("/etc/systemd/system/edgeai-dummy-route.service").exists
    assert not lone.interface("edgeai0").exists
    assert only_lone()["changed"]


def test_check_mode_says_all_and_writes_nothing_on_a_clean_host(lone):
    lone.check_output("systemctl disable --now edgeai-dummy-route; rm -f %s; sysctl -qw net.ipv4.ip_forward=0" % " ".join(OURS))
    before = lone.check_output(TREE)
    said = only_lone("--check", "--diff")
    assert lone.check_output(TREE) == before
    assert lone.sysctl("net.ipv4.ip_forward") == 0
    assert default_routes(lone) == []
    really = only_lone()
    assert said["changed"] and said["actions"] == really["actions"]
    assert {entry["target"] for entry in really["actions"] if entry["kind"] == "write"} == set(OURS)
    assert lone.check_output(TREE) != before, "the tree must show what the role writes, or this test proves nothing"
    assert lone.sysctl("net.ipv4.ip_forward") == 1


def test_a_container_leaves_the_settings_of_its_machine_alone(opened):
    """Which of them differ depends on the machine; that they are not in the host's file does not."""
    lines = opened.file("/etc/sysctl.d/90-edgeai.conf").content_string.splitlines()[1:]
    assert lines and all(line.startswith("net.") for line in lines)
