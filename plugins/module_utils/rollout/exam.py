# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a model is asked in a rollout, and what its answers prove. Pure: others ask, with whatever way they have to the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import Counted, Counter, count, counter_of, recall
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import Reading, judge_golden, judge_http, judge_latency
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.golden import Frame, GoldenSet

# An answer that is not there is asked for again; a wrong one never.
Holds = Callable[[str, Any], bool]


@dataclass(frozen=True)
class Exam:
    """What to ask one model, in this order: its health, its counter, a path ``http_turns`` times, ``warm_ups`` requests, each request.

    requests: of the Open Inference Protocol; the first is the one that also warms up. counter: of its outputs, if they are of
    interest; read before the requests, which a server may count too.
    """

    health_path: str
    requests: Tuple[Dict[str, Any], ...]
    warm_ups: int = 1
    http_path: str = ""
    http_turns: int = 0
    counter: Optional[Counter] = None


@dataclass(frozen=True)
class Answers:
    """What one container answered. at: when it was asked, seconds since the epoch; times: of the answers, in milliseconds.

    error: why there is no (further) answer; ``container`` binds it to one start of one container. outputs: None if they were not asked for.
    """

    container: str
    at: int
    error: str = ""
    health: Any = None
    http: Tuple[Any, ...] = ()
    answers: Tuple[Any, ...] = ()
    times: Tuple[float, ...] = ()
    outputs: Optional[Counted] = None


@dataclass(frozen=True)
class Before:
    """What the model before answered to the same frames, and the outputs that it was counted for, as the ledger remembers it."""

    right: int = 0
    asked: int = 0
    times: Tuple[float, ...] = ()
    outputs: Optional[Counted] = None

    def row(self, digest: str) -> Dict[str, Any]:
        """Return what ``remembered`` reads. digest: of the model's image."""
        counted = {"outputs": self.outputs.row()} if self.outputs else {}
        return {"digest": digest, "right": self.right, "asked": self.asked, "times": list(self.times), **counted}


def examine(exam: Exam, get: Callable[[str], Any], infer: Callable[[Dict[str, Any]], Any], read: Callable[[Counter], str],
            clock: Callable[[], float], container: str, at: int) -> Answers:
    """Ask in order. ``clock``: seconds that never jump; what ``get`` and ``infer`` raise ends the exam and goes through.

    read: the text with a counter. Without it a model can answer all the same: what it raises is written down.
    """
    health = get(exam.health_path)
    outputs = _outputs(exam.counter, read) if exam.counter else None
    http = tuple(get(exam.http_path) for _turn in range(exam.http_turns))
    for _turn in range(exam.warm_ups):
        infer(exam.requests[0])
    answers: List[Any] = []
    times: List[float] = []
    for request in exam.requests:
        begun = clock()
        answers.append(infer(request))
        times.append(round(1000 * (clock() - begun), 2))
    return Answers(container, at, health=health, http=http, answers=tuple(answers), times=tuple(times), outputs=outputs)


def _outputs(counter: Counter, read: Callable[[Counter], str]) -> Counted:
    try:
        return count(read(counter), counter)
    except Exception as error:
        # Whatever it was, it was no count.
        return Counted(problem=(str(error) or repr(error))[:200])


def full_exam(gates: Dict[str, Any], golden: Optional[GoldenSet], health_path: str, request: Dict[str, Any]) -> Exam:
    """Return everything that the gates of a release need to know of a model. request: what is asked where there are no frames."""
    frames = frames_of(gates, golden)
    requests = [frame.request for frame in frames] or [request]
    latency = gates.get("latency", {})
    wanted = latency.get("samples", 0) + latency.get("warmup", 0)
    count = max(len(requests), wanted)
    return Exam(health_path=health_path, requests=tuple(requests[number % len(requests)] for number in range(count)),
                warm_ups=max(1, gates.get("golden", {}).get("warmup", 0)), http_path=gates.get("http", {}).get("path", ""),
                http_turns=gates.get("http", {}).get("consecutive", 0), counter=counter(gates))


def counter(gates: Dict[str, Any]) -> Optional[Counter]:
    """Return where the outputs are counted that the gate ``drift`` compares, if there is one."""
    return counter_of(gates["drift"]) if gates.get("drift") else None


def frames_of(gates: Dict[str, Any], golden: Optional[GoldenSet]) -> Tuple[Frame, ...]:
    """Return the frames that the gate ``golden`` asks: the first ones of its set."""
    return golden.frames[:gates["golden"]["frames"]] if golden is not None and "golden" in gates else ()


def needs_before(gates: Dict[str, Any]) -> bool:
    """Return whether a gate compares with the model before, so that it has to be asked while it still runs."""
    return gates.get("golden", {}).get("max_drop", 1) < 1 or "max_ratio" in gates.get("latency", {}) or bool(gates.get("drift"))


def before(gates: Dict[str, Any], golden: Optional[GoldenSet], answers: Answers, holds: Holds) -> Before:
    """Return what is remembered of the model before."""
    frames = frames_of(gates, golden)
    right = sum(holds(frame.expect, answer) for frame, answer in zip(frames, answers.answers))
    return Before(right, min(len(frames), len(answers.answers)), answers.times, answers.outputs)


def remembered(row: Any) -> Optional[Before]:
    """Return what was written down of the model before: {digest, right, asked, times, outputs}; None when it is nothing of the kind."""
    if not isinstance(row, dict) or not isinstance(row.get("digest"), str) or not isinstance(row.get("times"), (list, tuple)):
        return None
    numbers = [row.get("right"), row.get("asked"), *row["times"]]
    if any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in numbers):
        return None
    return Before(int(numbers[0]), int(numbers[1]), tuple(row["times"]), recall(row["outputs"]) if "outputs" in row else None)


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
