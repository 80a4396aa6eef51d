# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Invariants of plans, windows, ratios, health and gates: what must hold whatever the fleet looks like."""

from __future__ import annotations

import copy
import datetime
import json
import math
from fractions import Fraction
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgeai.sites.plugins.module_utils.fleet.schema import DAYS
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.fit import SURGE, gpu_fit
from ansible_collections.edgeai.sites.plugins.module_utils.health import model as health
from ansible_collections.edgeai.sites.plugins.module_utils.health.deployments import judge_deployment
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import gates
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.judge import ADVANCE, judge_wave
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import initial
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import check_plan, make_plan
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import reduce
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.waves import exceeds
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.windows import fits, open_spans
from ansible_collections.edgeai.sites.tests.property.fleets import START, expected, fleets, ids, plans, releases

ZONES = sorted(available_timezones())


@given(releases(), fleets())
def test_invariant_01_every_eligible_target_is_in_exactly_one_wave(release, fleet):
    release["targets"]["expect"] = expected(release, fleet)
    plan = make_plan(release, fleet)
    in_waves = [name for wave in plan["waves"] for name in wave["targets"]]
    assert sorted(in_waves) == sorted(plan["targets"])
    assert sorted([*plan["targets"], *plan["left_out"]]) == ids(release, fleet)
    assert all(wave["size"] == len(wave["targets"]) > 0 for wave in plan["waves"])
    assert all(plan["waves"][target["wave"]]["targets"].count(name) == 1 for name, target in plan["targets"].items())


@given(plans())
def test_invariant_01_percent_waves_are_whole_numbers_rounded_up(plan):
    """Counted by hand: half of all, less what was before, and canaries of a wave on as many lines as there are canaries."""
    sizes = {wave["name"]: wave["size"] for wave in plan["waves"]}
    total = len(plan["targets"])
    if "half" in sizes:
        assert sizes.get("first", 0) + sizes["half"] == math.ceil(Fraction(total, 2))
    if plan["waves"] and plan["waves"][0]["canary"]:
        lines = [(plan["targets"][name]["site"], plan["targets"][name]["line"]) for name in plan["waves"][0]["targets"]]
        assert all(line == "" or lines.count((site, line)) == 1 for site, line in lines)


@given(releases(), fleets(), st.randoms(use_true_random=False))
def test_invariant_02_a_plan_does_not_depend_on_the_order_of_the_inventory(release, fleet, shuffle):
    release["targets"]["expect"] = expected(release, fleet)
    other = copy.deepcopy(fleet)
    shuffle.shuffle(other["sites"])
    shuffle.shuffle(other["workloads"])
    for site in other["sites"]:
        shuffle.shuffle(site["nodes"])
        for node in site["nodes"]:
            node["labels"] = dict(reversed(node["labels"].items()))
    assert make_plan(release, fleet) == make_plan(release, other)
    assert make_plan(release, fleet)["hash"] == make_plan(release, other)["hash"]


@given(plans(), st.data())
def test_invariant_03_a_plan_is_frozen_and_a_removed_host_is_skipped(plan, data):
    stored = json.loads(json.dumps(plan))
    assert check_plan(stored)["hash"] == plan["hash"]
    where = data.draw(st.sampled_from([key for key in stored if key not in ("hash", "format", "version")]))
    stored[where] = [stored[where]]
    with pytest.raises(RolloutError, match="changed after it was made"):
        check_plan(stored)
    if plan["targets"]:
        gone = data.draw(st.sampled_from(sorted(plan["targets"])))
        state = reduce(plan, initial(plan), {"type": "skip", "at": START, "target": gone, "reason": "not in the inventory any more"})
        assert state.targets[gone].state == "skipped"
        assert state.plan == plan["hash"]


