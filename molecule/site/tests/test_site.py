"""What an operator may rely on after site.yml, on hosts that reboot and lose their link.

The tests of this file run in order and use the same site: it is as wanted when the first begins and when the last ends.
"""
from __future__ import annotations

import json

import pytest
from scenario import Scenario, lab, run, wait_until

SITE = Scenario(__file__)
NAME = "test-factory"
SERVER, LINE_A, LINE_B = "site-server", "site-camera-a", "site-camera-b"
UNITS = {SERVER: "k3s", LINE_A: "k3s-agent", LINE_B: "k3s-agent"}
PLANTED = "planted-secret-5f0e9c"
READABLE = "find /etc /run /var/lib /var/log /usr/local /tmp /root -xdev -type f -perm /077 -size -4M"


def site(*arguments, **environment):
    return SITE.play("edgeai.sites.site", *arguments, **environment)


def verify(**variables):
    return SITE.play("edgeai.sites.verify", variables=variables)


def services(*names):
    """What changes when a service restarts, by host."""
    return {name: SITE.host(name).check_output("systemctl show -p MainPID,NRestarts,ActiveState %s", UNITS[name])
            for name in names or UNITS}


@pytest.fixture(name="secrets", scope="module")
def _secrets():
    token = SITE.host(SERVER).file("/var/lib/rancher/k3s/server/token").content_string.strip()
    secret = token.rpartition(":")[2]
    assert token.startswith("K10") and len(secret) >= 16
    return token, secret, PLANTED


@pytest.mark.parametrize("name", UNITS)
def test_the_service_runs_is_enabled_and_never_restarted(name):
    host = SITE.host(name)
    service = host.service(UNITS[name])
    assert service.is_running and service.is_enabled
    assert "NRestarts=0" in host.check_output("systemctl show -p NRestarts %s", UNITS[name])


@pytest.mark.parametrize("name", UNITS)
def test_configuration_is_for_root_only(name):
    for path in ("/etc/rancher/k3s/config.yaml", f"/etc/systemd/system/{UNITS[name]}.service.env"):
        file = SITE.host(name).file(path)
        assert (path, file.user, file.mode) == (path, "root", 0o600)


@pytest.fixture(name="again", scope="module")
def _again():
    """A second run that says all it can: services before it, all that it printed, and its report's files by name."""
    before = services()
    done = run(*SITE.command("edgeai.sites.site", "-vvv", "--diff"), EDGEAI_REPORT_DIR=str(SITE.state / "report"))
    assert done.returncode == 0, done.stdout + done.stderr
    return before, done.stdout + done.stderr, {path.name: path.read_text() for path in (SITE.state / "report").iterdir()}


def test_second_run_changes_nothing_and_restarts_nothing(again):
    before, _screen, report = again
    hosts = json.loads(report["report.json"])["hosts"]
    assert {name: host["changed"] for name, host in hosts.items()} == dict.fromkeys(UNITS, 0)
    assert services() == before


def test_no_secret_in_output_or_reports(again, secrets):
    _before, screen, report = again
    written = screen + "".join(report.values())
    assert "Write unit and configuration" in written
    assert [secret for secret in secrets if secret in written] == []


def test_the_report_tells_what_runs():
    done = verify()
    assert done.code == 0, done.text
    targets = {target["name"]: target for target in SITE.report()["health"][NAME]["targets"]}
    assert set(targets) == {"vision-line-a", "vision-line-b", "fusion-fusion"}
    for target in targets.values():
        assert target["verdict"] == "pass" and target["digest"].startswith("sha256:") and target["latency_ms"] > 0
    for name in ("report.txt", "report.md", "junit.xml", "index.html"):
        assert "vision-line-a" in (SITE.state / "report" / name).read_text()
    assert f"{NAME}: as wanted" in (SITE.state / "report/report.txt").read_text()


def test_check_mode_on_a_running_site_changes_nothing():
    before = services()
    done = site("--check", "--diff")
    assert done.code == 0, done.text
    assert done.changed == {}
    assert services() == before


@pytest.mark.parametrize("name", UNITS)
def test_no_secret_that_others_can_read_on_a_host(name, secrets):
    host = SITE.host(name)
    # The patterns go in by a file: on a command line they would be found in the process list.
    lab("ssh", name, "umask 077; printf '%s\\n' > /root/patterns " + " ".join(f"'{secret}'" for secret in secrets[1:]))
    try:
        assert host.run(f"{READABLE} -print0 | xargs -0 grep -lsFf /root/patterns").stdout.split() == []
        assert host.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -oFf /root/patterns").stdout == ""
        assert host.run("journalctl -o cat | grep -oFf /root/patterns").stdout == ""
        assert host.run("grep -lsFf /root/patterns /etc/rancher/k3s/config.yaml").stdout != "", "the hunt itself finds what is there"
    finally:
        lab("ssh", name, "rm -f /root/patterns")


def test_a_rebooted_host_comes_back_by_itself_and_needs_no_change():
    lab("reboot", LINE_B)
    wait_until(lambda: SITE.host(LINE_B).service("k3s-agent").is_running, 120, "k3s-agent after a reboot")
    done = site()
    assert done.code == 0, done.text
    assert done.changed == {}


@pytest.fixture(name="cut", scope="class")
def _cut():
    """A camera's host without its link; the services of all hosts before."""
    before = services()
    lab("cut", LINE_A)
    yield before
    lab("heal", LINE_A)


class TestACutLink:
    def test_a_host_that_gives_no_answer_is_named_and_nothing_else_is_changed(self, cut):
        # No connection of an earlier run: it would take a minute to be given up.
        done = site(ANSIBLE_SSH_ARGS="-o ControlMaster=no", ANSIBLE_TIMEOUT="5", ANSIBLE_SSH_RETRIES="0")
        assert done.code != 0
        assert f"{NAME}: refused" in done.text or f"{NAME}: unreachable" in done.text
        assert LINE_A in done.text
        assert services(SERVER, LINE_B) == {name: cut[name] for name in (SERVER, LINE_B)}

    def test_its_model_is_told_and_no_other(self, cut):
        del cut
        assert verify(inference_verify_grace=10).code != 0
        health = SITE.report()["health"][NAME]
        assert health["healthy"] is False
        states = {target["name"]: target["verdict"] for target in health["targets"]}
        assert states["vision-line-a"] != "pass" and states["vision-line-b"] == "pass"

    def test_a_mended_link_needs_no_restart(self, cut):
        lab("heal", LINE_A)
        assert services() == cut
        done = site()
        assert done.code == 0, done.text
        assert SITE.report()["health"][NAME]["healthy"] is True
