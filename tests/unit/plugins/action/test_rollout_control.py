# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Orders as a play gives them: to a ledger that nobody holds, and to one that a running rollout holds."""

from __future__ import annotations

import getpass

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.edgeai.sites.plugins.action import rollout_control

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.ledger_file import LedgerFile, read_ledger
from ansible_collections.edgeai.sites.tests.unit.plugins.action.acting import act
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NOW
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import small_plan

PLAN = small_plan(waves=[{"name": "canary", "pick": {"per": "class"}, "soak": "5m"}, {"name": "rest", "percent": 100, "soak": "5m", "approval": True}])


@pytest.fixture(name="order")
def _order(tmp_path):
    def give(kind, check_mode=False, **more):
        return act(rollout_control, {"ledger": str(tmp_path / "ledger"), "order": kind, **more}, check_mode)
    return give


@pytest.fixture(name="started")
def _started(order):
    order("start", plan=PLAN, by="eva")
    return order


def kinds(tmp_path):
    return [event["type"] for event in read_ledger(str(tmp_path / "ledger"))[1].events if event["type"] != "takeover"]


def test_a_start_and_the_same_again(order, tmp_path):
    first = order("start", plan=PLAN)
    assert first["changed"] is True and (first["status"], first["wave"], first["hash"]) == ("running", "canary", PLAN["hash"])
    assert order("start", plan=PLAN)["changed"] is False
    assert (tmp_path / "ledger").stat().st_mode & 0o777 == 0o700


def test_check_mode_says_what_would_change_and_writes_nothing(order, tmp_path):
    assert order("start", plan=PLAN, check_mode=True)["changed"] is True and not (tmp_path / "ledger").exists()
    order("start", plan=PLAN)
    assert order("start", plan=PLAN, check_mode=True)["changed"] is False
    assert order("pause", check_mode=True)["changed"] is True and kinds(tmp_path) == ["start"]


def test_whoever_gives_it_is_written_down(started, tmp_path):
    started("pause", reason="cleaning")
    event = read_ledger(str(tmp_path / "ledger"))[1].events[-1]
    assert (event["type"], event["by"], event["reason"]) == ("pause", getpass.getuser(), "cleaning")


def test_status_changes_nothing(started, tmp_path):
    assert started("status") == {"changed": False, "status": "running", "hash": PLAN["hash"], "reason": "", "wave": "canary"}
    assert kinds(tmp_path) == ["start"]


def test_one_that_does_nothing_is_an_error_unless_it_was_done_before(started):
    assert started("pause")["changed"] is True and started("pause")["changed"] is False
    started("abort")
    with pytest.raises(AnsibleActionFail, match="resume of the rollout in .*: found the rollout aborting, in which resume does nothing"):
        started("resume")


def test_an_approval_needs_the_plan(started):
    with pytest.raises(AnsibleActionFail, match="found an approval of plan sha256:0123456789ab"):
        started("approve", wave="rest", hash="sha256:0123456789ab")
    assert started("approve", wave="rest", hash=PLAN["hash"][:19])["changed"] is True
    assert started("approve", wave="rest", hash=PLAN["hash"][:19])["changed"] is False


def test_without_a_rollout_it_says_where_it_looked(order, tmp_path):
    with pytest.raises(AnsibleActionFail, match=f"found no rollout in {tmp_path}/ledger"):
        order("pause")


def test_another_plan_in_its_place_is_refused(started):
    with pytest.raises(AnsibleActionFail, match="Finish or abort that one, or give the release another name"):
        started("start", plan=small_plan())


def test_who_runs_it_takes_the_order(started, tmp_path):
    with LedgerFile(str(tmp_path / "ledger"), None, NOW) as held:
        left = started("pause", by="eva", reason="cleaning")
        assert left["changed"] is True and "takes the order within a second" in left["msg"]
        (order,) = held.orders()
        assert (order["order"], order["by"], order["reason"]) == ("pause", "eva", "cleaning")
        assert held.orders() == [], "once"
        with pytest.raises(AnsibleActionFail, match="this rollout is being run already"):
            started("start", plan=PLAN)
