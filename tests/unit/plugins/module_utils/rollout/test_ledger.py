# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: lines, damage, versions, snapshots, two controllers, and what is rebuilt when it is lost."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adopt import adopt
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters import ledger_file
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.ledger_file import LedgerFile
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.canonical import canonical, digest
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import Fenced, RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import dump, initial, load
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.recover import record, recover
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.lines import Site, engine
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, NOW, OLD, plan
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A, B, C, Rollout, small_plan

PLAN = small_plan()


def text(*events, plan_hash=PLAN["hash"], version=1):
    lines = [{"format": "edgeai.sites/rollout-ledger", "version": version, "plan": plan_hash}]
    lines += [{"seq": number, "token": 1, "at": NOW, **event} for number, event in enumerate(events, 1)]
    return "".join(json.dumps(line) + "\n" for line in lines).encode("ascii")


def test_one_meaning_has_one_spelling():
    assert canonical({"b": 1, "a": [1, "ä"]}) == '{"a":[1,"\\u00e4"],"b":1}'
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) == "sha256:43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777"
    with pytest.raises(ValueError):
        canonical(float("nan"))


def test_a_journal_is_read():
    journal = ledger.parse(text({"type": "start"}, {"type": "pause"}), PLAN)
    assert (journal.seq, journal.token) == (2, 1) and journal.length == len(text({"type": "start"}, {"type": "pause"}))
    assert ledger.restore(PLAN, journal).status == "paused"
    empty = ledger.parse(text(), PLAN)
    assert (empty.seq, empty.token) == (0, 0)


def test_a_line_that_was_cut_short_was_never_written():
    whole = text({"type": "start"})
    assert ledger.parse(whole + b'{"seq": 2, "token": 1, "ty', PLAN) == ledger.parse(whole, PLAN)
    # Even if it looks like a whole event: without its end of line it was not done.
    assert ledger.parse(whole + b'{"seq": 2, "token": 1, "type": "pause"}', PLAN).seq == 1


DAMAGE = [
    (b"", "empty journal"), (b"\n", "line 1 is damaged"), (b"[]\n", "line 1 is damaged"), (text() + b"{]\n", "line 2 is damaged"),
    (text({"type": "x", "seq": 2}), "line 2: found number 2, wanted 1"), (text({"type": "x"}, {"type": "y", "seq": 1}), "line 3: found number 1, wanted 2"),
    (text({"type": "x", "token": 2}, {"type": "y", "token": 1}), "line 3: found token 1 after 2"), (text({"type": "x", "token": None}), "found token None"),
    (text(version=2), "edgeai.sites/rollout-ledger 2; this collection reads"), (text(plan_hash="sha256:1"), "the ledger of plan sha256:1; wanted"),
]


@pytest.mark.parametrize(("data", "words"), DAMAGE, ids=[case[1][:30] for case in DAMAGE])
def test_damage_is_an_error(data, words):
    with pytest.raises(RolloutError, match=words):
        ledger.parse(data, PLAN)


def test_entries():
    journal = ledger.parse(text({"type": "start", "token": 3}), PLAN)
    line, event = ledger.entry(journal, {"type": "pause", "at": NOW}, 3)
    assert json.loads(line) == event == {"type": "pause", "at": NOW, "seq": 2, "token": 3}
    grown = ledger.parse(text({"type": "start", "token": 3}), PLAN)
    grown.add(line, event)
    assert grown == ledger.parse(text({"type": "start", "token": 3}) + line.encode("ascii"), PLAN)
    with pytest.raises(Fenced, match="controller 3 in the journal, this one is 2"):
        ledger.entry(journal, {"type": "pause", "at": NOW}, 2)
    with pytest.raises(RolloutError, match="65536 at most"):
        ledger.entry(journal, {"type": "pause", "reason": "x" * 70000}, 3)


def test_snapshots_shorten_and_never_decide():
    rollout = Rollout()
    rollout.tell("start", seq=1)
    kept = ledger.snapshot(rollout.state)
    journal = ledger.parse(text({"type": "start"}, {"type": "pause"}), PLAN)
    assert ledger.restore(PLAN, journal, kept) == ledger.restore(PLAN, journal)
    for unreadable in (kept[:50], "[]", kept.replace('"version":1', '"version":9')):
        assert ledger.restore(PLAN, journal, unreadable).status == "paused"
    with pytest.raises(RolloutError, match="snapshot of event 1 and a journal that ends with 0"):
        ledger.restore(PLAN, ledger.parse(text(), PLAN), kept)
    with pytest.raises(RolloutError, match="cannot be read"):
        ledger.restore(PLAN, journal, kept.replace('"status"', '"stat"'))
    with pytest.raises(RolloutError, match="another plan"):
        ledger.restore(small_plan(release="other"), journal, kept)


