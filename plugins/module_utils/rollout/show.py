# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan as a person reads it: what would happen, to whom, when, and why some are left out. Pure; plain text."""

from __future__ import annotations

import datetime
import textwrap
from typing import Any, Dict, Iterable, List, Optional, Sequence

try:
    from zoneinfo import ZoneInfo
except ImportError:  # Python 3.8, on managed nodes: plans are shown on the controller
    ZoneInfo = None

from ansible_collections.edgeai.sites.plugins.module_utils.report import words
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.forecast import by_site
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.stats import unseen_failure_percent

# Longer lists end with how many more there are; all of them are in the plan's JSON.
LISTED = 12


def plan_text(plan: Dict[str, Any], outlook: Dict[str, Any], zone: str = "UTC", width: int = 110) -> str:
    """Return the plan and its forecast for a terminal. zone: in which times of the fleet's clock are shown."""
    verdict = "can be run" if outlook["feasible"] else "CANNOT BE RUN AS IT IS"
    lines = [f"release {plan['release']} on fleet {plan['fleet']}: {verdict}",
             f"plan {plan['hash']}",
             f"{plan['expect']} targets expected and found: {len(plan['targets'])} in {words.plural(len(plan['waves']), 'wave')}, "
             f"{len(plan['left_out'])} left out", ""]
    for problem in outlook["problems"]:
        lines += _wrapped(problem, width, "  ! ")
    lines += _waves(plan, outlook, zone, width)
    lines += _sites(plan, outlook)
    lines += _left_out(plan, width)
    lines += _conduct(plan, width)
    for note in plan["notes"]:
        lines += _wrapped(note, width, "  ~ ")
    return "\n".join(lines).rstrip() + "\n"


def span(seconds: Optional[int]) -> str:
    """``5400`` -> ``1.5 h``; a dash for None."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{seconds} s"


def moment(at: Optional[int], zone: str) -> str:
    """``Sat 2026-11-28 22:00``, or ``never``."""
    if at is None:
        return "never"
    return datetime.datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M")


def clock(at: int, zone: str) -> str:
    """``22:00:07``, for what happens while somebody watches."""
    return datetime.datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%H:%M:%S")


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]]) -> List[str]:
    """Return the lines of a table with columns as wide as their widest cell."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(head))]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]


def _waves(plan: Dict[str, Any], outlook: Dict[str, Any], zone: str, width: int) -> List[str]:
    rows = []
    for wave, time in zip(plan["waves"], outlook["waves"]):
        places = by_site(plan, wave)
        rows.append((wave["name"], wave["size"], len(places), "asked for" if wave["approval"] else "-", wave["max_failures"],
                     span(wave["soak"]), span(time["at_least"]), span(time["at_most"]), moment(time["end"], zone)))
    lines = table(("wave", "targets", "sites", "approval", "may fail", "soak", "at least", "at most", f"ends by ({zone})"), rows)
    for wave in plan["waves"]:
        names = wave["targets"]
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        lines += _wrapped(f"{wave['name']}: {', '.join(names[:LISTED])}{more}", width, "  ")
        if wave["canary"]:
            passed = "the one canary passes" if wave["size"] == 1 else f"all {wave['size']} pass"
            lines += _wrapped(f"If {passed}, the model may still be wrong on up to {unseen_failure_percent(wave['size'])} % "
                              "of the devices (95 % confidence): counting so few devices proves little, their golden frames prove more.",
                              width, "  ~ ")
    return lines + [""]


def _sites(plan: Dict[str, Any], outlook: Dict[str, Any]) -> List[str]:
    rows = []
    for name, row in outlook["sites"].items():
        site = plan["sites"][name]
        rows.append((name, row["targets"], words.size(row["bytes"]), f"{site['wan_bps'] / 1e6:g} Mbit/s" if site["wan_bps"] else "not known",
                     span(row["pull_seconds"]) if site["wan_bps"] else "-", span(row["need"]), _windows(site)))
    return table(("site", "targets", "to send", "of its link", "takes", "window needed", "windows"), rows) + [""]


def _windows(site: Dict[str, Any]) -> str:
    if not site["switch"]:
        text = "always"
    else:
        text = ", ".join(f"{'+'.join(window['days'])} {window['start']}-{window['end']}" for window in site["switch"])
    denied = [f"{item['from']} to {item['to']}" if "from" in item else f"{'+'.join(item['days'])} {item['start']}-{item['end']}"
              for item in site["deny"]]
    return text + (f", not {', not '.join(denied)}" if denied else "") + f" ({site['timezone']})"


def _left_out(plan: Dict[str, Any], width: int) -> List[str]:
    """Who takes no part, those with the same reason together."""
    together: Dict[Any, List[str]] = {}
    for name, row in sorted(plan["left_out"].items()):
        together.setdefault((row["state"], row["reason"]), []).append(name)
    lines = []
    for (state, reason), names in sorted(together.items()):
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        lines += _wrapped(f"left out, {state.replace('_', ' ')} ({len(names)}): {reason}: {', '.join(names[:LISTED])}{more}", width, "  - ")
    return lines


def _conduct(plan: Dict[str, Any], width: int) -> List[str]:
    """How a target is changed and when the rollout stops, in sentences with the numbers."""
    counts: Dict[str, int] = {}
    for target in plan["targets"].values():
        why = target["strategy_reason"] if target["strategy"] == "surge" else f"the line is down for at most {span(target['seconds'])}"
        text = f"{target['strategy']} ({why})"
        counts[text] = counts.get(text, 0) + 1
    budgets, failures = plan["budgets"], plan["budgets"]["failures"]
    most = ", ".join(f"{count} for each {scope}" if scope != "fleet" else f"{count} in all"
                     for scope, count in sorted(budgets["max_unavailable"].items()))
    sentences = [f"{count} by {text}" for text, count in sorted(counts.items())]
    return [line for text in (
        "update: " + "; ".join(sentences),
        f"down at once: {most}; {budgets['concurrent_targets']} targets at {budgets['concurrent_sites']} sites at a time",
        f"gates: {', '.join(plan['gates'])}",
        f"stops when more fail than a wave may, more than {failures['max']} in all, or more than {failures['percent']} % of "
        f"{failures['min_sample']} tried or more; then: {plan['on_failure']['stop']}; a failed target: {plan['on_failure']['target']}",
    ) for line in _wrapped(text, width, "  ")]


def _wrapped(text: str, width: int, start: str) -> List[str]:
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=" " * (len(start) + 2)) or [start]
