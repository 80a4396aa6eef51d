# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollout as a picture: one row for each target, time to the right, waves as bands, decisions as numbered flags. Pure; SVG.

Long times in which nothing is done (the week between two windows) are folded, so that minutes of work stay visible.
"""

from __future__ import annotations

import datetime
import html
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Sequence, Tuple

try:
    from zoneinfo import ZoneInfo
except ImportError:  # Python 3.8, on managed nodes: reports are made on the controller
    ZoneInfo = None

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.report import state_text
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.show import span
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.timeline import BUSY

# Pixels. The page scales the whole picture to the width that it has.
WIDTH, LEFT, RIGHT = 1180, 225, 135
ROW, BAR, HEAD, AXIS, FLAGS = 24, 15, 26, 22, 20
FOLD = 34
LETTER = 6.2  # a letter of the labels, on average
# A time without work is folded when it is longer than this, and than a fifth of all the work.
QUIET_SECONDS = 300
STEPS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)
TICK = 78

# state -> word in its bar, and what it means to somebody who stands at the line
WORDS = {
    s.PREPULLING: ("fetch", "the image is fetched; the line runs"), s.SWITCHING: ("switch", "the line is down"),
    s.VERIFYING: ("check", "the new model is checked; the line waits"), s.SOAKING: ("soak", "it runs, and is watched"),
    s.ROLLING_BACK: ("way back", "the old model comes back; the line is down"),
}
RESULT_TONE = {s.SUCCEEDED: "good", s.ALREADY_CURRENT: "good", s.ROLLED_BACK: "warn", s.FAILED: "bad", s.ROLLBACK_FAILED: "bad",
               s.REJECTED: "bad"}

STYLE = """
svg.timeline { width:100%; min-width:60rem; height:auto; display:block; font:11px system-ui,sans-serif }
svg.timeline text { fill:var(--ink) } svg.timeline .soft { fill:var(--soft) } svg.timeline .name { font-weight:600 }
svg.timeline .in { fill:#fff; font-weight:600 }
svg.timeline .band { fill:var(--ink); opacity:.06 } svg.timeline .grid { stroke:var(--line) }
svg.timeline .wait { stroke:var(--soft); stroke-width:1.5; stroke-dasharray:2 3 } svg.timeline .blocked { stroke:#b26a00; stroke-width:4; stroke-dasharray:4 3 }
svg.timeline .prepulling, .key .prepulling { fill:#3867b0; background:#3867b0 } svg.timeline .switching, .key .switching { fill:#8a4fb5; background:#8a4fb5 }
svg.timeline .verifying, .key .verifying { fill:#a3541d; background:#a3541d } svg.timeline .soaking, .key .soaking { fill:#1c7a74; background:#1c7a74 }
svg.timeline .rolling_back, .key .rolling_back { fill:#b0325f; background:#b0325f }
svg.timeline .end { stroke-width:3 } svg.timeline .end.good { stroke:var(--good) } svg.timeline .end.warn { stroke:#b26a00 }
svg.timeline .end.bad { stroke:var(--bad) } svg.timeline .end.quiet { stroke:var(--line) }
svg.timeline text.good { fill:var(--good) } svg.timeline text.bad { fill:var(--bad) } svg.timeline text.warn { fill:var(--warn) }
svg.timeline text.quiet { fill:var(--soft) } svg.timeline .cross { stroke:var(--bad); stroke-width:2.5; fill:none }
svg.timeline .flag { stroke:var(--ink); stroke-dasharray:1 3; opacity:.55 } svg.timeline .fold { fill:var(--card) }
svg.timeline .pin { fill:var(--ink) } svg.timeline .pin.bad { fill:var(--bad) } svg.timeline .pin.good { fill:var(--good) }
svg.timeline .number { fill:var(--card); font-weight:600 }
ul.key { list-style:none; padding:0; margin:.5rem 0; display:flex; flex-wrap:wrap; gap:.2rem 1.2rem; font-size:.85rem; color:var(--soft) }
ul.key i { display:inline-block; width:1.2rem; height:.7rem; border-radius:.15rem; margin-right:.4rem }
ol.marks { font-size:.9rem; margin:.5rem 0 0; padding-left:1.6rem }
"""


@dataclass(frozen=True)
class Axis:
    """Time to pixels. pieces: (from second, to second, from pixel, to pixel, folded), one after the other."""

    pieces: Tuple[Tuple[int, int, float, float, bool], ...]

    def x(self, at: int) -> float:
        """Return where a moment is; what lies outside is at the edge."""
        for start, end, left, right, _folded in self.pieces:
            if at <= end:
                return left + (right - left) * max(0, at - start) / max(1, end - start)
        return self.pieces[-1][3]

    @property
    def seconds_per_pixel(self) -> float:
        """Return the scale of what is not folded."""
        plain = [(end - start, right - left) for start, end, left, right, folded in self.pieces if not folded]
        return sum(seconds for seconds, _pixels in plain) / (sum(pixels for _seconds, pixels in plain) or 1)


def axis(start: int, end: int, busy: Iterable[Tuple[int, int]], left: float, right: float) -> Axis:
    """Lay out [start, end] between two pixels. busy: (from, to) in which something is done; long times without any are folded."""
    end = max(end, start + 1)
    merged = _merged([(max(start, begin), min(end, stop)) for begin, stop in busy if stop >= start and begin <= end])
    limit = max(QUIET_SECONDS, sum(stop - begin for begin, stop in merged) // 5)
    edges, moment = [], start
    for begin, stop in [*merged, (end, end)]:
        if begin - moment > limit:
            edges.append((moment, begin, True))
        elif begin > moment:
            edges.append((moment, begin, False))
        if stop > begin:
            edges.append((begin, stop, False))
        moment = max(moment, stop)
    # If nothing was ever done there is nothing to make room for.
    if all(folded for _begin, _stop, folded in edges):
        edges = [(begin, stop, False) for begin, stop, _folded in edges]
    plain = sum(stop - begin for begin, stop, folded in edges if not folded)
    room = right - left - FOLD * sum(folded for _begin, _stop, folded in edges)
    pieces, pixel = [], left
    for begin, stop, folded in edges:
        width = FOLD if folded else room * (stop - begin) / plain
        pieces.append((begin, stop, pixel, pixel + width, folded))
        pixel += width
    return Axis(tuple(pieces))


def draw(summary: Dict[str, Any], zone: str = "UTC") -> str:
    """Return the picture of a summary of ``report.summarise``; empty when nothing was begun."""
    if not summary["started"]:
        return ""
    scale = axis(summary["started"], summary["at"], _busy(summary), LEFT, WIDTH - RIGHT)
    groups = _groups(summary)
    height = AXIS + FLAGS + sum(HEAD + ROW * len(rows) for _wave, rows in groups) + 8
    parts, y = [], AXIS + FLAGS
    for wave, rows in groups:
        parts += _wave(wave, rows, scale, y, summary["at"])
        y += HEAD + ROW * len(rows)
    parts = _ticks(scale, zone, height) + parts + _folds(scale, height) + _flags(summary["marks"], scale, height)
    label = html.escape(f"Timeline of release {summary['release']}: {len(summary['targets'])} targets in {len(groups)} groups")
    return (f'<svg class="timeline" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
            + "".join(parts) + "</svg>")


def flag_numbers(marks: Sequence[Dict[str, Any]]) -> List[Tuple[int, Dict[str, Any]]]:
    """Return the decisions with the numbers that their flags have in the picture."""
    return list(enumerate(marks, 1))


def _merged(spans: List[Tuple[int, int]]) -> List[Tuple[int, int]]:
    merged: List[Tuple[int, int]] = []
    for begin, stop in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((begin, stop))
    return merged


def _busy(summary: Dict[str, Any]) -> List[Tuple[int, int]]:
    return [(phase["start"], summary["at"] if phase["end"] is None else phase["end"])
            for row in summary["targets"] for phase in row["phases"] if phase["state"] in BUSY]


def _groups(summary: Dict[str, Any]) -> List[Tuple[Dict[str, Any], List[Dict[str, Any]]]]:
    """Waves with their targets, and behind them those that take no part."""
    found = [(wave, [row for row in summary["targets"] if row["wave"] == wave["name"]]) for wave in summary["waves"]]
    rest = [row for row in summary["targets"] if not row["wave"]]
    return [*found, ({"name": "left out", "state": "", "start": 0, "end": None}, rest)] if rest else found


def _wave(wave: Dict[str, Any], rows: List[Dict[str, Any]], scale: Axis, y: int, at: int) -> List[str]:
    parts = []
    if wave["start"]:
        left, right = scale.x(wave["start"]), scale.x(wave["end"] or at)
        parts.append(f'<rect class="band" x="{left:.1f}" y="{y}" width="{max(2, right - left):.1f}" height="{HEAD + ROW * len(rows)}"/>')
    state = f' <tspan class="soft">{html.escape(wave["state"])}</tspan>' if wave["state"] else ""
    parts.append(f'<text class="name" x="4" y="{y + 18}">{html.escape(wave["name"])}{state}</text>')
    for number, row in enumerate(rows):
        parts += _row(row, scale, y + HEAD + ROW * number, at)
    return parts


def _row(row: Dict[str, Any], scale: Axis, y: int, at: int) -> List[str]:
    middle = y + ROW / 2
    parts = [f'<line class="grid" x1="0" x2="{WIDTH}" y1="{y}" y2="{y}"/>',
             f'<text x="12" y="{middle + 4:.0f}">{html.escape(_short(row["target"], int((LEFT - 20) / LETTER)))}</text>']
    for phase in row["phases"]:
        left, right = scale.x(phase["start"]), scale.x(at if phase["end"] is None else phase["end"])
        parts.append(_phase(row, phase, left, max(2.0, right - left), middle, at))
    words = f"{row['state'].replace('_', ' ')}{': ' + row['blocked'] if row['blocked'] else ''}"
    tone = RESULT_TONE.get(row["state"], "quiet")
    parts.append(f'<text class="{tone}" x="{WIDTH - RIGHT + 10}" y="{middle + 4:.0f}">{html.escape(words)}</text>')
    return parts


def _phase(row: Dict[str, Any], phase: Dict[str, Any], left: float, width: float, middle: float, at: int) -> str:
    state = phase["state"]
    seconds = (at if phase["end"] is None else phase["end"]) - phase["start"]
    about = f"{row['target']}: {state_text(phase)}, {span(seconds)}"
    title = f"<title>{html.escape(about + (', ' + phase['reason'] if phase['reason'] else ''))}</title>"
    if state in BUSY:
        label = _label(WORDS[state][0], seconds, width)
        text = f'<text class="in" x="{left + 4:.1f}" y="{middle + 4:.0f}">{html.escape(label)}</text>' if label else ""
        return (f'<g>{title}<rect class="{state}" x="{left:.1f}" y="{middle - BAR / 2}" width="{width:.1f}" height="{BAR}" rx="2"/>{text}</g>')
    kind = "blocked" if phase["blocked"] else "wait" if state in s.BEFORE_SWITCH else f"end {RESULT_TONE.get(state, 'quiet')}"
    line = f'<line class="{kind}" x1="{left:.1f}" x2="{left + width:.1f}" y1="{middle}" y2="{middle}"/>'
    return f"<g>{title}{line}{_cross(left, middle) if RESULT_TONE.get(state) == 'bad' else ''}</g>"


def _label(word: str, seconds: int, width: float) -> str:
    """As much as fits: word and time, the word, or nothing."""
    for text in (f"{word} {span(seconds)}", word):
        if len(text) * LETTER + 8 <= width:
            return text
    return ""


def _cross(x: float, y: float) -> str:
    return f'<path class="cross" d="M{x - 5:.1f} {y - 5}l10 10m0 -10l-10 10"/>'


def _ticks(scale: Axis, zone: str, height: int) -> List[str]:
    step = next((step for step in STEPS if step / (scale.seconds_per_pixel or 1) >= TICK), STEPS[-1])
    clock = ZoneInfo(zone)
    parts, last, day = [], -1e9, None
    for start, end, _left, _right, folded in scale.pieces:
        if folded:
            continue
        offset = int(datetime.datetime.fromtimestamp(start, clock).utcoffset().total_seconds())
        for at in range(-(-(start + offset) // step) * step - offset, end + 1, step):
            x, moment = scale.x(at), datetime.datetime.fromtimestamp(at, clock)
            if x - last < TICK - 6:
                continue
            text = moment.strftime("%H:%M:%S" if step < 60 else "%H:%M") if moment.date() == day else moment.strftime("%a %d.%m. %H:%M")
            last, day = x, moment.date()
            parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{AXIS - 6}" y2="{height}"/>'
                         f'<text class="soft" x="{x:.1f}" y="12" text-anchor="middle">{text}</text>')
    return parts


def _folds(scale: Axis, height: int) -> List[str]:
    parts = []
    for start, end, left, right, folded in scale.pieces:
        if folded:
            parts.append(f'<g><title>{span(end - start)} in which nothing was done</title><rect class="fold" x="{left + 3:.1f}" y="{AXIS + FLAGS - 14}" '
                         f'width="{right - left - 6:.1f}" height="{height}" opacity=".85"/><text class="soft" x="{(left + right) / 2:.1f}" '
                         f'y="{AXIS + FLAGS}" text-anchor="middle">{span(end - start)}</text></g>')
    return parts


def _flags(marks: Sequence[Dict[str, Any]], scale: Axis, height: int) -> List[str]:
    parts, last = [], -1e9
    for number, mark in flag_numbers(marks):
        # Those that come together stand side by side.
        x = max(scale.x(mark["at"]), last + 17)
        last = x
        tone = {"stop": " bad", "abort": " bad", "rollback": " bad", "approve": " good"}.get(mark["what"], "")
        parts.append(f'<g><title>{html.escape(mark["text"])}</title><line class="flag" x1="{scale.x(mark["at"]):.1f}" x2="{scale.x(mark["at"]):.1f}" '
                     f'y1="{AXIS + 8}" y2="{height}"/><circle class="pin{tone}" cx="{x:.1f}" cy="{AXIS + 6}" r="8"/>'
                     f'<text class="number" x="{x:.1f}" y="{AXIS + 10}" text-anchor="middle">{number}</text></g>')
    return parts


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[:letters - 1] + "…"
