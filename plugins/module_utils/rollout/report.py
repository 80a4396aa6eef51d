# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What came of a rollout: who runs what, why, and by which numbers. Data first; text and Markdown from it. Pure.

``report_html.py`` makes the page from the same data, ``report_exports.py`` what other programs read.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.report import words
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import ERROR, FAIL, INCONCLUSIVE, PASS
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.judge import judge_wave, rules
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, spec
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.show import moment, span, table
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.timeline import Timeline, took

WAVE_HEAD = ("wave", "state", "began", "took", "numbers")
TARGET_HEAD = ("target", "node", "line", "runs now", "digest", "state", "since", "took", "why")
GATE_HEAD = ("target", "during", "gate", "verdict", "found", "wanted")
MARK_HEAD = ("when", "what")
NEW, OLD, NOT_KNOWN = "new", "old", "not known"
# Why a target waits.
BLOCKED = {"lock": "its line is busy", "offline": "its node does not answer"}
# What a state is called beside the time that it took.
DONE_IN = {s.PREPULLING: "fetch", s.SWITCHING: "switch", s.VERIFYING: "check", s.SOAKING: "soak", s.ROLLING_BACK: "way back"}


def summarise(plan: Plan, state: State, now: int, timeline: Optional[Timeline] = None) -> Dict[str, Any]:
    """Return the report as plain data; the counts add up to the targets that were expected.

    {release, fleet, plan, status, reason, at, started, seconds, expect, counts, runs, waves, targets, marks}. at: of which moment it
    is: now, or the end of a rollout that has ended. runs: how many run the new image, the old one, or nobody knows which.
    Without a timeline the phases of targets and the marks are empty.
    """
    timeline = timeline or Timeline()
    at = state.since if state.status in s.FINISHED else now
    targets = [_target(plan, state, name, timeline) for name in sorted(state.targets)]
    counts = {kind: sum(row["state"] == kind for row in targets) for kind in s.TARGET_STATES}
    return {
        "release": plan["release"], "fleet": plan["fleet"], "plan": plan["hash"], "status": state.status, "reason": state.reason or state.stopped,
        "at": at, "started": state.started, "seconds": at - state.started if state.started else 0, "expect": plan["expect"],
        "counts": {kind: number for kind, number in counts.items() if number},
        "runs": {which: sum(row["runs_which"] == which for row in targets) for which in (NEW, OLD, NOT_KNOWN)},
        "waves": [_wave(plan, state, number, timeline) for number in range(len(state.waves))
                  if number < len(plan["waves"]) or spec(plan, state, number)["targets"]],
        "targets": targets, "marks": list(timeline.marks),
    }


def running(plan: Plan, state: State, name: str) -> str:
    """Return the digest that a target runs as far as anybody proved it; empty when that is not known."""
    target = state.targets[name]
    if name not in plan["targets"]:
        return target.previous
    new = plan["targets"][name]["digest"]
    if target.state in (s.SUCCEEDED, s.SOAKING, s.ALREADY_CURRENT):
        return new
    untouched = not target.changed and target.state in (s.FAILED, *s.BEFORE_SWITCH, *s.OUTSIDE, s.REJECTED)
    return target.previous or target.found if untouched or target.state == s.ROLLED_BACK else ""


def render_text(summary: Dict[str, Any], zone: str = "UTC") -> str:
    """Return the report for a terminal: what runs where, the waves with their numbers, what failed and who decided what."""
    trouble = [f"  ! {summary['reason']}"] if summary["reason"] and summary["status"] != s.DONE else []
    lines = [headline(summary)] + trouble + [runs_now(summary), f"plan {summary['plan']}", ""]
    lines += table(WAVE_HEAD, wave_rows(summary, zone)) + [""]
    lines += [f"  {wave['name']}: " + "; ".join(rule_texts(wave)) for wave in summary["waves"] if wave["state"] not in (s.WAITING, s.APPROVAL)]
    lines += ["", *table(TARGET_HEAD, target_rows(summary, zone)), ""]
    told = [dict(zip(GATE_HEAD, row)) for row in gate_rows(summary) if row[GATE_HEAD.index("verdict")] != PASS]
    lines += ["  ! {target}: {gate} is {verdict}: found {found}, wanted {wanted}".format(**row) for row in told]
    lines += [""] if told else []
    return "\n".join(lines + [f"  {when}  {what}" for when, what in mark_rows(summary, zone)]).rstrip() + "\n"


def render_markdown(summary: Dict[str, Any], zone: str = "UTC") -> str:
    """Return the report for a ticket or a chat, with every gate's value."""
    lines = [f"# {headline(summary)}", ""] + ([f"**{_cell(summary['reason'])}**", ""] if summary["reason"] else [])
    lines += [runs_now(summary), "", f"Plan `{summary['plan']}`", "", "## Waves", "", *_markdown(WAVE_HEAD, wave_rows(summary, zone))]
    lines += [f"- {wave['name']}: {_cell('; '.join(rule_texts(wave)))}" for wave in summary["waves"]] + [""]
    for title, head, rows in (("What runs where", TARGET_HEAD, target_rows(summary, zone)), ("Gates", GATE_HEAD, gate_rows(summary)),
                              ("Decisions", MARK_HEAD, mark_rows(summary, zone))):
        lines += [f"## {title}", "", *_markdown(head, rows)] if rows else []
    return "\n".join(lines).rstrip() + "\n"


