# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a rollout as one self-contained page, in the look of the site report: no script, no request leaves it. Pure."""

from __future__ import annotations

import html
from typing import Any, Dict, List

from ansible_collections.edgeai.sites.plugins.module_utils.report import words
from ansible_collections.edgeai.sites.plugins.module_utils.report.html import page, table
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import picture
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import report as r
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.show import moment, span

STATUS_TONE = {s.DONE: "good", s.DONE_WITH_DEFERRED: "warn", s.RUNNING: "quiet", s.READY: "quiet", s.PAUSED: "warn"}
TONES = {
    **dict.fromkeys((*s.GOOD, "already current", s.PASSED, r.NEW, "pass", "yes"), "good"),
    **dict.fromkeys(("rolled back", r.NOT_KNOWN, "inconclusive", s.DEFERRED, s.APPROVAL), "warn"),
    **dict.fromkeys((*s.BEFORE_SWITCH, s.SKIPPED, s.CANCELED, s.SWITCHING, s.VERIFYING, s.SOAKING, s.WAITING, s.WAVE_RUNNING, r.OLD, "-"), "quiet"),
}
FIGURES = (("run the new image", r.NEW), ("run the old image", r.OLD), ("not known", r.NOT_KNOWN))
STYLE = picture.STYLE + """
.figures { display:flex; flex-wrap:wrap; gap:.5rem 2.5rem; margin:0 0 .5rem } .figures b { font-size:1.6rem; margin-right:.4rem }
p.why { border-left:.25rem solid currentColor; padding-left:.8rem; margin:.75rem 0 }
details table { font-size:.9rem }
"""


def render_html(summary: Dict[str, Any], zone: str = "UTC") -> str:
    """Return a complete document. Every value that came from outside is escaped."""
    return page(f"{summary['release']} on {summary['fleet']}: rollout",
                [_head(summary, zone), _now(summary), _picture(summary, zone), _places(summary, zone), _waves(summary, zone), _gates(summary)], STYLE)


def _head(summary: Dict[str, Any], zone: str) -> str:
    tone = STATUS_TONE.get(summary["status"], "bad")
    when = (f"{moment(summary['started'], zone)} to {moment(summary['at'], zone)} ({zone}), {span(summary['seconds'])}" if summary["started"]
            else "not started")
    return (f"<header><h1>Release {html.escape(summary['release'])} on fleet {html.escape(summary['fleet'])}</h1>"
            f"<span class='badge {tone}'>{html.escape(summary['status'].replace('_', ' '))}</span></header>"
            f"<p class=sub>{html.escape(when)} · plan <code>{html.escape(words.digest(summary['plan']))}</code></p>")


def _now(summary: Dict[str, Any]) -> str:
    """The answer first: how many run what, and why it is not further."""
    figures = "".join(f"<div class={TONES[which]}><b>{summary['runs'][which]}</b>{name}</div>" for name, which in FIGURES
                      if summary["runs"][which] or which == r.NEW)
    why = f"<p class='why {STATUS_TONE.get(summary['status'], 'bad')}'>{html.escape(summary['reason'])}</p>" if summary["reason"] else ""
    states = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in summary["counts"].items())
    return (f"<section><h2>What runs now</h2><div class=figures>{figures}</div>{why}"
            f"<p class=quiet>of {words.plural(len(summary['targets']), 'target')} ({summary['expect']} expected): {html.escape(states)}</p></section>")


def _picture(summary: Dict[str, Any], zone: str) -> str:
    drawn = picture.draw(summary, zone)
    if not drawn:
        return ""
    key = "".join(f"<li><i class={state}></i>{word}: {meaning}</li>" for state, (word, meaning) in picture.WORDS.items())
    marks = "".join(f"<li>{html.escape(moment(mark['at'], zone))}: {html.escape(mark['text'])}</li>"
                    for _number, mark in picture.flag_numbers(summary["marks"]))
    return (f"<section><h2>How it went</h2><ul class=key>{key}</ul><div class=table>{drawn}</div>"
            f"<ol class=marks>{marks}</ol></section>")


def _places(summary: Dict[str, Any], zone: str) -> str:
    """What runs where, site by site: those with something wrong are open."""
    head = r.TARGET_HEAD
    parts: List[str] = []
    for site in sorted({row["site"] for row in summary["targets"]}):
        rows = [row for row in summary["targets"] if row["site"] == site]
        counts = {which: sum(row["runs_which"] == which for row in rows) for which in (r.NEW, r.OLD, r.NOT_KNOWN)}
        bad = any(row["state"] in s.BAD or row["runs_which"] == r.NOT_KNOWN for row in rows)
        shown = table(head, r.target_rows({**summary, "targets": rows}, zone), mark=(head.index("runs now"), head.index("state")), tones=TONES)
        parts.append(f"<details{' open' if bad or len(summary['targets']) <= 30 else ''}><summary>{html.escape(site)}: "
                     f"of {words.plural(len(rows), 'target')} {r.runs_text(counts)}</summary>{shown}</details>")
    return "<section><h2>What runs where</h2>" + "".join(parts) + "</section>"


def _waves(summary: Dict[str, Any], zone: str) -> str:
    head = (*r.WAVE_HEAD[:4], "approved by", "numbers")
    rows = [(*row[:4], wave["approved_by"] or "-", row[4]) for row, wave in zip(r.wave_rows(summary, zone), summary["waves"])]
    rules = [(wave["name"], rule["rule"], "yes" if rule["holds"] else "no") for wave in summary["waves"] for rule in wave["rules"]]
    return ("<section><h2>Waves</h2>" + table(head, rows, mark=(1,), tones=TONES)
            + "<details><summary>A wave passes when all of these hold</summary>"
            + table(("wave", "rule with its numbers", "holds"), rules, mark=(2,), tones={**TONES, "no": "warn"}) + "</details></section>")


def _gates(summary: Dict[str, Any]) -> str:
    rows = r.gate_rows(summary)
    if not rows:
        return ""
    verdict = r.GATE_HEAD.index("verdict")
    worst_first = sorted(rows, key=lambda row: row[verdict] == "pass")
    bad = sum(row[verdict] != "pass" for row in rows)
    return (f"<section><h2>Gates</h2><details{' open' if bad else ''}><summary>{words.plural(len(rows), 'reading')}, {bad} not passed</summary>"
            + table(r.GATE_HEAD, worst_first, mark=(verdict,), tones=TONES) + "</details></section>")
