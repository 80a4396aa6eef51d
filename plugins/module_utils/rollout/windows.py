# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When work may be done at a site. Times in and out are whole seconds since the epoch; times of day are the site's.

On the two days when clocks change, a time of day may happen twice or not at all. It is then read in the way that leaves
less time to work: a window opens at the later reading of its start and closes at the earlier one of its end, and a
denial reaches from the earlier start to the later end. So no work is ever done at a local time outside a window.
"""

from __future__ import annotations

import datetime
from typing import Any, Dict, Iterable, List, Optional, Tuple

try:
    from zoneinfo import ZoneInfo
except ImportError:  # Python 3.8, on managed nodes: windows are reckoned on the controller
    ZoneInfo = None

from ansible_collections.edgeai.sites.plugins.module_utils.fleet.schema import DAYS
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError

Span = Tuple[int, int]
_DAY = datetime.timedelta(days=1)


def open_spans(zone: str, allow: Iterable[Dict[str, Any]], deny: Iterable[Dict[str, Any]], since: int, until: int) -> List[Span]:
    """Return the times from ``since`` to ``until`` when work may be done, as sorted spans that do not touch.

    zone: IANA name. allow: windows {days, start, end} (an end not after its start is on the next day); none at all means
    always. deny: such windows, or {from, to} (dates, both included). A denial beats every window.
    """
    if ZoneInfo is None:
        raise RolloutError("found a Python without zoneinfo; plans are made on the controller, with Python 3.11 or later")
    clock, allow = _zone(zone), list(allow)
    days = _days(clock, since, until)
    spans = [span for window in allow for span in _weekly(clock, window, days, narrow=True)] if allow else [(since, until)]
    closed = [span for item in deny for span in _denied(clock, item, days)]
    clipped = [(max(start, since), min(end, until)) for start, end in spans]
    return _without(_merged(clipped), _merged(closed))


def fits(spans: Iterable[Span], now: int, seconds: int) -> bool:
    """Return whether work of that length may be begun now: it has to end within the span that it begins in."""
    return any(start <= now and now + seconds <= end for start, end in spans)


def first_fit(spans: Iterable[Span], now: int, seconds: int) -> Optional[int]:
    """Return the first moment from ``now`` on at which work of that length may be begun; None when the spans hold none."""
    return next((max(start, now) for start, end in spans if max(start, now) + seconds <= end), None)


def advance(spans: Iterable[Span], since: int, seconds: int, need: int) -> Optional[int]:
    """Return when ``seconds`` of time to begin work have passed since ``since``; None when the spans hold no more.

    Work that takes ``need`` seconds cannot be begun in the last ``need`` seconds of a span: those do not count.
    """
    left = seconds
    for start, end in spans:
        start, end = max(start, since), end - need
        if end < start:
            continue
        if end - start >= left:
            return start + left
        left -= end - start
    return None


def longest(spans: Iterable[Span]) -> int:
    """Return the length of the longest span in seconds, 0 without any."""
    return max((end - start for start, end in spans), default=0)


def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise RolloutError(f"found the time zone '{name}'; wanted an IANA name that this controller knows, such as "
                           "Europe/Berlin (is tzdata installed?)") from None


def _days(clock: Any, since: int, until: int) -> List[datetime.date]:
    """Every local date that a window over this time can begin on, with room for a window that ends the day after."""
    first = datetime.datetime.fromtimestamp(since, clock).date() - 2 * _DAY
    last = datetime.datetime.fromtimestamp(until, clock).date() + _DAY
    return [first + number * _DAY for number in range((last - first).days + 1)]


def _weekly(clock: Any, window: Dict[str, Any], days: List[datetime.date], narrow: bool) -> List[Span]:
    spans = []
    for day in days:
        if DAYS[day.weekday()] in window["days"]:
            last = day if window["end"] > window["start"] else day + _DAY
            spans.append(_span(_readings(clock, day, window["start"]), _readings(clock, last, window["end"]), narrow))
    return spans


def _denied(clock: Any, item: Dict[str, Any], days: List[datetime.date]) -> List[Span]:
    if "days" in item:
        return _weekly(clock, item, days, narrow=False)
    first, last = (datetime.date.fromisoformat(item[key]) for key in ("from", "to"))
    return [_span(_readings(clock, first, "00:00"), _readings(clock, last + _DAY, "00:00"), narrow=False)]


def _span(start: Span, end: Span, narrow: bool) -> Span:
    return (max(start), min(end)) if narrow else (min(start), max(end))


def _readings(clock: Any, day: datetime.date, time_of_day: str) -> Span:
    """The two ways to read a local time; they differ only when it happens twice or not at all."""
    local = datetime.datetime.combine(day, datetime.time.fromisoformat(time_of_day), clock)
    return tuple(int(local.replace(fold=fold).timestamp()) for fold in (0, 1))


def _merged(spans: Iterable[Span]) -> List[Span]:
    merged: List[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _without(spans: List[Span], closed: List[Span]) -> List[Span]:
    left: List[Span] = []
    for start, end in spans:
        for bar_start, bar_end in closed:
            if bar_end <= start or bar_start >= end:
                continue
            if bar_start > start:
                left.append((start, bar_start))
            start = max(start, bar_end)
        if start < end:
            left.append((start, end))
    return left