def headline(summary: Dict[str, Any]) -> str:
    """Return how it stands, in one line."""
    counts = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in summary["counts"].items())
    after = f" after {span(summary['seconds'])}" if summary["started"] else ""
    return f"release {summary['release']} on fleet {summary['fleet']}: {summary['status'].replace('_', ' ')}{after}; {counts}"


def runs_now(summary: Dict[str, Any]) -> str:
    """Return what the fleet runs, in one line: the counts add up to all targets."""
    return f"of {words.plural(len(summary['targets']), 'target')} {runs_text(summary['runs'])}"


def runs_text(runs: Dict[str, int]) -> str:
    """Return counts by what runs in words: ``7 run the new image, 16 the old one, of 1 it is not known``."""
    told = {NEW: "{} run the new image", OLD: "{} run the old image", NOT_KNOWN: "of {} it is not known"}
    return ", ".join(text.format(runs[which]) for which, text in told.items() if runs[which] or which == NEW)


def rule_texts(wave: Dict[str, Any]) -> List[str]:
    """Return the rules of a wave with their numbers and whether each holds."""
    return [f"{rule['rule']}: {'yes' if rule['holds'] else 'no'}" for rule in wave["rules"]]


def wave_rows(summary: Dict[str, Any], zone: str) -> List[Tuple[str, ...]]:
    """Return rows under WAVE_HEAD."""
    return [(wave["name"], wave["state"], moment(wave["start"], zone) if wave["start"] else "-",
             span((wave["end"] or summary["at"]) - wave["start"]) if wave["start"] else "-", wave["numbers"]) for wave in summary["waves"]]


def target_rows(summary: Dict[str, Any], zone: str) -> List[Tuple[str, ...]]:
    """Return rows under TARGET_HEAD."""
    return [(row["target"], row["node"], row["line"] or "-", row["runs_which"], words.digest(row["runs"]) or "-",
             state_text(row),
             moment(row["since"], zone) if row["since"] else "-", took_text(row, summary["at"]) or "-", row["reason"] or "-")
            for row in summary["targets"]]


def took_text(row: Dict[str, Any], at: int) -> str:
    """Return the seconds of each phase of a target: ``fetch 40 s, switch 3 s, check 12 s, soak 30 min``."""
    return ", ".join(f"{DONE_IN[state]} {span(seconds)}" for state, seconds in took(row["phases"], at))


def state_text(row: Dict[str, Any]) -> str:
    """Return the state of a target, or of one of its phases, and what it waits for: ``planned: its line is busy``."""
    return row["state"].replace("_", " ") + (f": {BLOCKED.get(row['blocked'], row['blocked'])}" if row["blocked"] else "")


def gate_rows(summary: Dict[str, Any]) -> List[Tuple[str, ...]]:
    """Return rows under GATE_HEAD: those of waves, then those of targets with what each phase ended with, also what led to a rollback."""
    found = [(f"wave {wave['name']}", "-", row) for wave in summary["waves"] for row in wave["gates"]]
    for target in summary["targets"]:
        told = [(DONE_IN.get(phase["state"], phase["state"]), row) for phase in target["phases"] for row in phase["gates"]]
        found += [(target["target"], during, row) for during, row in told or [("-", row) for row in target["gates"]]]
    return [(where, during, *(str(row.get(key, "")) for key in ("gate", "verdict", "found", "wanted"))) for where, during, row in found]


def mark_rows(summary: Dict[str, Any], zone: str) -> List[Tuple[str, str]]:
    """Return rows under MARK_HEAD."""
    return [(moment(mark["at"], zone), mark["text"]) for mark in summary["marks"]]


def _target(plan: Plan, state: State, name: str, timeline: Timeline) -> Dict[str, Any]:
    target = state.targets[name]
    row = plan["targets"].get(name) or plan["left_out"][name]
    number = len(plan["waves"]) if target.late else row.get("wave")
    runs = running(plan, state, name)
    return {
        "target": name, "site": row["site"], "node": row["node"], "line": row["line"], "workload": row["workload"], "state": target.state,
        "verdict": _verdict(target.state), "since": target.since, "attempt": target.attempt, "switches": target.switches,
        "reason": target.reason, "blocked": target.blocked, "from": target.previous, "to": row.get("digest", ""), "image": row.get("image", ""),
        "runs": runs, "runs_which": NOT_KNOWN if not runs else NEW if runs == row.get("digest") or target.state == s.ALREADY_CURRENT else OLD,
        "available": target.available, "gates": list(target.gates), "phases": timeline.phases.get(name, []),
        "wave": "" if number is None else spec(plan, state, number)["name"],
    }


def _verdict(state: str) -> str:
    """No target passes before it has proven itself; one that could not even be taken back is worse than one that failed."""
    if state == s.ROLLBACK_FAILED:
        return ERROR
    return PASS if state in s.GOOD else FAIL if state in s.BAD else INCONCLUSIVE


def _wave(plan: Plan, state: State, number: int, timeline: Timeline) -> Dict[str, Any]:
    wave, seen = spec(plan, state, number), state.waves[number]
    standing = judge_wave(plan, state, number)
    when = timeline.waves.get(number, {"start": 0, "end": None})
    return {"name": wave["name"], "state": seen.state, "since": seen.since, "start": when["start"] or seen.since, "end": when["end"],
            "approved_by": seen.approved_by, "soak": wave["soak"], "gates": list(seen.gates), "standing": standing.verdict,
            "numbers": standing.text, "rules": [{"rule": text, "holds": holds} for text, holds in rules(plan, state, number)]}


def _markdown(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> List[str]:
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows] + [""]


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\r", " ").replace("\n", " ")