@given(st.sampled_from(["deployment"]), st.integers(0, 3), st.data())
def test_invariant_13_less_that_is_ready_is_never_better(_kind, replicas, data):
    order = [health.HEALTHY, health.PROGRESSING, health.UNKNOWN, health.FAILED, health.ABSENT]
    digest = "sha256:" + "d" * 64
    expect = health.ExpectedTarget("t", "w", "n", digest, 80, "m", "/", "x", {}, "x", replicas=replicas)
    counts = {key: data.draw(st.integers(0, 3)) for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")}
    down = data.draw(st.sampled_from(["updatedReplicas", "readyReplicas", "availableReplicas"]))

    def judged(status):
        return judge_deployment(expect, {
            "metadata": {"name": "t", "generation": 2}, "status": {**status, "observedGeneration": 2},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"image": "r/x@" + digest}]}}}}).state

    fewer = {**counts, down: max(0, counts[down] - 1)}
    # One more than wanted is not better than what was wanted: compare with what has as many or fewer than it should.
    if counts[down] <= replicas:
        assert order.index(judged(fewer)) >= order.index(judged(counts))


@given(plans(seen=False))
def test_invariant_14_nothing_is_never_a_pass(plan):
    assert gates.worst([]) == gates.INCONCLUSIVE
    gate = {"query": "q", "op": "<", "value": 1.0, "count": 3, "max_failed": 0}
    for values in ([], [None] * 9, [math.nan] * 9, [0.0, 0.0], [math.inf, None]):
        assert gates.judge_query(gate, values).verdict != gates.PASS
    assert gates.judge_golden({"set": "s", "frames": 4, "min": 0, "max_drop": 1}, None).verdict != gates.PASS
    assert gates.judge_golden({"set": "s", "frames": 4, "min": 0, "max_drop": 1}, {"set": "s", "right": 0, "asked": 0}).verdict != gates.PASS
    assert gates.judge_http({"consecutive": 1, "expression": "x"}, []).verdict != gates.PASS
    assert gates.judge_latency({"p95_ms": 1, "samples": 1, "warmup": 0}, []).verdict != gates.PASS
    assert gates.judge_latency({"p95_ms": 1, "samples": 1, "warmup": 0}, [math.nan]).verdict != gates.PASS
    for samples in (0, 1):
        gate = {"output": "x", "max": 1, "samples": samples, "label": "bin"}
        for counts in ({}, {"good": 0}, {"good": math.nan}):
            assert gates.judge_drift(gate, counts, counts).verdict != gates.PASS
            assert gates.judge_drift(gate, counts, {"good": 9}).verdict != gates.PASS
    assert gates.judge_checks({"checks": []}, {}).verdict != gates.PASS
    assert gates.judge_checks({"checks": ["arch"]}, {}).verdict != gates.PASS
    assert not health.SiteJudgement((), ()).healthy
    # A wave of which everybody was left out has passed nothing.
    state = initial(plan)
    if plan["waves"]:
        for name in plan["waves"][0]["targets"]:
            state = reduce(plan, state, {"type": "skip", "at": START, "target": name})
        assert judge_wave(plan, state, 0).verdict != ADVANCE


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 100))
def test_invariant_15_ratios_are_exact(part, whole, percent):
    assert exceeds(part, whole, percent) == (Fraction(part) * 100 > Fraction(percent) * whole)
    # At equality it is not more, one further it is.
    assert not exceeds(whole * percent, whole * 100, percent)
    assert exceeds(whole * percent + 1, whole * 100, percent)


@given(st.integers(1, 2000), st.integers(0, 1000))
def test_invariant_15_golden_thresholds_are_exact(frames, thousandths):
    gate = {"set": "s", "frames": frames, "min": thousandths / 1000, "max_drop": 1}
    least = math.ceil(Fraction(thousandths, 1000) * frames)
    assert gates.judge_golden(gate, {"set": "s", "right": least, "asked": frames}).verdict == gates.PASS
    if least > 0:
        assert gates.judge_golden(gate, {"set": "s", "right": least - 1, "asked": frames}).verdict == gates.FAIL


def _minutes(text):
    return int(text[:2]) * 60 + int(text[3:])


def _inside(local, window):
    """Whether a local time is in a window, by reading the clock: the plain way to say what windows mean."""
    minute, day = local.hour * 60 + local.minute, local.weekday()
    start, end = _minutes(window["start"]), _minutes(window["end"])
    if start < end:
        return DAYS[day] in window["days"] and start <= minute < end
    return DAYS[day] in window["days"] and minute >= start or DAYS[(day - 1) % 7] in window["days"] and minute < end


