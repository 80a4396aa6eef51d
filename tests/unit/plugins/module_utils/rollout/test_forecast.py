# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Forecasts by hand: bounds, windows, pulls and what stands in the way."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.budgets import ceiling, groups_of, rooms, sizes
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.forecast import forecast, soak_of
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import make_plan
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.show import moment, plan_text, span
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NOW, OLD, WORKLOAD, fleet, node, plan, release

# One wave of six targets of 70 s each at one site, nothing to send.
ALL = [{"name": "all", "percent": 100, "soak": "5m"}]


def of_six(site=None, windows=None, **changes):
    nodes = [node(f"n{number}") for number in range(6)]
    place = {"name": "north", "timezone": "UTC", "windows": windows or [], "nodes": nodes, **(site or {})}
    return make_plan(release(**{"targets": {"expect": 6}, "waves": ALL, **changes}), fleet(sites=[place]))


def at_most(made, now=NOW):
    outlook = forecast(made, now)
    assert outlook["feasible"], outlook["problems"]
    assert outlook["end"] == now + sum(wave["at_most"] for wave in outlook["waves"])
    return [wave["at_most"] for wave in outlook["waves"]], [wave["at_least"] for wave in outlook["waves"]]


@pytest.mark.parametrize(("budgets", "most", "least"), [
    # One after the other: the last begins after 6 x 70 at the latest, by the bound, and takes 70 more; then the soak.
    ({"max_unavailable": {"site": 1}}, 6 * 70 + 70 + 300, 6 * 70 + 300),
    ({"max_unavailable": {"site": 2}}, 3 * 70 + 70 + 300, 3 * 70 + 300),
    ({"max_unavailable": {"site": 4}}, 105 + 70 + 300, 2 * 70 + 300),
    ({"max_unavailable": {"site": 6}}, 70 + 300, 70 + 300),
    ({"max_unavailable": {"site": 6}, "concurrent_targets": 3}, 140 + 70 + 300, 70 + 300),
    ({"max_unavailable": {"site": 6, "fleet": 2}}, 210 + 70 + 300, 70 + 300),
    ({"max_unavailable": {"site": 9}, "min_available": {"site": 4}}, 3 * 70 + 70 + 300, 3 * 70 + 300),
])
def test_budgets_make_it_longer(budgets, most, least):
    assert at_most(of_six(budgets=budgets)) == ([most], [least])


def test_sites_at_a_time():
    sites = [{"name": name, "timezone": "UTC", "nodes": [node(name + "-1")]} for name in ("a", "b", "c")]
    made = make_plan(release(targets={"expect": 3}, waves=ALL, budgets={"concurrent_sites": 2}), fleet(sites=sites))
    assert at_most(made)[0] == [105 + 70 + 300]
    made = make_plan(release(targets={"expect": 3}, waves=ALL, budgets={"concurrent_sites": 3}), fleet(sites=sites))
    assert at_most(made)[0] == [70 + 300]


def test_lines():
    shared = [{**node("n1"), "lines": ["l"]}]
    two = [{**WORKLOAD, "runs_on": {"lines": ["l"]}, "gpu": 0}, {**WORKLOAD, "name": "second", "runs_on": {"lines": ["l"]}, "gpu": 0}]
    both = release()["workloads"] + [{**release()["workloads"][0], "name": "second"}]
    made = make_plan({**release(targets={"expect": 2}, waves=ALL, budgets={"max_unavailable": {"site": 5}}), "workloads": both},
                     fleet(workloads=two, sites=[{"name": "north", "timezone": "UTC", "nodes": shared}]))
    assert rooms(made)[("line", "north/l")] == 1
    assert at_most(made)[0] == [140 + 70 + 300]


def test_a_pull_comes_first_and_pulls_of_later_waves_run_ahead():
    # 100 MiB at 10 of 20 Mbit/s: 84 s each. The canary waits for its own, the rest has had time meanwhile.
    waves = [{"name": "one", "pick": {"per": "site"}, "soak": "10m"}, {"name": "rest", "percent": 100, "soak": "5m"}]
    made = of_six({"wan_mbit": 20}, waves=waves, budgets={"max_unavailable": {"site": 6}})
    assert at_most(made)[0] == [84 + 70 + 600, 70 + 300]
    row = forecast(made, NOW)["sites"]["north"]
    assert row == {"targets": 6, "bytes": 6 * (100 << 20), "pull_seconds": 6 * 84, "need": 140, "longest_window": made["timeouts"]["total"]}


def test_windows_count_only_as_far_as_work_fits():
    # 2026-09-21 14:13:20 UTC. A window of 10 min a day: 600 - 140 s in which work may begin, 420 s of it are needed.
    ten = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "15:00", "end": "15:10"}]
    made = of_six(windows=ten, budgets={"max_unavailable": {"site": 1}})
    start = 2800
    assert at_most(made)[0] == [start + 420 + 70 + 300]
    # 7 min: 280 s a day; 420 are needed, so it ends in the window of the second day, after 140 s of it.
    seven = [{**ten[0], "end": "15:07"}]
    assert at_most(of_six(windows=seven, budgets={"max_unavailable": {"site": 1}}))[0] == [start + 86400 + 140 + 70 + 300]


