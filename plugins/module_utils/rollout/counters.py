# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often a model gave each of its outputs, as its server counts them in Prometheus' text format. Pure.

What is read comes from a device: it is taken line by line, and only so much of it. Of other metrics nothing is looked at.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Tuple

MAX_BYTES = 1 << 20
MAX_BINS = 64
# Bins are written to a journal whose lines are limited too.
MAX_BIN_BYTES = 80
MAX_COUNT = 1 << 53
# The label of a Prometheus histogram, whose buckets each count those below them too.
CUMULATIVE = "le"
_PAIR = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,\s*|(?=\}))')
_NUMBER = re.compile(r"[0-9][0-9.]*(?:[eE][+-]?[0-9]+)?$")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Counter:
    """Where outputs are counted: a series of ``metric`` is of the bin that its ``label`` names.

    output: series that have a label ``output`` count only if it is this one. port: 0 for the one that the model answers on.
    """

    output: str
    metric: str
    label: str
    path: str
    port: int = 0


@dataclass(frozen=True)
class Counted:
    """Counts by bin since a container's start. problem: why there are none."""

    bins: Dict[str, int] = field(default_factory=dict)
    problem: str = ""

    def row(self) -> Dict[str, Any]:
        """Return {bins, problem} for journals."""
        return {"bins": dict(self.bins), "problem": self.problem}


def counter_of(gate: Dict[str, Any]) -> Counter:
    """Return what the gate ``drift`` of a release reads."""
    return Counter(gate["output"], gate["metric"], gate["label"], gate["path"], gate.get("port", 0))


def recall(row: Any) -> Counted:
    """Return what ``row`` made of counts; whatever is nothing of the kind are no counts."""
    bins, problem = (row.get("bins"), row.get("problem")) if isinstance(row, dict) else (None, None)
    if not isinstance(bins, dict) or len(bins) > MAX_BINS or not all(_is_bin(name) and _is_count(count) for name, count in bins.items()):
        return Counted(problem="its outputs were not counted")
    return Counted(dict(bins), str(problem or "")[:200])


def count(text: str, counter: Counter) -> Counted:
    """Return the counts that an exposition has; a ``problem`` when it has none, or what is none."""
    try:
        bins = _sums(text, counter)
        return Counted(_steps(bins) if counter.label == CUMULATIVE else bins)
    except ValueError as error:
        return Counted(problem=str(error)[:200])


def _sums(text: str, counter: Counter) -> Dict[str, int]:
    if len(text) > MAX_BYTES:
        raise ValueError("%s: found %d characters; wanted %d at most" % (counter.path, len(text), MAX_BYTES))
    bins: Dict[str, int] = {}
    for line in text.split("\n"):
        _refuse_other_kind(line, counter)
        if not line.startswith(counter.metric + "{"):
            continue
        labels, rest = _labels(line, len(counter.metric) + 1)
        name = labels.get(counter.label)
        if name is None or labels.get("output", counter.output) != counter.output:
            continue
        if not _is_bin(name):
            raise ValueError("found a bin whose name is empty, longer than %d bytes or not printable" % MAX_BIN_BYTES)
        # The same bin of other lines, or of other versions: all are of this model's outputs.
        bins[name] = bins.get(name, 0) + _value(rest, counter)
        if len(bins) > MAX_BINS or bins[name] > MAX_COUNT:
            raise ValueError("found more than %d bins, or counts above 2^53, of %s" % (MAX_BINS, counter.metric))
    if not bins:
        raise ValueError("%s has no series of %s with a label %s for output %s" % (counter.path, counter.metric, counter.label, counter.output))
    return bins


def _refuse_other_kind(line: str, counter: Counter) -> None:
    parts = line.split(None, 3) if line.startswith("# TYPE ") else []
    if len(parts) == 4 and parts[2] == counter.metric and parts[3].strip() in ("gauge", "summary"):
        raise ValueError("%s is a %s; wanted a counter" % (counter.metric, parts[3].strip()))


def _labels(line: str, at: int) -> Tuple[Dict[str, str], str]:
    """Return the labels that begin there, and what follows them."""
    found: Dict[str, str] = {}
    while line[at:at + 1] != "}":
        pair = _PAIR.match(line, at)
        if pair is None:
            raise ValueError("found a line that is not in Prometheus' text format: %r" % line[:80])
        found[pair.group(1)] = _ESCAPE.sub(lambda match: "\n" if match.group(1) == "n" else match.group(1), pair.group(2))
        at = pair.end()
    return found, line[at + 1:]


def _value(rest: str, counter: Counter) -> int:
    # Behind the value there may be a time, and an example.
    text = (rest.split(None, 1) or [""])[0]
    number = float(text) if _NUMBER.match(text) and text.count(".") < 2 else math.nan
    if not math.isfinite(number) or number != int(number):
        raise ValueError("found the count %r of %s; wanted a whole number" % (text[:40], counter.metric))
    return int(number)


def _steps(bins: Dict[str, int]) -> Dict[str, int]:
    """Return what is in each bucket alone."""
    try:
        order: List[str] = sorted(bins, key=float)
    except ValueError:
        raise ValueError("found a bound that is no number (label %s)" % CUMULATIVE) from None
    below = [0, *(bins[name] for name in order)]
    alone = {name: bins[name] - before for name, before in zip(order, below)}
    if min(alone.values()) < 0:
        raise ValueError("found buckets that fall; those of a histogram count all below them too")
    return alone


def _is_bin(name: Any) -> bool:
    return isinstance(name, str) and 0 < len(json.dumps(name)) - 2 <= MAX_BIN_BYTES and name.isprintable()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT
