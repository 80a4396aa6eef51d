"""What an operator may rely on after site.yml, on hosts that reboot and lose their link.

The tests of this file run in order and use the same site: it is converged when the first begins and again when the last ends.
"""
from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
INVENTORY = ROOT / "molecule/site/inventory"
UNITS = {"site-server": "k3s", "site-camera-a": "k3s-agent", "site-camera-b": "k3s-agent"}
PLANTED = "planted-secret-5f0e9c"


def run(*command, env=None, timeout=420):
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout,
        env={**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", **(env or {})},
    )


def lab(*arguments):
    done = run(ROOT / "lab/lab", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory):
    """Runs a playbook on the site and returns (return code, output, report)."""
    directory = tmp_path_factory.mktemp("report")

    def play(playbook="site.yml", *arguments, **env):
        (directory / "report.json").unlink(missing_ok=True)
        done = run("ansible-playbook", "-i", INVENTORY, playbook, *arguments, env={"EDGEAI_REPORT_DIR": str(directory), **env})
        text = done.stdout + done.stderr
        return done.returncode, text, json.loads((directory / "report.json").read_text())

    play.directory = directory
    return play


def main_pids():
    return {host: lab("ssh", host, "systemctl", "show", "-p", "MainPID,NRestarts", unit) for host, unit in UNITS.items()}


def wait_until(condition, seconds, what):
    """Wait for evidence with a deadline; the last thing seen is in the failure."""
    deadline = time.monotonic() + seconds
    while True:
        seen = condition()
        if seen is True:
            return
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s, last seen: {seen}"
        time.sleep(0.5)


def changed(report):
    return {host: data["changed"] for host, data in report["hosts"].items() if data["changed"]}


def test_the_unit_runs_and_never_restarted(host):
    name = host.check_output("hostname")
    service = host.service(UNITS[name])
    assert service.is_running and service.is_enabled
    assert "NRestarts=0" in host.check_output("systemctl show -p NRestarts %s", UNITS[name])


@pytest.mark.parametrize("path", ["/etc/rancher/k3s/config.yaml"])
def test_configuration_is_for_root_only(host, path):
    assert host.file(path).mode == 0o600
    assert host.file(path).user == "root"


def test_second_run_changes_nothing_and_restarts_nothing(site):
    before = main_pids()
    code, text, report = site()
    assert code == 0, text
    assert changed(report) == {}
    assert main_pids() == before
    assert len(report["health"]["test-factory"]["targets"]) == 3


def test_report_tells_what_runs(site):
    code, text, report = site("playbooks/verify.yml")
    assert code == 0, text
    targets = {target["name"]: target for target in report["health"]["test-factory"]["targets"]}
    assert set(targets) == {"vision-line-a", "vision-line-b", "fusion-fusion"}
    for target in targets.values():
        assert target["digest"].startswith("sha256:") and target["verdict"] in ("pass", "healthy")
        assert target["answer"] not in (None, "") and target["latency_ms"] > 0
    for name in ("report.txt", "report.md", "junit.xml", "index.html"):
        assert "vision-line-a" in (site.directory / name).read_text()


def test_check_mode_on_a_running_site_writes_nothing(site):
    code, text, report = site("site.yml", "--check", "--diff")
    assert code == 0, text
    assert changed(report) == {}


def test_no_secret_in_output_or_reports(site):
    token = lab("ssh", "site-server", "cat", "/var/lib/rancher/k3s/server/token").strip()
    secret = token.rpartition(":")[2]
    assert len(secret) >= 16
    _code, text, _report = site("site.yml", "-vvv", "--diff")
    written = text + "".join(path.read_text() for path in site.directory.iterdir())
    for needle in (token, secret, PLANTED):
        assert needle not in written


def test_no_secret_in_world_readable_files(host):
    token = lab("ssh", "site-server", "cat", "/var/lib/rancher/k3s/server/token").strip()
    secret = token.rpartition(":")[2]
    found = host.run("grep -rlsF --include=* -e %s -e %s /etc /run/edgeai /var/lib/edgeai /usr/local /tmp", secret, PLANTED)
    for path in found.stdout.split():
        assert not host.file(path).mode & 0o077, f"{path} is readable by others and holds a secret"
    arguments = host.check_output("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert secret not in arguments.replace(f"-e {secret}", "").replace(f"'{secret}'", "")


def test_rebooted_host_comes_back_by_itself_and_needs_no_change(site):
    lab("reboot", "site-camera-b")
    wait_until(
        lambda: "active" == run(ROOT / "lab/lab", "ssh", "site-camera-b", "systemctl", "is-active", "k3s-agent").stdout.strip()
        or "not active", 120, "k3s-agent after a reboot")
    code, text, report = site()
    assert code == 0, text
    assert changed(report) == {}


def test_a_cut_link_is_told_and_heals(site):
    lab("cut", "site-camera-a")
    try:
        code, text, report = site("playbooks/verify.yml")
    finally:
        lab("heal", "site-camera-a")
    assert code != 0
    assert "test-factory: as wanted" not in text
    assert report["health"]["test-factory"]["healthy"] is False
    code, text, report = site("playbooks/verify.yml")
    assert code == 0, text


def test_a_host_that_does_not_answer_is_named(site):
    lab("cut", "site-camera-a")
    try:
        code, text, _report = site(ANSIBLE_TIMEOUT="5")
    finally:
        lab("heal", "site-camera-a")
    assert code != 0
    assert "test-factory: unreachable" in text
    code, text, _report = site()
    assert code == 0, text