def test_what_stands_in_the_way():
    two = [{"days": ["mon"], "start": "15:00", "end": "15:02"}]
    outlook = forecast(of_six(windows=two), NOW)
    assert not outlook["feasible"] and outlook["end"] is None
    assert "site north: a switch and the way back need 140 s, and the longest window before the deadline has 120 s" in outlook["problems"][0]
    assert "the windows of site north do not hold it before the deadline" in outlook["problems"][1]
    full = forecast(of_six(budgets={"min_available": {"site": 6}}), NOW)
    assert "site north: no target may be down" in full["problems"][0] and not full["feasible"]
    late = forecast(of_six(timeouts={"total": "10m"}), NOW)
    assert late["problems"] == ["the last soak would end 190 s after the deadline (timeouts.total)"]
    assert forecast(of_six(timeouts={"total": "790s"}), NOW)["feasible"] and not forecast(of_six(timeouts={"total": "789s"}), NOW)["feasible"]
    gone = forecast(plan(seen={name: {"quarantine": "x"} for name in ("north/vision-n1", "north/vision-n2", "north/vision-n3", "south/vision-s1")}), NOW)
    assert gone["problems"] == ["every target is left out, and not because it is as wanted already"]
    done = {"healthy": True}
    current = plan(seen={"north/vision-n1": {"digest": "sha256:" + "a" * 64, **done}, "north/vision-n2": {"digest": "sha256:" + "a" * 64, **done},
                         "north/vision-n3": {"digest": "sha256:" + "b" * 64, **done}, "south/vision-s1": {"digest": "sha256:" + "a" * 64, **done}})
    assert forecast(current, NOW)["feasible"] and forecast(current, NOW)["end"] == NOW


def test_what_is_down_already_takes_from_the_budget():
    made = plan(seen={"north/vision-n1": {"online": False}}, budgets={"max_unavailable": {"site": 1}})
    assert rooms(made)[("site", "north")] == 0 and rooms(made)[("site", "south")] == 1
    members, lost = sizes(made)
    assert members[("site", "north")] == 3 and lost[("site", "north")] == 1 and members[("fleet", "")] == 4
    assert ceiling(made, ("site", "north"), 3) == 1 and ceiling(made, ("fleet", ""), 4) == 4
    assert "site north: no target may be down" in forecast(made, NOW)["problems"][0]
    assert groups_of({"site": "a", "line": "b"}) == [("fleet", ""), ("site", "a"), ("line", "a/b")] and len(groups_of({"site": "a", "line": ""})) == 2


def test_metrics_are_read_within_the_soak():
    query = {"name": "x", "query": "q", "op": "<", "value": 1, "interval": "60s", "count": 10}
    made = of_six(gates={"prometheus": [query, {**query, "name": "y", "count": 4}]})
    assert soak_of(made, 0) == 600
    assert soak_of(of_six(gates={"prometheus": [{**query, "count": 2}]}), 0) == 300


def test_a_plan_to_read():
    made = plan(seen={"north/vision-n1": {"quarantine": "failed twice"}, "north/vision-n2": {"digest": OLD}})
    text = plan_text(made, forecast(made, NOW), "Europe/Berlin", width=100)
    for words in ("release vision-2 on fleet test: can be run", f"plan {made['hash']}", "4 targets expected and found: 3 in 2 waves, 1 left out",
                  "ends by (Europe/Berlin)", "Mon 2026-09-21 16:", "left out, skipped (1): in quarantine: failed twice: north/vision-n1",
                  "may still be wrong on up to 77 %", "10 Mbit/s", "the line is down for at most 70 s", "1 for each line, 1 for each site",
                  "gates: preflight, ready, golden",
                  "more than 4 in all, or more than 5 % of 10 tried or more; then: hold; a failed target: rollback"):
        assert words in " ".join(text.split()), words
    assert max(len(line) for line in text.splitlines()) <= 120
    made["sites"]["north"].update(deny=[{"from": "2026-12-24", "to": "2026-12-26"}], switch=[{"days": ["sat", "sun"], "start": "01:00", "end": "05:00"}])
    text = plan_text(made, {**forecast(made, NOW), "feasible": False, "problems": ["no way"]})
    assert "CANNOT BE RUN AS IT IS" in text and "! no way" in text
    assert "sat+sun 01:00-05:00, not 2026-12-24 to 2026-12-26 (Europe/Berlin)" in text


@pytest.mark.parametrize(("seconds", "text"), [(None, "-"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (5400, "90 min"), (9000, "2.5 h"), (172800, "2 d")])
def test_spans_for_people(seconds, text):
    assert span(seconds) == text


def test_moments_for_people():
    assert moment(NOW, "UTC") == "Mon 2026-09-21 14:13" and moment(None, "UTC") == "never"