def _changes(zone, year):
    """The seconds of a year at which the clocks of a zone change, found by halving."""
    clock = ZoneInfo(zone)

    def offset(at):
        return datetime.datetime.fromtimestamp(at, clock).utcoffset()

    start = int(datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc).timestamp())
    found = []
    for low in range(start, start + 366 * 86400, 7 * 86400):
        high = low + 7 * 86400
        if offset(low) != offset(high):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            found.append(high)
    return found


TIMES = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
WINDOWS = st.fixed_dictionaries({"days": st.lists(st.sampled_from(DAYS), min_size=1, unique=True), "start": TIMES, "end": TIMES}).filter(
    lambda window: window["start"] != window["end"])


@pytest.mark.parametrize("part", range(4))
def test_invariant_17_windows_hold_on_both_days_of_all_zones(part):
    """Every zone that this machine knows, each change of its clocks in 2026: minutes around it, against the clock on the wall."""
    window = {"days": list(DAYS), "start": "01:30", "end": "03:15"}
    denied = {"days": list(DAYS), "start": "02:45", "end": "03:00"}
    checked = 0
    for zone in ZONES[part::4]:
        clock = ZoneInfo(zone)
        for change in _changes(zone, 2026):
            spans = open_spans(zone, [window], [denied], change - 86400, change + 86400)
            for at in range(change - 4 * 3600, change + 4 * 3600, 300):
                local = datetime.datetime.fromtimestamp(at, clock)
                if fits(spans, at, 60):
                    assert _inside(local, window) and not _inside(local, denied), (zone, local)
                    checked += 1
    assert checked > 100


@given(st.sampled_from(ZONES), st.lists(WINDOWS, min_size=0, max_size=3), st.lists(WINDOWS, max_size=2), st.integers(0, 8 * 365 * 86400),
       st.integers(1, 20000), st.data())
def test_invariant_17_nothing_begins_outside_a_window_or_that_cannot_end_in_it(zone, allow, deny, offset, seconds, data):
    now = int(datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc).timestamp()) + offset
    day = datetime.datetime.fromtimestamp(now, ZoneInfo(zone)).date()
    if data.draw(st.booleans()):
        deny = deny + [{"from": day.isoformat(), "to": day.isoformat()}]
    spans = open_spans(zone, allow, deny, now - 86400, now + 2 * 86400)
    assert spans == sorted(spans) and all(a < b for a, b in spans) and all(a[1] < b[0] for a, b in zip(spans, spans[1:]))
    if not fits(spans, now, seconds):
        return
    for at in (now, now + seconds // 2, now + seconds - 1):
        local = datetime.datetime.fromtimestamp(at, ZoneInfo(zone))
        assert not allow or any(_inside(local, window) for window in allow)
        assert not any(_inside(local, item) if "days" in item else item["from"] <= local.date().isoformat() <= item["to"] for item in deny)


@given(WINDOWS, st.integers(0, 365))
def test_invariant_17_on_usual_days_a_window_is_all_of_itself(window, day):
    """Where clocks do not change nothing of a window is lost: the careful reading costs nothing there."""
    start = int(datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc).timestamp()) + day * 86400
    spans = open_spans("UTC", [window], [], start, start + 86400)
    for at in range(start, start + 86400, 900):
        local = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
        assert fits(spans, at, 1) == _inside(local, window)


@given(releases(), fleets())
def test_invariant_22_without_room_nothing_surges(release, fleet):
    release["targets"]["expect"] = expected(release, fleet)
    nodes = {node["name"]: node for site in fleet["sites"] for node in site["nodes"]}
    wanted = {item["name"]: fleet_item["gpu"] for item in release["workloads"] for fleet_item in fleet["workloads"] if item["name"] == fleet_item["name"]}
    for target in make_plan(release, fleet)["targets"].values():
        node = nodes[target["node"]]
        asked = sum(gpu for name, gpu in wanted.items() if name in node["labels"])
        fit = gpu_fit(wanted[target["workload"]], node["facts"].get("gpus"), asked, wanted[target["workload"]])
        if fit.strategy != SURGE or target["line"]:
            assert target["strategy"] == "replace"
