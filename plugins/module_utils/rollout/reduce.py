# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The next state of a rollout from an event. Total: any event in any state gives a valid state, most often the same one.

An event is {type, at, ...} as the journal holds it. What does not follow from the present state (a repeated event, an old
one, one for another attempt, one that nobody could have meant) changes nothing. So a doubled or reordered event is harmless, and
a mistake in the engine cannot write a success that was not proven: the rules are checked here, where they are remembered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, Iterable

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adopt import ADOPTED, adopted
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.forecast import soak_of
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import FAIL, PASS, VERDICTS, wave_gates
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.judge import ADVANCE, judge_wave
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, Target, Wave, spec, wave_of

Event = Dict[str, Any]
Handler = Callable[[Plan, State, Event], State]
TargetHandler = Callable[[Plan, State, str, Target, Event], Target]

_OF_ROLLOUT: Dict[str, Handler] = {}
_OF_TARGET: Dict[str, TargetHandler] = {}
# Reasons come from devices too, and are kept for each target.
_REASON_LIMIT = 500


def reduce(plan: Plan, state: State, event: Event) -> State:
    """Return the state after one event of this plan's journal."""
    kind, seq = event.get("type"), event.get("seq")
    following = state
    if isinstance(kind, str) and _is_number(event.get("at")) and event["at"] >= 0:
        following = _OF_ROLLOUT[kind](plan, state, event) if kind in _OF_ROLLOUT else _target_event(plan, state, event)
    return replace(following, seq=seq) if _is_number(seq) and seq > state.seq else following


def replay(plan: Plan, state: State, events: Iterable[Event]) -> State:
    """Return the state after all events that are newer than it."""
    for event in events:
        if event.get("seq", state.seq + 1) > state.seq:
            state = reduce(plan, state, event)
    return state


def _target_event(plan: Plan, state: State, event: Event) -> State:
    name, kind = event.get("target"), event.get("type")
    if kind not in _OF_TARGET or not isinstance(name, str) or name not in plan["targets"]:
        return state
    target = state.targets[name]
    # Without a number it is about the present attempt: what a device shows does not know of attempts.
    if event.get("attempt", target.attempt) != target.attempt:
        return state
    following = _OF_TARGET[kind](plan, state, name, target, event)
    if following is target:
        return state
    return replace(state, targets={**state.targets, name: following})


def _rollout(handler: Handler) -> Handler:
    _OF_ROLLOUT[handler.__name__.strip("_")] = handler
    return handler


def _target(handler: TargetHandler) -> TargetHandler:
    _OF_TARGET[handler.__name__.strip("_")] = handler
    return handler


def _to(target: Target, state: str, event: Event, **changes: Any) -> Target:
    return replace(target, **{"state": state, "since": event["at"], "blocked": "", "blocked_since": 0, "reason": _text(event), **changes})


def _text(event: Event) -> str:
    return str(event.get("reason", ""))[:_REASON_LIMIT]


def _status(state: State, status: str, event: Event, **changes: Any) -> State:
    return replace(state, **{"status": status, "since": event["at"], "reason": _text(event), **changes})


def _with_wave(state: State, number: int, wave: Wave) -> State:
    return replace(state, waves=(*state.waves[:number], wave, *state.waves[number + 1:]))


# --- what people say ------------------------------------------------------------------------------------------------


@_rollout
def _start(plan: Plan, state: State, event: Event) -> State:
    if state.status != s.READY:
        return state
    if not plan["waves"]:
        # Nothing to do is success only if everything is as wanted already.
        done = bool(state.targets) and all(target.state == s.ALREADY_CURRENT for target in state.targets.values())
        return _status(state, s.DONE, event, started=event["at"]) if done else state
    return _open(plan, _status(state, s.RUNNING, event, started=event["at"]), 0, event)


@_rollout
def _pause(plan: Plan, state: State, event: Event) -> State:
    return _status(state, s.PAUSED, event) if state.status == s.RUNNING else state


@_rollout
def _resume(plan: Plan, state: State, event: Event) -> State:
    """The rule that stopped it is looked at again; if it still holds, nothing is started."""
    return _status(state, s.RUNNING, event, stopped="") if state.status == s.PAUSED else state


