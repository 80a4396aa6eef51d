# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a plan takes at most and at least, and what stands in its way. Seconds since the epoch; bytes; bits per second.

At most: in an admission that never idles, a target waits only while some budget is full. Work of W seconds keeps a
budget of n places full for W/n seconds at most. So the last target of a wave begins, counted in time in which work may
begin at its site, after at most

    W/targets + W/sites + W(site)/places(site) + max W(line)/places(line)

and ends one target later; a budget that can never be full adds nothing. At least: n/places targets, rounded up, one after
the other at the slowest site. Then the soak. People who approve, and targets that fail, take their own time.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.budgets import FLEET, Group, groups_of, rooms
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.canonical import canonical
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.states import ALREADY_CURRENT
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.windows import Span, advance, longest, open_spans

Plan = Dict[str, Any]


def forecast(plan: Plan, now: int) -> Dict[str, Any]:
    """Return {start, end, feasible, problems, waves, sites} for a rollout that starts now.

    end: None when the plan does not come to one. waves: [{name, start, end, at_least, at_most}] (the last two in seconds);
    sites: name -> {targets, bytes, pull_seconds, need, longest_window}.
    """
    room, deadline = rooms(plan), now + plan["timeouts"]["total"]
    switch, pull = (_spans(plan, phase, now, deadline) for phase in ("switch", "prepull"))
    sites = _sites(plan, switch)
    problems = _idle(plan) + _full(plan, room) + _short(sites)
    waves: List[Dict[str, Any]] = []
    moment: Optional[int] = now
    waiting = dict.fromkeys(plan["sites"], 0)  # seconds of pulling until a wave is on the nodes: pulls run ahead of waves
    for number, wave in enumerate(plan["waves"]):
        soak, ends, least = soak_of(plan, number), {}, 0
        shared = _shared(plan, wave, room)
        for site, names in sorted(by_site(plan, wave).items()):
            pulls = [plan["targets"][name]["pull_seconds"] for name in names]
            waiting[site] += sum(pulls)
            least = max(least, _least(plan, names, room[("site", site)]))
            ends[site] = None
            ready = advance(pull[site], now, waiting[site], max(pulls))
            if moment is not None and ready is not None:
                begin = advance(switch[site], max(moment, ready), shared + _own(plan, names, room), need(plan, names))
                ends[site] = None if begin is None else begin + max(plan["targets"][name]["seconds"] for name in names)
        late = sorted(site for site, end in ends.items() if end is None)
        if moment is not None and late:
            problems.append(f"wave {wave['name']}: the windows of site {late[0]} do not hold it before the deadline (timeouts.total, "
                            f"{plan['timeouts']['total'] // 3600} h)")
        end = None if moment is None or late else max(ends.values()) + soak
        waves.append({"name": wave["name"], "start": moment, "end": end, "at_least": least + soak,
                      "at_most": None if end is None else end - moment})
        moment = end
    if moment is not None and moment > deadline:
        problems.append(f"the last soak would end {moment - deadline} s after the deadline (timeouts.total)")
    return {"start": now, "end": moment, "feasible": not problems, "problems": problems, "waves": waves, "sites": sites}


def by_site(plan: Plan, wave: Dict[str, Any]) -> Dict[str, List[str]]:
    """Return the targets of a wave by site, in the order in which they are begun."""
    found: Dict[str, List[str]] = {}
    for name in wave["targets"]:
        found.setdefault(plan["targets"][name]["site"], []).append(name)
    return found


def need(plan: Plan, names: List[str]) -> int:
    """Return the seconds that a window must still hold when a switch begins: there, and back if it fails."""
    return 2 * max(plan["targets"][name]["seconds"] for name in names)


