# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Windows as an operator says them, on usual days and on the two days when clocks change."""

from __future__ import annotations

import calendar

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.fleet.schema import DAYS
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.windows import advance, first_fit, fits, longest, open_spans

ALL = list(DAYS)


def utc(text):
    day, _space, clock = text.partition(" ")
    return calendar.timegm((*map(int, day.split("-")), *map(int, clock.split(":")), 0))


def spans(allow, deny=(), since="2026-11-26 00:00", until="2026-11-30 00:00", zone="UTC"):
    return open_spans(zone, allow, deny, utc(since), utc(until))


CASES = [
    ("always", {"allow": []}, [("2026-11-26 00:00", "2026-11-30 00:00")]),
    ("one evening", {"allow": [{"days": ["fri"], "start": "20:00", "end": "22:00"}]}, [("2026-11-27 20:00", "2026-11-27 22:00")]),
    ("over midnight", {"allow": [{"days": ["fri"], "start": "22:00", "end": "05:00"}]}, [("2026-11-27 22:00", "2026-11-28 05:00")]),
    ("until midnight", {"allow": [{"days": ["sat"], "start": "22:00", "end": "00:00"}]}, [("2026-11-28 22:00", "2026-11-29 00:00")]),
    ("begun the day before", {"allow": [{"days": ["wed"], "start": "22:00", "end": "05:00"}]}, [("2026-11-26 00:00", "2026-11-26 05:00")]),
    ("touching ones are one", {"allow": [{"days": ["fri"], "start": "20:00", "end": "22:00"}, {"days": ["fri"], "start": "22:00", "end": "23:00"}]},
     [("2026-11-27 20:00", "2026-11-27 23:00")]),
    ("a denial beats it", {"allow": [{"days": ["fri"], "start": "20:00", "end": "23:00"}], "deny": [{"days": ["fri"], "start": "21:00", "end": "22:00"}]},
     [("2026-11-27 20:00", "2026-11-27 21:00"), ("2026-11-27 22:00", "2026-11-27 23:00")]),
    ("dates, both included", {"allow": [], "deny": [{"from": "2026-11-27", "to": "2026-11-28"}]},
     [("2026-11-26 00:00", "2026-11-27 00:00"), ("2026-11-29 00:00", "2026-11-30 00:00")]),
    ("site time, not ours", {"allow": [{"days": ["fri"], "start": "20:00", "end": "22:00"}], "zone": "America/Chicago"},
     [("2026-11-28 02:00", "2026-11-28 04:00")]),
    ("Berlin loses an hour: 02:30 does not happen", {
        "allow": [{"days": ["sun"], "start": "01:00", "end": "04:00"}], "zone": "Europe/Berlin", "since": "2026-03-28 12:00",
        "until": "2026-03-29 12:00"}, [("2026-03-29 00:00", "2026-03-29 02:00")]),
    ("Berlin, from a time that does not happen: the later reading", {
        "allow": [{"days": ["sun"], "start": "02:30", "end": "05:00"}], "zone": "Europe/Berlin", "since": "2026-03-28 12:00",
        "until": "2026-03-29 12:00"}, [("2026-03-29 01:30", "2026-03-29 03:00")]),
    ("Berlin gains an hour: until the first 02:30", {"allow": [{"days": ["sun"], "start": "01:00", "end": "02:30"}], "zone": "Europe/Berlin",
                                                     "since": "2026-10-24 12:00", "until": "2026-10-25 12:00"}, [("2026-10-24 23:00", "2026-10-25 00:30")]),
    ("Berlin gains an hour: from the second 02:30", {"allow": [{"days": ["sun"], "start": "02:30", "end": "04:00"}], "zone": "Europe/Berlin",
                                                     "since": "2026-10-24 12:00", "until": "2026-10-25 12:00"}, [("2026-10-25 01:30", "2026-10-25 03:00")]),
    ("Berlin gains an hour: a denial covers both 02:30", {
        "allow": [{"days": ["sun"], "start": "01:00", "end": "04:00"}], "deny": [{"days": ["sun"], "start": "02:15", "end": "02:45"}],
        "zone": "Europe/Berlin", "since": "2026-10-24 12:00", "until": "2026-10-25 12:00"},
     [("2026-10-24 23:00", "2026-10-25 00:15"), ("2026-10-25 01:45", "2026-10-25 03:00")]),
]


@pytest.mark.parametrize(("given", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_spans(given, wanted):
    assert spans(**given) == [(utc(start), utc(end)) for start, end in wanted]


def test_an_unknown_zone_is_an_error_and_not_utc():
    with pytest.raises(RolloutError, match="Europe/Berlin'?"):
        spans([], zone="Europe/Berlim")
    with pytest.raises(RolloutError, match="IANA"):
        spans([], zone="../etc/passwd")


def test_work_has_to_end_where_it_begins():
    two = [(100, 200), (300, 400)]
    assert [fits(two, at, 50) for at in (99, 100, 150, 151, 250, 300, 350, 351)] == [False, True, True, False, False, True, True, False]
    assert not fits([], 0, 0)


def test_time_to_begin_work():
    two = [(100, 200), (300, 400)]
    assert advance(two, 0, 0, 50) == 100
    assert advance(two, 120, 30, 50) == 150
    # The last 50 seconds of the first span cannot begin anything: 20 of 70 are left for the second.
    assert advance(two, 100, 70, 50) == 320
    assert advance(two, 0, 101, 50) is None
    assert advance([(0, 10)], 0, 0, 11) is None
    assert advance([(0, 10)], 0, 0, 10) == 0
    assert advance(two, 160, 0, 50) == 300


def test_the_longest_window():
    assert longest([(0, 5), (10, 30), (40, 41)]) == 20 and longest([]) == 0


def test_the_first_moment_that_holds_the_work():
    spans = [(100, 110), (200, 260), (300, 360)]
    assert [first_fit(spans, now, 20) for now in (0, 205, 240, 241, 340)] == [200, 205, 240, 300, 340]
    assert first_fit(spans, 341, 20) is None and first_fit([], 0, 0) is None
