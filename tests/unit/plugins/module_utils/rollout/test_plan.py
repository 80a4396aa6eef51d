# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans: who takes part, who is left out and why, waves, updates and images."""

from __future__ import annotations

import copy
import json

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import parse_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import check_plan, make_plan
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.waves import assign, exceeds, needed
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import (
    NEW,
    OLD,
    RELEASE,
    WORKLOAD,
    fleet,
    node,
    plan,
    release,
)
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.workload.samples import image

N1, N2, N3, S1 = "north/vision-n1", "north/vision-n2", "north/vision-n3", "south/vision-s1"


def wanted(**changes):
    """The release's workload with some keys changed."""
    return [{**copy.deepcopy(RELEASE["workloads"][0]), **changes}]


def test_a_plan_of_two_waves():
    made = plan()
    assert sorted(made["targets"]) == [N1, N2, N3, S1] and made["left_out"] == {}
    canary, rest = made["waves"]
    # One of each class (amd64 with a card, arm64 Tegra), the other two afterwards.
    assert {made["targets"][name]["class"] for name in canary["targets"]} == {"vision/amd64/dgpu", "vision/arm64/tegra"}
    assert canary["size"] == 2 and N3 in canary["targets"] and rest["size"] == 2
    assert canary["approval"] and canary["canary"] and not rest["approval"] and not rest["canary"]
    assert made["targets"][N3]["digest"] == NEW["arm64"] and made["targets"][N1]["digest"] == NEW["amd64"]
    assert made["targets"][S1]["seconds"] == 10 + 20 + 10 + 30
    assert made["targets"][N1]["bytes"] == 100 << 20
    assert made["targets"][N1]["pull_seconds"] == -(-8 * (100 << 20) // 10_000_000)


SEEN = [
    ({"digest": NEW["amd64"], "healthy": True}, "already_current", "runs there already", True),
    ({"digest": NEW["amd64"], "healthy": False}, None, "", None),
    ({"online": False}, "deferred", "does not answer", False),
    ({"online": False, "reason": "site is cut off"}, "deferred", "site is cut off", False),
    ({"quarantine": "failed twice"}, "skipped", "in quarantine: failed twice", True),
    ({"digest": OLD}, None, "", None),
]


@pytest.mark.parametrize(("seen", "state", "reason", "available"), SEEN, ids=[str(case[0]) for case in SEEN])
def test_who_is_left_out_for_what_is_seen(seen, state, reason, available):
    made = plan(seen={N1: seen})
    if state is None:
        assert N1 in made["targets"]
    else:
        assert made["left_out"][N1]["state"] == state and reason in made["left_out"][N1]["reason"]
        assert made["left_out"][N1]["available"] is available
    assert len(made["targets"]) + len(made["left_out"]) == made["expect"]


def test_only_what_differs_is_sent_to_a_device_that_has_the_image_before():
    assert plan(seen={N1: {"digest": OLD}})["targets"][N1]["bytes"] == 10 << 20


REQUIRES = [
    ({"arch": ["arm64"]}, {}, "its node is amd64; the release wants arm64"),
    ({"gpu": ["tegra"]}, {}, "its node has gpu dgpu; the release wants tegra"),
    ({"cuda": "12.2"}, {"cuda": "12.1"}, "CUDA 12.1; the release wants 12.2"),
    ({"cuda": "12.2"}, {"cuda": "12.10"}, ""),
    ({"cuda": "12.2"}, {"cuda": "12.2"}, ""),
    ({"cuda": "12"}, {"cuda": "12.2"}, ""),
    ({"jetpack": ["6"]}, {"jetpack": "6.1"}, ""),
    ({"jetpack": ["6.0", "5"]}, {"jetpack": "6.1"}, "JetPack 6.1; the release is built for 6.0 and 5"),
    ({"gpu_memory_mib": 8000}, {"gpu_memory_mib": 7999}, "has 7999 MiB of memory; the release wants 8000"),
    ({"gpu_memory_mib": 8000}, {"gpu_memory_mib": 8000}, ""),
]


@pytest.mark.parametrize(("requires", "facts", "words"), REQUIRES, ids=[f"{case[0]} {case[1]}" for case in REQUIRES])
def test_requirements(requires, facts, words):
    site = {"name": "north", "nodes": [node("n1", facts=facts)]}
    made = plan({"sites": [site]}, workloads=wanted(requires=requires), targets={"expect": 1})
    if words:
        assert made["left_out"][N1]["state"] == "rejected" and words in made["left_out"][N1]["reason"]
        assert made["waves"] == [] and made["notes"] == ["no target takes part"]
    else:
        assert N1 in made["targets"] and made["targets"][N1]["unproven"] == []


def test_what_nobody_knows_nobody_compares_and_the_plan_says_so():
    made = plan(workloads=wanted(requires={"cuda": "12.2", "gpu_memory_mib": 100}))
    assert made["targets"][N1]["unproven"] == ["cuda", "gpu_memory_mib"]
    assert "cuda of 4 targets is not known, so nobody compares it; say it in their hosts' rollout_plan_cuda" in " ".join(made["notes"])


def test_for_an_architecture_that_it_is_not_built_for_no_image_is_needed():
    item = wanted(requires={"arch": ["amd64"]})
    del item[0]["artifacts"]["arm64"]
    made = plan(workloads=item)
    assert made["left_out"][N3]["state"] == "rejected" and len(made["targets"]) == 3
    with pytest.raises(RolloutError, match="no digest of vision:2 for arm64"):
        item[0]["requires"] = {}
        plan(workloads=item)


def test_digests_come_from_the_bundle_and_must_agree():
    manifest = parse_manifest({"schema": 1, "artifacts": [image("vision", "2", arch) for arch in ("amd64", "arm64")]})
    item = wanted(artifacts={})
    assert plan(workloads=item, manifest=manifest)["targets"][N1]["digest"] == "sha256:" + "a" * 64
    with pytest.raises(RolloutError, match="no digest of vision:2"):
        plan(workloads=item)
    other = wanted()
    other[0]["artifacts"]["amd64"]["digest"] = OLD
    with pytest.raises(RolloutError, match="the release names sha256:0.* the bundle holds sha256:a"):
        plan(workloads=other, manifest=manifest)
    with pytest.raises(RolloutError, match="image 'vision:3' is not in the bundle"):
        plan(workloads=wanted(image="vision:3"), manifest=manifest)
    # A delta cannot be larger than the image that the bundle has.
    assert plan(manifest=manifest, seen={N1: {"digest": OLD}})["targets"][N1]["bytes"] == 1


def test_how_targets_are_updated():
    two = [node("n1", facts={"gpus": 2}), node("n2", lines=["l"], facts={"gpus": 2}), node("n3", facts={"gpus": 0}), node("n4")]
    made = plan({"sites": [{"name": "north", "nodes": two}]})
    assert made["targets"][N1]["strategy"] == "surge"
    # Wherever two pods fit: a workload that serves lines never stands there twice.
    lines = {**WORKLOAD, "runs_on": {"lines": ["l"]}}
    on_line = plan({"sites": [{"name": "north", "nodes": two}], "workloads": [lines]}, targets={"expect": 1})
    assert on_line["targets"]["north/vision-l"]["strategy"] == "replace" and on_line["targets"]["north/vision-l"]["line"] == "l"
    assert made["left_out"][N3]["state"] == "rejected" and "offers no GPU" in made["left_out"][N3]["reason"]
    assert made["targets"]["north/vision-n4"]["strategy"] == "replace"
    refused = plan({"sites": [{"name": "north", "nodes": two}], "workloads": [lines]}, targets={"expect": 1}, workloads=wanted(strategy="surge"))
    assert "serves one pod" in refused["left_out"]["north/vision-l"]["reason"]
    none = plan({"workloads": [{**WORKLOAD, "gpu": 0}]})
    assert none["targets"][N1]["strategy"] == "replace"


def test_exclusions_and_sites():
    assert sorted(plan(targets={"expect": 3, "exclude": {"sites": ["south"]}})["targets"]) == [N1, N2, N3]
    assert sorted(plan(targets={"expect": 1, "sites": ["south"]})["targets"]) == [S1]
    assert N1 not in plan(targets={"expect": 3, "exclude": {"nodes": ["n1"]}})["targets"]
    lines = [{**WORKLOAD, "runs_on": {"lines": ["line-1", "line-2"]}}]
    assert list(plan({"workloads": lines}, targets={"expect": 1, "exclude": {"lines": ["line-1"]}}, waves=[{"name": "all", "percent": 100}])["targets"]) == [
        "north/vision-line-2"]


@pytest.mark.parametrize(("changes", "words"), [
    ({"targets": {"expect": 5}}, r"found 4 targets in the inventory \(north 3, south 1\); the release expects 5"),
    ({"targets": {"expect": 4, "sites": ["nord"]}}, "the fleet has no site 'nord'. Did you mean 'north'?"),
    ({"targets": {"expect": 4, "exclude": {"nodes": ["n9"]}}}, "the fleet has no node 'n9'."),
    ({"targets": {"expect": 4, "exclude": {"lines": ["line-9"]}}}, "the fleet has no line 'line-9'."),
    ({"workloads": [{"name": "visio", "image": "vision:2"}]}, "the fleet has no workload 'visio'. Did you mean 'vision'?"),
    ({"windows": {"deny": [{"sites": ["west"], "from": "2026-12-01", "to": "2026-12-02"}]}}, "the fleet has no site 'west'."),
    ({"waves": [{"name": "a", "percent": 100}, {"name": "b", "percent": 100}]}, "wave b would have no target"),
])
def test_what_cannot_be_planned(changes, words):
    with pytest.raises(RolloutError, match=words):
        plan(**changes)


def test_a_denial_is_for_its_sites_or_for_all():
    both, one = {"from": "2026-12-24", "to": "2026-12-26"}, {"sites": ["south"], "days": ["mon"], "start": "06:00", "end": "09:00"}
    sites = plan(windows={"deny": [both, one]})["sites"]
    assert sites["north"]["deny"] == [both]
    assert sites["south"]["deny"] == [both, {"days": ["mon"], "start": "06:00", "end": "09:00"}]


def test_windows_of_the_site_are_for_switches_and_for_pulls_if_asked():
    night = [{"days": ["mon"], "start": "22:00", "end": "05:00"}]
    sites = fleet()["sites"]
    sites[0]["windows"] = night
    made = make_plan(release(), fleet(sites=sites))
    assert made["sites"]["north"]["switch"] == night and made["sites"]["north"]["prepull"] == []
    other = make_plan(release(windows={"switch": "always", "prepull": "site"}), fleet(sites=sites))
    assert other["sites"]["north"]["switch"] == [] and other["sites"]["north"]["prepull"] == night
    assert other["hash"] != made["hash"]


def test_with_a_mirror_an_image_comes_once_to_a_site():
    made = plan(budgets={"mirror": True})
    sent = {name: target["wan_bytes"] for name, target in made["targets"].items()}
    assert sent[N3] == sent[S1] == 100 << 20
    assert sorted([sent[N1], sent[N2]]) == [0, 100 << 20]
    assert all(target["pull_seconds"] >= 1 for target in made["targets"].values())
    slow = fleet()
    del slow["sites"][0]["wan_mbit"]
    assert make_plan(release(), slow)["targets"][N1]["pull_seconds"] == 0


def test_half_a_megabit_is_not_none():
    slow = fleet()
    slow["sites"][0]["wan_mbit"] = 0.5
    assert make_plan(release(), slow)["sites"]["north"]["wan_bps"] == 250_000


def test_plans_that_were_changed_are_refused():
    made = plan()
    assert check_plan(json.loads(json.dumps(made))) == made
    for change, words in (({"waves": []}, "was changed"), ({"version": 2}, "of version 2"), ({"format": "x"}, "found no")):
        with pytest.raises(RolloutError, match=words):
            check_plan({**made, **change})
    with pytest.raises(RolloutError):
        check_plan([])


def targets(count, sites=1, kinds=1, lines=0):
    return {f"t{number}": {"site": f"s{number % sites}", "line": f"l{number % lines}" if lines else "", "class": f"c{number % kinds}",
                           "labels": {"canary": "yes"} if number == 7 else {}} for number in range(count)}


def waves(*items, name="r"):
    return {"release": name, "waves": [{"max_failures": 0, "soak": 0, "approval": False, "canary": False, "optional": False, **item} for item in items]}


def test_percents_are_of_all_and_rounded_up():
    made, _notes = assign(waves({"name": "a", "percent": 1}, {"name": "b", "percent": 25}, {"name": "c", "percent": 100}), targets(10))
    assert [wave["size"] for wave in made] == [1, 2, 7]
    made, _notes = assign(waves({"name": "a", "percent": 50}, {"name": "b", "percent": 100}), targets(100))
    assert [wave["size"] for wave in made] == [50, 50]


def test_empty_waves():
    specs = ({"name": "a", "pick": {"per": "class", "count": 5, "prefer": {}}}, {"name": "b", "percent": 50, "optional": True}, {"name": "c", "percent": 100})
    made, notes = assign(waves(*specs), targets(8))
    assert [wave["name"] for wave in made] == ["a", "c"] and notes == ["wave b is left out: no target is left for it"]
    with pytest.raises(RolloutError, match="wave c would have no target"):
        assign(waves(*specs), targets(5))


def test_canaries():
    pick = {"name": "a", "pick": {"per": "class", "count": 1, "prefer": {"canary": "yes"}}, "canary": True}
    rest = {"name": "b", "percent": 100, "optional": True}
    made, notes = assign(waves(pick, rest), targets(30, sites=3, kinds=2))
    assert "t7" in made[0]["targets"] and made[0]["size"] == 2 and notes == []
    # Two classes, one line of one site: only one of them can have a canary, and that is said.
    made, notes = assign(waves(pick, rest), targets(10, kinds=2, lines=1))
    assert made[0]["size"] == 1 and notes == ["class c1 has no canary: its lines have one of another class already"]
    # Lots are drawn anew for each release.
    pick["pick"]["prefer"] = {}
    firsts = {tuple(assign(waves(pick, rest, name=str(number)), targets(30))[0][0]["targets"]) for number in range(20)}
    assert len(firsts) > 5


def test_canaries_of_several_classes_are_spread_over_sites():
    made, _notes = assign(waves({"name": "a", "pick": {"per": "class", "count": 1, "prefer": {}}}, {"name": "b", "percent": 100}),
                          targets(60, sites=4, kinds=3))
    assert len({targets(60, sites=4, kinds=3)[name]["site"] for name in made[0]["targets"]}) == 3


def test_one_of_each_site_in_turn():
    some = targets(12, sites=3)
    made, _notes = assign(waves({"name": "a", "pick": {"per": "site", "count": 2, "prefer": {}}}, {"name": "b", "percent": 100}), some)
    assert [some[name]["site"] for name in made[0]["targets"]] == ["s0", "s1", "s2"] * 2
    assert [some[name]["site"] for name in made[1]["targets"]] == ["s0", "s1", "s2"] * 2
    lines, _notes = assign(waves({"name": "a", "pick": {"per": "line", "count": 1, "prefer": {}}}, {"name": "b", "percent": 100}), targets(12, lines=4))
    assert lines[0]["size"] == 4


@pytest.mark.parametrize(("size", "outside", "may_fail", "want"), [(10, 0, 0, 10), (10, 2, 1, 7), (3, 3, 0, 1), (2, 0, 5, 1)])
def test_how_many_have_to_succeed(size, outside, may_fail, want):
    assert needed({"size": size, "max_failures": may_fail}, outside) == want


@pytest.mark.parametrize(("part", "whole", "percent", "more"), [(5, 100, 5, False), (6, 100, 5, True), (0, 0, 0, False), (1, 10,
                                                                                                                          10, False), (104, 1000, 10, True)])
def test_ratios(part, whole, percent, more):
    assert exceeds(part, whole, percent) is more