@_rollout
def _approve(plan: Plan, state: State, event: Event) -> State:
    """An approval is for one wave of one plan, by somebody, until a time. Any other plan's hash makes it void."""
    number, until, by = event.get("wave"), event.get("until"), event.get("by")
    if event.get("plan") != plan["hash"] or not _is_number(number) or not _is_number(until) or not isinstance(by, str) or not by:
        return state
    if not 0 <= number < len(plan["waves"]) or until <= event["at"] or state.waves[number].state not in (s.WAITING, s.APPROVAL):
        return state
    wave = replace(state.waves[number], approved_by=by, approved_until=until)
    if wave.state == s.APPROVAL:
        wave = replace(wave, state=s.WAVE_RUNNING, since=event["at"])
    return _with_wave(state, number, wave)


@_rollout
def _abort(plan: Plan, state: State, event: Event) -> State:
    """Final. With mode ``rollback`` everything goes back; else what is under way is finished, and nothing else is begun."""
    if state.status in (*s.FINISHED, s.ABORTING, s.ROLLING_BACK_ALL):
        return state
    if event.get("mode") == "rollback" and state.status != s.READY:
        return _rollback(plan, state, {**event, "scope": "all"})
    return _status(_canceled(plan, state, plan["targets"], event), s.ABORTING, event, stopped=_text(event) or "aborted")


@_rollout
def _rollback(plan: Plan, state: State, event: Event) -> State:
    if state.status not in (s.RUNNING, s.PAUSED) or event.get("scope") not in ("wave", "all"):
        return state
    state = _canceled(plan, state, plan["targets"], event)
    return _status(state, s.ROLLING_BACK_ALL, event, stopped=_text(event) or "rollback asked for",
                   scope=0 if event["scope"] == "all" else state.wave)


@_rollout
def _retry(plan: Plan, state: State, event: Event) -> State:
    """A new attempt for targets that failed: all, or those named. It remembers what ran before, and whether that was changed."""
    names = _named(plan, event)
    if state.status not in (s.RUNNING, s.PAUSED):
        return state
    again = {name: Target(since=event["at"], attempt=state.targets[name].attempt + 1, previous=state.targets[name].previous,
                          available=state.targets[name].available, late=state.targets[name].late,
                          changed=state.targets[name].changed and state.targets[name].state == s.FAILED)
             for name in names if state.targets[name].state in (s.FAILED, s.ROLLED_BACK, s.REJECTED)
             and wave_of(plan, state, name) >= state.wave and not state.targets[name].drift}
    if not again:
        return state
    state = replace(state, targets={**state.targets, **again})
    wave = state.waves[state.wave]
    return _with_wave(state, state.wave, replace(wave, state=s.WAVE_RUNNING, gate="", gates=())) if wave.state == s.WAVE_FAILED else state


@_rollout
def _catch_up(plan: Plan, state: State, event: Event) -> State:
    """Deferred targets, after the last wave has passed, as a wave of their own through the same gates."""
    if state.status != s.DONE_WITH_DEFERRED:
        return state
    late = {name: replace(Target(), since=event["at"], attempt=target.attempt + 1, late=True, previous=target.previous)
            for name, target in state.targets.items() if target.state == s.DEFERRED and name in plan["targets"]}
    if not late:
        return state
    number = len(plan["waves"])
    state = replace(state, targets={**state.targets, **late}, wave=number)
    return _with_wave(_status(state, s.RUNNING, event), number, Wave(state=s.WAVE_RUNNING, since=event["at"]))


@_rollout
def _cancel(plan: Plan, state: State, event: Event) -> State:
    """Another rollout takes targets over, as far as nothing was done to them that a line would notice."""
    return _canceled(plan, state, _named(plan, event), event) if state.status not in s.FINISHED else state


@_rollout
def _adopt(plan: Plan, state: State, event: Event) -> State:
    """The targets' own records, for a ledger that was lost. Only one that nobody has started takes them."""
    fresh = state.status == s.READY or (state.status, state.reason, state.since) == (s.PAUSED, ADOPTED, event["at"])
    records = event.get("records")
    return adopted(plan, state, records, event["at"]) if fresh and isinstance(records, dict) else state


# --- what was decided ----------------------------------------------------------------------------------------------


@_rollout
def _takeover(plan: Plan, state: State, event: Event) -> State:
    token = event.get("token")
    return replace(state, token=token) if _is_number(token) and token > state.token else state


