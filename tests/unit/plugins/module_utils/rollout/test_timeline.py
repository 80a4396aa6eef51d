# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to a state as the journal tells it, and the picture and page that are made of it."""

from __future__ import annotations

import html.parser
import xml.etree.ElementTree as ET

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import picture, report, report_html
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.timeline import follow, took
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NEW, NOW, OLD
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.steps import A, B, C, small_plan

ROW = {"gate": "golden", "verdict": "fail", "found": "1 of 4", "wanted": "3 of 4 & <b>more</b>"}
LOOK = {"type": "look", "online": True, "lock": False, "digest": OLD, "healthy": True, "present": True}


def way(name, at, gates=(), verdict="pass"):
    """The events of one target from its pull to the first evidence: 40 s of fetching, 3 s of switching, 12 s of checking."""
    new = NEW["amd64"]
    return [{**LOOK, "at": at, "target": name}, {"type": "pull_intent", "at": at, "target": name}, {"type": "pulled", "at": at + 40, "target": name},
            {"type": "switch_intent", "at": at + 50, "target": name, "from": OLD, "to": new}, {"type": "switched", "at": at + 53, "target": name},
            {"type": "verified", "at": at + 65, "seen": at + 65, "target": name, "digest": new, "verdict": verdict, "gates": list(gates),
             "reason": "1 of 4 right" if verdict == "fail" else ""}]


@pytest.fixture(name="told")
def a_rollout():
    """The canary passes; then one target fails and goes back, while another waits for its line; then a person ends it."""
    plan = small_plan(waves=[{"name": "canary", "pick": {"per": "class", "prefer": {"first": "1"}}, "soak": "5m", "approval": True},
                             {"name": "rest", "percent": 100, "soak": "5m"}])
    events = [{"type": "takeover", "at": NOW, "token": 1, "run": "awx-1"}, {"type": "takeover", "at": NOW, "token": 2, "run": "awx-1"},
              {"type": "start", "at": NOW},
              {"type": "approve", "at": NOW + 5, "wave": 0, "by": "eva", "plan": plan["hash"], "until": NOW + 99}, *way(A, NOW + 10)]
    events += [{"type": "verified", "at": NOW + 600, "seen": NOW + 600, "target": A, "digest": NEW["amd64"], "verdict": "pass"},
               {"type": "advance", "at": NOW + 601, "wave": 0}, {**LOOK, "at": NOW + 86400, "target": C, "lock": True},
               {"type": "takeover", "at": NOW + 86400, "token": 3, "run": "awx-2"}, *way(B, NOW + 86401, [ROW], "fail"),
               {"type": "stop", "at": NOW + 86470, "reason": "too many failed", "mode": "hold"},
               {"type": "rollback_intent", "at": NOW + 86471, "target": B, "to": OLD},
               {"type": "rolled_back", "at": NOW + 86500, "seen": NOW + 86500, "target": B, "digest": OLD, "verdict": "pass"},
               {"type": "abort", "at": NOW + 86600, "reason": "not today"}, {"type": "pause", "at": NOW + 86601}, {"type": "finish", "at": NOW + 86602}]
    events = [{"seq": number, "token": 1, **event} for number, event in enumerate(events, 1)]
    state, timeline = follow(plan, events)
    return plan, state, timeline, report.summarise(plan, state, NOW + 90000, timeline)


def test_phases_follow_each_other_without_a_gap(told):
    _plan, state, timeline, _summary = told
    assert state.status == "aborted" and set(timeline.phases) == {A, B, C}
    for phases in timeline.phases.values():
        assert [phase["end"] for phase in phases[:-1]] == [phase["start"] for phase in phases[1:]] and phases[-1]["end"] is None
        assert phases[0]["start"] == NOW
    assert [phase["state"] for phase in timeline.phases[B]] == ["planned", "prepulling", "prepulled", "switching", "verifying", "failed",
                                                                "rolling_back", "rolled_back"]
    assert [(phase["state"], phase["blocked"]) for phase in timeline.phases[C]] == [("planned", ""), ("planned", "lock"), ("canceled", "")]


def test_times_of_phases_and_what_they_ended_with(told):
    _plan, _state, timeline, summary = told
    assert took(timeline.phases[B], 0) == [("prepulling", 40), ("switching", 3), ("verifying", 12), ("rolling_back", 29)]
    checked = timeline.phases[B][4]
    assert checked["gates"] == [ROW] and timeline.phases[B][5]["reason"] == "1 of 4 right"
    assert report.gate_rows(summary) == [(B, "check", "golden", "fail", "1 of 4", ROW["wanted"])]
    assert "fetch 40 s, switch 3 s, check 12 s, way back 29 s" in report.render_text(summary)