def soak_of(plan: Plan, wave: int) -> int:
    """Return the seconds that targets of a wave are watched: as written, and long enough for metrics to be read as often as asked.

    Those that catch up behind the last wave are watched as long as those in it.
    """
    queries = plan["gates"].get("prometheus", [])
    written = [spec["soak"] for spec in plan["waves"][:wave + 1][-1:]]
    return max(written + [query["interval"] * query["count"] for query in queries], default=0)


def _spans(plan: Plan, phase: str, now: int, deadline: int) -> Dict[str, List[Span]]:
    """The windows of each site. Many sites have the same ones, which are reckoned once."""
    known: Dict[str, List[Span]] = {}
    found = {}
    for name, site in plan["sites"].items():
        rules = canonical([site["timezone"], site[phase], site["deny"]])
        if rules not in known:
            known[rules] = open_spans(site["timezone"], site[phase], site["deny"], now, deadline)
        found[name] = known[rules]
    return found


def _sites(plan: Plan, spans: Dict[str, List[Span]]) -> Dict[str, Dict[str, Any]]:
    names: Dict[str, List[str]] = {}
    for name, target in plan["targets"].items():
        names.setdefault(target["site"], []).append(name)
    return {site: {
        "targets": len(own), "bytes": sum(plan["targets"][name]["wan_bytes"] for name in own),
        "pull_seconds": sum(plan["targets"][name]["pull_seconds"] for name in own),
        "need": need(plan, own), "longest_window": longest(spans[site]),
    } for site, own in sorted(names.items())}


def _idle(plan: Plan) -> List[str]:
    if plan["waves"] or all(row["state"] == ALREADY_CURRENT for row in plan["left_out"].values()):
        return []
    return ["every target is left out, and not because it is as wanted already"]


def _full(plan: Plan, room: Dict[Group, int]) -> List[str]:
    """Groups in which no target could ever be switched."""
    found = []
    for target in plan["targets"].values():
        for scope, name in groups_of(target):
            if not room[(scope, name)]:
                found.append(f"{scope} {name}".strip() + ": no target may be down (max_unavailable, less what is down already, or "
                             "min_available)")
    return list(dict.fromkeys(found))


def _short(sites: Dict[str, Dict[str, Any]]) -> List[str]:
    return [f"site {name}: a switch and the way back need {row['need']} s, and the longest window before the deadline has "
            f"{row['longest_window']} s" for name, row in sites.items() if row["need"] > row["longest_window"]]


def _shared(plan: Plan, wave: Dict[str, Any], room: Dict[Group, int]) -> int:
    """Seconds for which the fleet's own budgets can keep a target of the wave waiting."""
    work = sum(plan["targets"][name]["seconds"] for name in wave["targets"])
    together = min(plan["budgets"]["concurrent_targets"], room[FLEET])
    seconds = _over(work, together) if together < wave["size"] else 0
    return seconds + (_over(work, plan["budgets"]["concurrent_sites"])
                      if plan["budgets"]["concurrent_sites"] < len(by_site(plan, wave)) else 0)


def _own(plan: Plan, names: List[str], room: Dict[Group, int]) -> int:
    """Seconds for which the budgets of a site and of its lines can keep one of these targets waiting."""
    targets = [plan["targets"][name] for name in names]
    places = room[("site", targets[0]["site"])]
    seconds = _over(sum(target["seconds"] for target in targets), places) if places < len(targets) else 0
    lines: Dict[Group, List[int]] = {}
    for target in targets:
        if target["line"]:
            lines.setdefault(("line", f"{target['site']}/{target['line']}"), []).append(target["seconds"])
    return seconds + max([_over(sum(work), room[line]) for line, work in lines.items() if room[line] < len(work)], default=0)


def _least(plan: Plan, names: List[str], places: int) -> int:
    """Seconds below which no schedule comes: rounds of as many targets as may be down together, each the shortest."""
    return -(-len(names) // max(1, places)) * min(plan["targets"][name]["seconds"] for name in names)


def _over(work: int, places: int) -> int:
    return -(-work // max(1, places))