@_rollout
def _stop(plan: Plan, state: State, event: Event) -> State:
    """A rule fired. What is under way ends or goes back; nothing new is switched until a person says so."""
    if state.status != s.RUNNING:
        return state
    wave = replace(state.waves[state.wave], state=s.WAVE_FAILED, since=event["at"])
    state = _with_wave(state, state.wave, wave)
    if event.get("mode") in ("rollback_wave", "rollback_all"):
        return _rollback(plan, state, {**event, "scope": "wave" if event["mode"] == "rollback_wave" else "all"})
    return _status(state, s.PAUSED, event, stopped=_text(event) or "stopped")


@_rollout
def _gate(plan: Plan, state: State, event: Event) -> State:
    """The verdict about the current wave as a whole. A failed one is never asked for again."""
    wave = state.waves[state.wave]
    if (event.get("wave") != state.wave or event.get("verdict") not in VERDICTS or wave.state != s.WAVE_RUNNING or wave.gate in (PASS, FAIL)
            or not wave_gates(plan)):
        return state
    return _with_wave(state, state.wave, replace(wave, gate=event["verdict"], gates=_rows(event)))


@_rollout
def _advance(plan: Plan, state: State, event: Event) -> State:
    """The current wave has passed, if it has: the numbers are looked at again here."""
    if (state.status != s.RUNNING or event.get("wave") != state.wave or state.waves[state.wave].state != s.WAVE_RUNNING
            or judge_wave(plan, state, state.wave).verdict != ADVANCE):
        return state
    state = _with_wave(state, state.wave, replace(state.waves[state.wave], state=s.PASSED, since=event["at"]))
    if state.wave + 1 < len(plan["waves"]):
        return _open(plan, state, state.wave + 1, event)
    deferred = any(target.state == s.DEFERRED for target in state.targets.values())
    return _status(state, s.DONE_WITH_DEFERRED if deferred else s.DONE, event)


@_rollout
def _finish(plan: Plan, state: State, event: Event) -> State:
    """The end of an abort or of a rollback: nothing is under way, and nothing is left to be taken back."""
    if state.status not in (s.ABORTING, s.ROLLING_BACK_ALL) or unfinished(plan, state):
        return state
    dirty = any(target.state in (s.ROLLBACK_FAILED, s.FAILED) and target.changed for target in state.targets.values())
    return _status(state, s.ABORTED_DIRTY if dirty else s.ABORTED, event, reason=state.stopped)


@_rollout
def _found(plan: Plan, state: State, event: Event) -> State:
    """What runs where nothing was done yet, for people. Where a target goes back to is seen right before its switch."""
    running = event.get("running")
    seen = {name: replace(state.targets[name], found=digest) for name, digest in (running if isinstance(running, dict) else {}).items()
            if name in plan["targets"] and isinstance(digest, str) and state.targets[name].state in s.BEFORE_SWITCH}
    return replace(state, targets={**state.targets, **seen}) if seen else state


# --- what happened to a target ---------------------------------------------------------------------------------------