def test_states_are_dumped_without_what_is_as_it_was():
    rollout = Rollout()
    rollout.tell("start")
    rollout.until("soaking", A)
    document = dump(rollout.state)
    assert initial(rollout.plan).targets[B].available
    assert document["targets"][B] == {} and document["targets"][A]["state"] == "soaking"
    assert load(json.loads(json.dumps(document)), rollout.plan) == rollout.state
    for damaged in ({**document, "waves": []}, {**document, "targets": {}}, {**document, "plan": "x"}, {}, None, {**document, "targets": {A: {"x": 1}}}):
        with pytest.raises(RolloutError):
            load(damaged, rollout.plan)


def test_a_file_outlives_its_controller(tmp_path):
    path = str(tmp_path / "rollouts" / "r")
    with LedgerFile(path, PLAN, NOW) as first:
        first.append({"type": "start", "at": NOW})
        assert first.state.status == "running" and first.token == 1
    assert oct(os.stat(path).st_mode & 0o777) == "0o700"
    assert {name: oct(os.stat(os.path.join(path, name)).st_mode & 0o777) for name in (ledger_file.PLAN, ledger_file.JOURNAL)} == dict.fromkeys(
        (ledger_file.PLAN, ledger_file.JOURNAL), "0o600")
    with open(os.path.join(path, ledger_file.JOURNAL), "ab") as stream:
        stream.write(b'{"seq": 3, "to')
    with LedgerFile(path, None, NOW + 1) as second:
        assert second.state.status == "running" and second.token == 2 and second.state.seq == 3 and second.plan == PLAN
        second.append({"type": "pause", "at": NOW + 2})
    lines = (tmp_path / "rollouts" / "r" / ledger_file.JOURNAL).read_text().splitlines()
    assert [json.loads(line).get("type") for line in lines] == [None, "takeover", "start", "takeover", "pause"]


def test_the_disk_has_everything_when_it_was_waited_for(tmp_path, monkeypatch):
    synced = []
    book = LedgerFile(str(tmp_path), PLAN, NOW)
    monkeypatch.setattr(ledger_file.os, "fsync", lambda _file: synced.append(book.state.seq))
    book.append({"type": "start", "at": NOW})
    assert synced == []
    book.sync()
    book.sync()
    assert synced == [book.state.seq], "nothing new, nothing to wait for"
    book.append({"type": "pause", "at": NOW})
    book.close()
    assert len(synced) == 2


def test_a_turn_ends_with_everything_on_the_disk(tmp_path):
    plan_, hands = small_plan(), Site(small_plan())
    with LedgerFile(str(tmp_path), plan_, NOW) as book:
        book.append({"type": "start", "at": NOW})
        engine(plan_, hands, book).turn(NOW)
        assert book.state.seq > 2 and not book._unsynced


def test_only_one_controller_at_a_time(tmp_path):
    with LedgerFile(str(tmp_path), PLAN, NOW):
        with pytest.raises(RolloutError, match=r"found that process \d+ holds .*is being run already"):
            LedgerFile(str(tmp_path), PLAN, NOW)
    LedgerFile(str(tmp_path), PLAN, NOW).close()


def test_somebody_else_wrote(tmp_path):
    with LedgerFile(str(tmp_path), PLAN, NOW) as mine:
        with open(tmp_path / ledger_file.JOURNAL, "ab") as stream:
            stream.write(b"{}\n")
        with pytest.raises(Fenced, match="somebody else wrote"):
            mine.append({"type": "start", "at": NOW})
        assert mine.state.status == "ready"
        os.unlink(tmp_path / ledger_file.JOURNAL)
        with pytest.raises(Fenced, match="gone"):
            mine.append({"type": "start", "at": NOW})


def test_snapshots_are_written_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_file, "SNAPSHOT_EVERY", 3)
    with LedgerFile(str(tmp_path), PLAN, NOW) as mine:
        mine.append({"type": "start", "at": NOW})
        assert not (tmp_path / ledger_file.SNAPSHOT).exists()
        mine.append({"type": "pause", "at": NOW})
        assert json.loads((tmp_path / ledger_file.SNAPSHOT).read_text())["state"]["seq"] == 3
        mine.append({"type": "resume", "at": NOW})
        expected = mine.state
    with LedgerFile(str(tmp_path), PLAN, NOW) as again:
        assert again.state.targets == expected.targets and again.state.status == "running" and again.state.seq == 5


