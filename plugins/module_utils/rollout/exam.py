# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a model is asked in a rollout, and what its answers prove. Pure: others ask, with whatever way they have to the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import Reading, judge_golden, judge_http, judge_latency
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.golden import Frame, GoldenSet

# An answer that is not there is asked for again; a wrong one never.
Holds = Callable[[str, Any], bool]


@dataclass(frozen=True)
class Exam:
    """What to ask one model, in this order: its health, a path ``http_turns`` times, ``warm_ups`` requests, then each request.

    requests: of the Open Inference Protocol; the first is the one that also warms up.
    """

    health_path: str
    requests: Tuple[Dict[str, Any], ...]
    warm_ups: int = 1
    http_path: str = ""
    http_turns: int = 0


@dataclass(frozen=True)
class Answers:
    """What one container answered. at: when it was asked, seconds since the epoch; times: of the answers, in milliseconds.

    error: why there is no (further) answer; ``container`` binds it to one start of one container.
    """

    container: str
    at: int
    error: str = ""
    health: Any = None
    http: Tuple[Any, ...] = ()
    answers: Tuple[Any, ...] = ()
    times: Tuple[float, ...] = ()


@dataclass(frozen=True)
class Before:
    """What the model before answered to the same frames, as the ledger remembers it."""

    right: int = 0
    asked: int = 0
    times: Tuple[float, ...] = ()


def examine(exam: Exam, get: Callable[[str], Any], infer: Callable[[Dict[str, Any]], Any], clock: Callable[[], float],
            container: str, at: int) -> Answers:
    """Ask in order. ``clock``: seconds that never jump; what ``get`` and ``infer`` raise ends the exam and goes through."""
    health = get(exam.health_path)
    http = tuple(get(exam.http_path) for _turn in range(exam.http_turns))
    for _turn in range(exam.warm_ups):
        infer(exam.requests[0])
    answers: List[Any] = []
    times: List[float] = []
    for request in exam.requests:
        begun = clock()
        answers.append(infer(request))
        times.append(round(1000 * (clock() - begun), 2))
    return Answers(container, at, health=health, http=http, answers=tuple(answers), times=tuple(times))


def full_exam(gates: Dict[str, Any], golden: Optional[GoldenSet], health_path: str, request: Dict[str, Any]) -> Exam:
    """Return everything that the gates of a release need to know of a model. request: what is asked where there are no frames."""
    frames = frames_of(gates, golden)
    requests = [frame.request for frame in frames] or [request]
    latency = gates.get("latency", {})
    wanted = latency.get("samples", 0) + latency.get("warmup", 0)
    count = max(len(requests), wanted)
    return Exam(health_path=health_path, requests=tuple(requests[number % len(requests)] for number in range(count)),
                warm_ups=max(1, gates.get("golden", {}).get("warmup", 0)), http_path=gates.get("http", {}).get("path", ""),
                http_turns=gates.get("http", {}).get("consecutive", 0))


def frames_of(gates: Dict[str, Any], golden: Optional[GoldenSet]) -> Tuple[Frame, ...]:
    """Return the frames that the gate ``golden`` asks: the first ones of its set."""
    return golden.frames[:gates["golden"]["frames"]] if golden is not None and "golden" in gates else ()


def needs_before(gates: Dict[str, Any]) -> bool:
    """Return whether a gate compares with the model before, so that it has to be asked while it still runs."""
    return gates.get("golden", {}).get("max_drop", 1) < 1 or "max_ratio" in gates.get("latency", {})


def before(gates: Dict[str, Any], golden: Optional[GoldenSet], answers: Answers, holds: Holds) -> Before:
    """Return what is remembered of the model before."""
    frames = frames_of(gates, golden)
    right = sum(holds(frame.expect, answer) for frame, answer in zip(frames, answers.answers))
    return Before(right, min(len(frames), len(answers.answers)), answers.times)


def remembered(row: Any) -> Optional[Before]:
    """Return what was written down of the model before: {digest, right, asked, times}; None when it is nothing of the kind."""
    if not isinstance(row, dict) or not isinstance(row.get("digest"), str) or not isinstance(row.get("times"), (list, tuple)):
        return None
    numbers = [row.get("right"), row.get("asked"), *row["times"]]
    if any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in numbers):
        return None
    return Before(int(numbers[0]), int(numbers[1]), tuple(row["times"]))


def readings(gates: Dict[str, Any], golden: Optional[GoldenSet], answers: Optional[Answers], old: Before, holds: Holds) -> List[Reading]:
    """Return what the gates http, golden and latency say of the answers to a full exam; without answers they hold."""
    found: List[Reading] = []
    usable = answers if answers is not None and not answers.error else None
    if "http" in gates:
        said = [holds(gates["http"]["expression"], document) for document in usable.http] if usable else []
        found.append(judge_http(gates["http"], said))
    if "golden" in gates:
        found.append(judge_golden(gates["golden"], _golden(gates, golden, usable, old, holds)))
    if "latency" in gates:
        found.append(judge_latency(gates["latency"], usable.times if usable else (), old.times))
    return found


def _golden(gates: Dict[str, Any], golden: Optional[GoldenSet], answers: Optional[Answers], old: Before, holds: Holds) -> Optional[Dict[str, Any]]:
    if golden is None or answers is None:
        return None
    frames = frames_of(gates, golden)
    right = sum(holds(frame.expect, answer) for frame, answer in zip(frames, answers.answers))
    return {"set": golden.digest, "right": right, "asked": min(len(frames), len(answers.answers)), "old_right": old.right, "old_asked": old.asked}
