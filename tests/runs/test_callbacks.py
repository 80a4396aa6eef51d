# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callbacks in real runs on this machine: what they print, and a report that exists after every bad end."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(name="play")
def _play(tmp_path):
    """Runs tasks on two hosts of a fleet that are this machine; returns (exit code, output, report or None)."""
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "edge_site": "hall",
            "edge_fleet": "demo", "edge_runtime": "k3s_agent", "edge_lines": ["line-a"]}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"sites": {"hosts": {"camera-a": host, "camera-b": host}}, "nobody": {}}))
    report = tmp_path / "report/report.json"

    def play(*tasks, name="K3s | Start", arguments=(), again=None, nobody=(), state_dir=""):
        playbook = tmp_path / "play.yml"
        plays = [{"name": name, "hosts": "sites", "gather_facts": False, "tasks": list(tasks)}]
        if again:
            plays.append({"name": again, "hosts": "sites", "gather_facts": False, "tasks": list(tasks)})
        plays += [{"name": title, "hosts": "nobody", "gather_facts": False, "tasks": list(tasks)} for title in nobody]
        playbook.write_text(yaml.safe_dump(plays))
        place = {"EDGEAI_REPORT_DIR": str(report.parent)} if state_dir == "" else {}
        if state_dir:
            arguments = [*arguments, "-e", json.dumps({"edge_state_dir": state_dir})]
        done = subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", "-i", inventory, playbook, *arguments],
            capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/dev"),
                 "ANSIBLE_HOME": str(tmp_path / "home"), **place})
        return done.returncode, done.stdout + done.stderr, json.loads(report.read_text()) if report.exists() else None

    return play


@pytest.mark.parametrize(("state_dir", "place"), [
    ("{{ playbook_dir }}/state", "state/report"), ("{{ nobody_said }}/state", "home/.edgeai/demo/report"), (None, "home/.edgeai/demo/report")])
def test_without_an_order_it_lies_where_the_state_is(play, tmp_path, monkeypatch, state_dir, place):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EDGEAI_REPORT_DIR", raising=False)
    _code, text, report = play(fail("broken"), state_dir=state_dir)
    assert report is None and (tmp_path / place / "report.json").exists()
    assert f"report for the browser: {tmp_path / place}/index.html" in text


def fail(message, **more):
    return {"name": "Break", "ansible.builtin.fail": {"msg": message}, **more}


def test_a_run_that_ends_because_all_hosts_failed_still_reports(play):
    code, text, report = play(fail("first line\nsecond line"), again="Verify | Never reached")
    assert code == 2
    assert report["sites"]["hall"][0]["lines"] == ["line-a"]
    assert {host: data["failures"][0]["message"] for host, data in report["hosts"].items()} == {
        "camera-a": "first line", "camera-b": "first line"}
    assert "hall: failed" in text and "FAILED   camera-a  Break" in text
    assert "              second line" in text


@pytest.mark.parametrize("task", [
    fail("no matter", ignore_errors=True),
    {"block": [fail("no matter")], "rescue": [{"name": "Mend", "ansible.builtin.debug": {"msg": "mended"}}]},
], ids=["ignored", "rescued"])
def test_failures_that_the_play_deals_with_are_none(play, task):
    code, _text, report = play(task)
    assert (code, report) == (0, None)


def test_what_was_found_out_about_gpus_is_kept_by_node(play):
    """Whatever this machine has: a failure that the play goes on after is no failure of the host, its verdicts are kept."""
    judge = {"name": "Judge", "edgeai.sites.gpu_health": {"gpu": "dgpu"}, "ignore_errors": True}
    code, _text, report = play(judge, name="Verify | Look at the GPUs")
    assert code == 0 and report["hosts"]["camera-a"]["failures"] == []
    assert {host: found["verdicts"][0]["host"] for host, found in report["gpu_health"].items()} == {
        "camera-a": "camera-a", "camera-b": "camera-b"}
    assert report["gpu_health"]["camera-a"]["verdicts"][0]["check"] == "gpu_present"


def test_a_run_with_nothing_to_say_leaves_the_last_report_alone(play):
    _code, _text, first = play(fail("broken"))
    code, text, second = play({"name": "Fine", "ansible.builtin.debug": {"msg": "hello\nthere"}})
    assert code == 0
    assert second == first
    assert "REPORT" not in text and "              there" in text


def test_steps_are_named_after_the_plays_and_changes_are_shown(play):
    code, text, _report = play({"name": "Touch", "ansible.builtin.command": "true"}, again="K3s | And more",
                               nobody=["K3s | For others", "GPUs | Prove", "GPUs | Judge"])
    assert code == 0
    assert "K3s         Start" in text and "K3s         And more" in text
    assert "changed  camera-b  Touch" in text
    assert text.count("2 hosts, 4 changes") == 1
    assert "For others" not in text and text.count("GPUs        no host of this run takes part") == 1


def test_loud_runs_print_what_the_default_callback_prints(play):
    _code, text, _report = play({"name": "Touch", "ansible.builtin.command": "true"}, arguments=["-v"])
    assert "PLAY RECAP" in text and "TASK [Touch]" in text