@_target
def _look(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    """What the device says of itself before its switch."""
    if target.state not in s.BEFORE_SWITCH or event["at"] < target.looked:
        return target
    serves = event.get("healthy") is not False and event.get("online") is True
    # Since when it is so, and not when it was last seen: budgets wait for others only so long.
    looked = replace(target, looked=event["at"], available=serves, available_at=target.available_at if serves == target.available else event["at"])
    if event.get("online") is not True:
        return _block(looked, "offline", event)
    if isinstance(event.get("digest"), str) and not target.previous:
        looked = replace(looked, previous=event["digest"])
    if event.get("reject"):
        return _to(looked, s.REJECTED, {**event, "reason": event["reject"]})
    if event.get("digest") == plan["targets"][name]["digest"] and event.get("healthy") is True:
        return _to(looked, s.ALREADY_CURRENT, {**event, "reason": "this image runs there already"})
    if event.get("healthy") is False and not plan["repair"]:
        return _to(looked, s.SKIPPED, {**event, "reason": "it was not healthy before; a release repairs nothing unless it says so"})
    if event.get("lock") is not False:
        return _block(looked, "lock", event)
    if event.get("present") is False and target.state == s.PREPULLED:
        return _to(looked, s.PLANNED, {**event, "reason": "the image was removed from the node; it is fetched again"})
    return replace(looked, blocked="", blocked_since=0)


@_target
def _pull_intent(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    if target.state != s.PLANNED or target.blocked == "offline" or state.status != s.RUNNING or event["at"] < target.not_before:
        return target
    return _to(target, s.PREPULLING, event, pulls=target.pulls + 1, **_blocked(target),
               paced_until=event["at"] + plan["targets"][name]["pull_seconds"])


@_target
def _pulled(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    return _to(target, s.PREPULLED, event, **_blocked(target)) if target.state == s.PREPULLING else target


@_target
def _pull_failed(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    if target.state != s.PREPULLING:
        return target
    if target.pulls > plan["retries"]["prepull"]:
        return _to(target, s.FAILED, event)
    return _to(target, s.PLANNED, event, not_before=event["at"] + _backoff(plan, target.pulls), **_blocked(target))


@_target
def _switch_intent(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    if (target.state != s.PREPULLED or target.blocked or state.status != s.RUNNING or wave_of(plan, state, name) != state.wave
            or state.waves[state.wave].state != s.WAVE_RUNNING or event.get("to") != plan["targets"][name]["digest"]
            or target.switches > plan["retries"]["switch"]):
        return target
    return _to(target, s.SWITCHING, event, switches=target.switches + 1, gates=())


@_target
def _switched(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    return _to(target, s.VERIFYING, event, changed=True) if target.state == s.SWITCHING and event["at"] >= target.since else target


@_target
def _switch_failed(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    """Refused before anything was changed (an API that is away, a conflict) is no fault of the release, and tried again."""
    if target.state != s.SWITCHING:
        return target
    if event.get("changed") is False and target.switches <= plan["retries"]["switch"]:
        return _to(target, s.PREPULLED, event, not_before=event["at"] + _backoff(plan, target.switches))
    return _to(target, s.FAILED, event, changed=target.changed or event.get("changed") is not False)


@_target
def _verified(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    """Evidence counts if it is newer than the switch and of the planned image. A wrong answer is final."""
    verdict = event.get("verdict")
    if target.state not in (s.VERIFYING, s.SOAKING) or not _newer(target, event):
        return target
    if verdict == FAIL:
        return _to(target, s.FAILED, event, gates=_rows(event))
    if verdict != PASS or event.get("digest") != plan["targets"][name]["digest"]:
        return target
    if target.state == s.VERIFYING:
        return _to(target, s.SOAKING, event, gates=_rows(event), available=True, available_at=event["at"])
    if event["seen"] - target.since >= soak_of(plan, wave_of(plan, state, name)):
        return _to(target, s.SUCCEEDED, event, gates=_rows(event), available=True, available_at=event["at"])
    return target


@_target
def _expire(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    """A deadline has passed. It is reckoned here again, so that an early or doubled event does nothing."""
    limit = deadline(plan, state, name)
    if limit is None or event["at"] < limit:
        return target
    if target.state == s.PREPULLING:
        return _pull_failed(plan, state, name, target, event)
    return _to(target, s.ROLLBACK_FAILED if target.state == s.ROLLING_BACK else s.FAILED, event, changed=True)


@_target
def _rollback_intent(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    """Back to the image that is recorded, never to ``the one before``; and never back from a rollback."""
    if not target.previous or event.get("to") != target.previous or not _goes_back(plan, state, name, _serving_goes_back(state)):
        return target
    return _to(target, s.ROLLING_BACK, event, reason=_text(event) or target.reason)


@_target
def _rolled_back(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    """Verified like a switch, by the gates and the golden answers of the old model."""
    if target.state != s.ROLLING_BACK or not _newer(target, event):
        return target
    if event.get("verdict") == FAIL:
        return _to(target, s.ROLLBACK_FAILED, event, gates=_rows(event))
    if event.get("verdict") != PASS or event.get("digest") != target.previous:
        return target
    # Why it went back is worth more than that the old model is well.
    return _to(target, s.ROLLED_BACK, event, reason=target.reason, gates=_rows(event), available=True, available_at=event["at"])


@_target
def _defer(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    """Not now, through no fault of the release. Canaries are not deferred: others wait for what they show."""
    if target.state not in s.BEFORE_SWITCH or spec(plan, state, wave_of(plan, state, name))["canary"]:
        return target
    return _to(target, s.DEFERRED, event)


@_target
def _skip(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    """It is not in the inventory any more."""
    return _to(target, s.SKIPPED, event, available=False) if target.state in s.BEFORE_SWITCH else target


@_target
def _drift(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    """Neither the old nor the new image runs there: hands off until a person has looked."""
    return _to(target, s.FAILED, event, drift=True, changed=True) if target.state in (*s.IN_FLIGHT, s.SOAKING) else target


@_target
def _availability(plan: Plan, state: State, name: str, target: Target, event: Event) -> Target:
    """It serves, or it does not, whatever the rollout did."""
    serves = event.get("available")
    if not isinstance(serves, bool) or event["at"] < max(target.available_at, target.looked) or serves == target.available:
        return target
    return replace(target, available=serves, available_at=event["at"])


# --- questions about a state -----------------------------------------------------------------------------------------


def deadline(plan: Plan, state: State, name: str) -> Any:
    """Return until when what is under way on a target may take, or None when nothing is."""
    target, limits = state.targets[name], plan["timeouts"]
    # An intent is known to be carried out only by its result, so the way there has the same limit as the work.
    limit = {s.PREPULLING: limits["prepull"], s.SWITCHING: limits["switch"], s.VERIFYING: limits["verify"], s.ROLLING_BACK: limits["rollback"],
             s.SOAKING: limits["hold"]}
    if target.state not in limit:
        return None
    watched = soak_of(plan, wave_of(plan, state, name)) if target.state == s.SOAKING else 0
    return target.since + watched + limit[target.state]


def to_roll_back(plan: Plan, state: State) -> Dict[str, int]:
    """Return name -> wave of the targets that should go back now: those that failed, and in a rollback all that were changed."""
    serving = _serving_goes_back(state)
    return {name: wave_of(plan, state, name) for name in plan["targets"] if _goes_back(plan, state, name, serving)}


def _serving_goes_back(state: State) -> bool:
    """One that could not go back says that the way back is not safe: what still serves is left alone."""
    return state.status == s.ROLLING_BACK_ALL and all(target.state != s.ROLLBACK_FAILED for target in state.targets.values())


def _goes_back(plan: Plan, state: State, name: str, serving: bool) -> bool:
    target = state.targets[name]
    if not target.changed or not target.previous or target.drift:
        return False
    if target.state == s.FAILED:
        return plan["on_failure"]["target"] == "rollback" or state.status == s.ROLLING_BACK_ALL
    return serving and target.state in (s.SOAKING, s.SUCCEEDED, s.ALREADY_CURRENT) and wave_of(plan, state, name) >= state.scope


def unfinished(plan: Plan, state: State) -> bool:
    """Return whether something is under way, or waits to be taken back."""
    return bool(to_roll_back(plan, state)) or any(
        state.targets[name].state in (*s.IN_FLIGHT, s.PREPULLING, s.SOAKING) for name in plan["targets"])


def _open(plan: Plan, state: State, number: int, event: Event) -> State:
    """Make a wave the current one; it runs at once unless it waits for a person."""
    wave = state.waves[number]
    asked = plan["waves"][number]["approval"] and event["at"] >= wave.approved_until
    wave = replace(wave, state=s.APPROVAL if asked else s.WAVE_RUNNING, since=event["at"])
    return _with_wave(replace(state, wave=number), number, wave)


def _blocked(target: Target) -> Dict[str, Any]:
    """Fetching goes on while a line is busy, and does not make it less so."""
    return {"blocked": target.blocked, "blocked_since": target.blocked_since}


def _block(target: Target, why: str, event: Event) -> Target:
    since = target.blocked_since if target.blocked == why else event["at"]
    return replace(target, blocked=why, blocked_since=since, reason=_text(event))


def _canceled(plan: Plan, state: State, names: Iterable[str], event: Event) -> State:
    """Whoever was not switched stays as it is; one that an earlier attempt left changed has failed, so that it goes back."""
    gone = {name: _to(state.targets[name], s.FAILED if state.targets[name].changed else s.CANCELED, event) for name in names
            if state.targets[name].state in s.BEFORE_SWITCH}
    return replace(state, targets={**state.targets, **gone}) if gone else state


def _named(plan: Plan, event: Event) -> Iterable[str]:
    names = event.get("targets")
    if names is None:
        return list(plan["targets"])
    return [name for name in names if isinstance(name, str) and name in plan["targets"]] if isinstance(names, (list, tuple)) else []


def _newer(target: Target, event: Event) -> bool:
    """Whether the evidence was seen after the change, and before it was told."""
    return _is_number(event.get("seen")) and target.since <= event["seen"] <= event["at"]


def _rows(event: Event) -> Any:
    rows = event.get("gates")
    return tuple(row for row in rows if isinstance(row, dict)) if isinstance(rows, (list, tuple)) else ()


def _backoff(plan: Plan, tries: int) -> int:
    return min(2 ** min(tries, 20), plan["retries"]["backoff"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