def test_waves_and_decisions(told):
    _plan, _state, timeline, summary = told
    assert timeline.waves[0] == {"start": NOW, "end": NOW + 601} and timeline.waves[1] == {"start": NOW + 601, "end": NOW + 86470}
    assert [mark["text"] for mark in timeline.marks] == ["start", "eva approved wave canary", "another run went on (awx-2)", "stopped: too many failed",
                                                         "abort: not today", "finish"]
    assert [row["took"] for row in [dict(zip(report.WAVE_HEAD, row)) for row in report.wave_rows(summary, "UTC")]] == ["10 min", "23.9 h"]


def test_what_lasts_has_no_end():
    plan = small_plan()
    state, timeline = follow(plan, [{"type": "start", "at": NOW}, *way(A, NOW)])
    assert timeline.phases[A][-1] == {"state": "soaking", "blocked": "", "start": NOW + 65, "end": None, "attempt": 1, "reason": "", "gates": []}
    assert took(timeline.phases[A], NOW + 165)[-1] == ("soaking", 100) and timeline.waves[0]["end"] is None
    assert follow(plan, [])[1].phases == {} and state.targets[B].state == "planned"


def test_long_times_without_work_are_folded():
    scale = picture.axis(0, 100_000, [(0, 1000), (500, 2000), (99_000, 99_900)], 0, 1000)
    assert [(start, end, folded) for start, end, _left, _right, folded in scale.pieces] == [
        (0, 2000, False), (2000, 99_000, True), (99_000, 99_900, False), (99_900, 100_000, False)]
    assert scale.x(0) == 0 and scale.x(100_000) == pytest.approx(1000) and scale.x(200_000) == pytest.approx(1000)
    assert scale.x(99_000) - scale.x(2000) == pytest.approx(picture.FOLD)
    assert scale.x(2000) == pytest.approx(2000 * (scale.x(99_900) - scale.x(99_000)) / 900)
    moments = [scale.x(at) for at in range(0, 100_001, 500)]
    assert moments == sorted(moments)


@pytest.mark.parametrize("busy", [[], [(0, 5000)], [(4000, 4010)], [(-50, 9000)]])
def test_every_axis_fills_its_width(busy):
    scale = picture.axis(0, 5000, busy, 100, 900)
    assert scale.x(0) == 100 and scale.x(5000) == pytest.approx(900) and scale.pieces[0][0] == 0 and scale.pieces[-1][1] == 5000
    assert picture.axis(7, 7, busy, 100, 900).x(7) == 100


def test_the_picture(told):
    _plan, _state, _timeline, summary = told
    root = ET.fromstring(picture.draw(summary, "Europe/Berlin"))
    names = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [name for name in names if name in (A, B, C)] == [A, B, C] and {"canary passed", "rest failed", "rolled back", "canceled"} <= set(names)
    bars = [rect.get("class") for rect in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert bars.count("switching") == 2 and bars.count("rolling_back") == 1 and bars.count("band") == 2 and bars.count("fold") == 1
    assert sum(path.get("class") == "cross" for path in root.iter("{http://www.w3.org/2000/svg}path")) == 1
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(rect.get("width")) > 0 and 0 <= float(rect.get("x")) <= picture.WIDTH
    titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert f"{B}: rolling back, 29 s, 1 of 4 right" in titles and f"{B}: failed, 1.5 min, 1 of 4 right" not in titles


class Reader(html.parser.HTMLParser):
    """Sees that every element that was opened is closed, and collects what a page would load."""

    VOID = ("meta",)

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.wrong = [], [], []

    def handle_starttag(self, tag, attrs):
        self.loads += [value for key, value in attrs if key in ("src", "href")] + [tag] * (tag in ("script", "link", "iframe"))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.loads += [tag] * (tag not in ("rect", "line", "circle", "path"))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_is_whole_and_loads_nothing(told):
    _plan, _state, _timeline, summary = told
    page, reader = report_html.render_html(summary, "Europe/Berlin"), Reader()
    reader.feed(page)
    assert (reader.open, reader.loads, reader.wrong) == ([], [], []) and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<b>more</b>" not in page and "3 of 4 &amp; &lt;b&gt;more&lt;/b&gt;" in page
    assert "<b>1</b>run the new image" in page and "<b>2</b>run the old image" in page and "<b>1</b>not known" not in page and "not today" in page


def test_the_page_of_one_that_was_not_started():
    plan = small_plan()
    state, timeline = follow(plan, [])
    page = report_html.render_html(report.summarise(plan, state, NOW, timeline))
    assert "<svg" not in page and "not started" in page and picture.draw(report.summarise(plan, state, NOW, timeline)) == ""
