# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as a play gets it: from a ledger that another process may hold, into files, and in words when that cannot be."""

from __future__ import annotations

import json
import types
import xml.etree.ElementTree as ET

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible_collections.edgeai.sites.plugins.action.rollout_report import ActionModule
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.ledger_file import LedgerFile

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NOW
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A, small_plan

NOWHERE = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None))


@pytest.fixture(name="ledger")
def a_ledger_that_is_in_use(tmp_path):
    with LedgerFile(str(tmp_path / "ledger"), small_plan(), NOW) as ledger:
        ledger.append({"type": "start", "at": NOW})
        yield ledger


def run(ledger, check_mode=False, **options):
    task = Task()
    task.check_mode, task.async_val = check_mode, 0
    task.args = {"ledger": getattr(ledger, "directory", ledger), "now": NOW + 600, **options}
    return ActionModule(task, NOWHERE, PlayContext(), DataLoader(), None, None).run(task_vars={})


def test_while_another_process_writes(ledger, tmp_path):
    before = {path.name: path.read_bytes() for path in (tmp_path / "ledger").iterdir()}
    result = run(ledger)
    assert (result["changed"], result["status"], result["files"]) == (False, "running", [])
    assert result["text"].startswith("release vision-2 on fleet test: running after 10 min; 3 planned")
    assert {path.name: path.read_bytes() for path in (tmp_path / "ledger").iterdir()} == before
    ledger.append({"type": "pause", "at": NOW + 1})
    with open(tmp_path / "ledger" / "journal.jsonl", "ab") as journal:
        journal.write(b'{"seq": 4, "type": "res')
    assert run(ledger)["status"] == "paused"


def test_files_are_written_when_they_are_others(ledger, tmp_path):
    dest, textfile = tmp_path / "reports" / "vision-2", tmp_path / "metrics" / "vision-2.prom"
    options = {"dest": str(dest), "textfile": str(textfile)}
    assert run(ledger, check_mode=True, **options)["changed"] is True and not dest.exists() and not textfile.exists()
    first = run(ledger, **options)
    assert first["changed"] is True and sorted(path.name for path in dest.iterdir()) == ["index.html", "junit.xml", "report.json", "report.md", "report.txt"]
    assert {path.stat().st_mode & 0o777 for path in dest.iterdir()} == {0o600} and textfile.stat().st_mode & 0o777 == 0o644
    assert json.loads((dest / "report.json").read_text())["format"] == "edgeai.sites/rollout-report" and ET.parse(dest / "junit.xml")
    assert (dest / "report.txt").read_text() == first["text"] and A in (dest / "index.html").read_text()
    assert run(ledger, **options)["changed"] is False
    ledger.append({"type": "abort", "at": NOW + 700})
    ledger.append({"type": "finish", "at": NOW + 701})
    ended = run(ledger, **options)
    assert ended["changed"] is True and ended["status"] == "aborted"
    assert run(ledger, now=NOW + 90000, **options)["changed"] is False


def test_what_cannot_be_read_or_written(ledger, tmp_path):
    with pytest.raises(AnsibleActionFail, match=r"found no rollout in .*; wanted the place in which one was started"):
        run(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    with pytest.raises(AnsibleActionFail, match="found time zone 'Berlin'; wanted an IANA name"):
        run(ledger, timezone="Berlin")
    with pytest.raises(AnsibleActionFail, match="cannot write the report"):
        run(ledger, dest="/proc/none")
    journal = tmp_path / "ledger" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b"not json\n")
    with pytest.raises(AnsibleActionFail, match="journal line 4 is damaged"):
        run(ledger)
    journal.unlink()
    with pytest.raises(AnsibleActionFail, match="journal.jsonl"):
        run(ledger)