def test_a_directory_belongs_to_one_plan(tmp_path):
    with pytest.raises(RolloutError, match="found no rollout"):
        LedgerFile(str(tmp_path), None, NOW)
    LedgerFile(str(tmp_path), PLAN, NOW).close()
    with pytest.raises(RolloutError, match="Finish or abort that one"):
        LedgerFile(str(tmp_path), small_plan(release="other"), NOW)
    (tmp_path / ledger_file.PLAN).write_text("{")
    with pytest.raises(RolloutError, match="found no JSON"):
        LedgerFile(str(tmp_path), PLAN, NOW)


def test_files_have_a_limit(tmp_path, monkeypatch):
    LedgerFile(str(tmp_path), PLAN, NOW).close()
    monkeypatch.setattr(ledger_file, "MAX_BYTES", 10)
    with pytest.raises(RolloutError, match="more than 10 bytes"):
        LedgerFile(str(tmp_path), PLAN, NOW)


RECOVERED = [
    ("switching", NEW["amd64"], "switched", None), ("switching", OLD, None, "switch"), ("switching", "sha256:x", "drift",
                                                                                        None), ("switching", None, None, None),
    ("switching", "", "drift", None), ("verifying", NEW["amd64"], None, None), ("verifying", OLD, None, None), ("verifying", "sha256:x", "drift", None),
    ("prepulling", None, None, "pull"), ("soaking", "sha256:x", "drift", None), ("planned", "sha256:x", None, None),
]


@pytest.mark.parametrize(("state", "found", "event", "act"), RECOVERED, ids=[f"{case[0]} {str(case[1])[:10]}" for case in RECOVERED])
def test_what_a_new_controller_finds(state, found, event, act):
    rollout = Rollout()
    rollout.tell("start")
    if state != "planned":
        rollout.until(state, A)
    events, acts = recover(rollout.plan, rollout.state, {A: found}, NOW + 60)
    assert [(item["type"], item["target"], item["attempt"]) for item in events] == ([(event, A, 1)] if event else [])
    assert [(item["act"], item["target"]) for item in acts] == ([(act, A)] if act else [])
    if act == "switch":
        assert acts[0]["from"] == OLD and acts[0]["to"] == NEW["amd64"] and acts[0]["strategy"] == "replace"
    if act == "pull":
        assert acts[0]["bytes"] == 100 << 20 and acts[0]["seconds"] == 0


def test_a_rollback_that_was_not_carried_out_is():
    rollout = Rollout()
    rollout.tell("start")
    rollout.until("verifying", A)
    rollout.prove(A, "fail")
    rollout.tell("rollback_intent", A, to=OLD)
    assert recover(rollout.plan, rollout.state, {A: OLD}, NOW) == ([], [])
    assert recover(rollout.plan, rollout.state, {A: NEW["amd64"]}, NOW) == ([], [{"act": "rollback", "target": A, "attempt": 1, "to": OLD}])


def test_a_lost_ledger_is_rebuilt():
    rollout = Rollout()
    rollout.tell("start")
    rollout.tell("takeover", token=7)
    rollout.until("succeeded", A)
    rollout.decide()
    rollout.until("soaking", B)
    rollout.until("prepulled", C)
    records = {name: record(rollout.plan, rollout.state, name) for name in (A, B, C)}
    state = adopt(rollout.plan, records, rollout.now)
    assert (state.status, state.wave, state.token, state.started) == ("paused", 1, 7, rollout.now)
    assert [state.targets[name].state for name in (A, B, C)] == ["succeeded", "verifying", "planned"]
    assert state.targets[A].changed and state.targets[B].changed and state.targets[B].switches == 1 and not state.targets[C].changed
    assert all(state.targets[name].previous == OLD for name in (A, B, C))
    assert [wave.state for wave in state.waves] == ["passed", "running", "waiting"]
    odd = {A: {**records[A], "plan": "x"}, B: {**records[B], "state": "great"}, C: {**records[C], "attempt": -1, "token": "x", "late": 1}}
    state = adopt(rollout.plan, odd, rollout.now)
    assert [state.targets[name].state for name in (A, B, C)] == ["planned"] * 3 and state.targets[C].attempt == 1 and not state.targets[C].late
    assert state.token == 0 and state.wave == 0
    done = adopt(rollout.plan, {name: {**records[A]} for name in (A, B, C)}, NOW)
    assert done.wave == 1 and initial(rollout.plan).waves[0].state == "waiting"


def test_an_approval_that_nobody_remembers_is_asked_for_again():
    made = plan()
    assert adopt(made, {}, NOW).waves[0].state == "approval"
    name = made["waves"][0]["targets"][0]
    touched = adopt(made, {name: {"plan": made["hash"], "state": "switching", "previous": OLD}}, NOW)
    assert touched.waves[0].state == "running"
