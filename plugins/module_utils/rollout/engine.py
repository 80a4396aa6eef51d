# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The loop that carries a plan out: what is due is written down, then done; what is seen is written down, then judged.

It knows no device and no clock: hands, ledger and the hour are given to it, so that it runs on simulated sites too. All rules
are elsewhere (``decide``, ``admit``, ``reduce``); this only asks them, in an order that a crash at any point cannot break.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Protocol

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import HEALTHY, PROGRESSING, TargetJudgement
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.admit import Act, admit
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.asking import Asking
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.decide import decide
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.drift import Drift
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.evidence import judge_ready, verified
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import Holds
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.forecast import soak_of
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import FAIL, INCONCLUSIVE, PASS, Reading, judge_checks, worst
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.golden import GoldenSet
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.hands import Device, Hands, Refused, Sight
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import Plan, State, wave_of
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.recover import record, recover
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event

# A change that an API did not take is tried again; a node tells of a new image with its next status.
AGAIN_SECONDS = 3
IMAGE_SECONDS = 60
# What a device has not told after some renewals of its lease it will not tell soon.
CHECK_SECONDS = 30
# An API that is restarted, overloaded or a moment without a link: that is not yet a site that is away.
SILENCE_SECONDS = 60
TRIES_TOO_MANY = 10000
# Acts that are intended in the ledger before they are carried out.
CHANGES = ("pull", "switch", "rollback")
# A line of the journal has 64 KiB at most.
AT_ONCE = 100


class Ledger(Protocol):
    """What the engine needs of a ledger: the events so far, the state after them, and a way to add one."""

    events: Iterable[Event]
    state: State

    def append(self, event: Event) -> State:
        """Write an event and return the state after it. It may be lost with this machine's power until ``sync``."""

    def sync(self) -> None:
        """Wait until all events outlive the power of this machine."""


class Engine:
    """Turns of one rollout. hands: site -> Hands; expected: target -> what the inventory knows of it:

    {health_path, request, expect}.
    """

    def __init__(self, plan: Plan, ledger: Ledger, hands: Mapping[str, Hands], expected: Mapping[str, Dict[str, Any]],
                 golden: Optional[GoldenSet], holds: Holds, watch_wave: Optional[Callable[[Plan, State], List[Reading]]] = None,
                 each: Callable[..., Iterable[Any]] = map):
        """each: like ``map``, and may do several at once, so that an API which does not answer holds up no other."""
        self.plan = plan
        self._ledger = ledger
        self._hands = hands
        # Each once, also where several sites share a cluster.
        self._sites = list({id(each): each for each in hands.values()}.values())
        self._models = Asking(plan["gates"], expected, golden, holds, ledger.events)
        self._watch_wave = watch_wave
        self._each = each
        self._drift = Drift(plan, ledger.events)
        self._last: Dict[str, Reading] = {}
        # Since when a model is asked before its switch, without a result so far.
        self._asking: Dict[str, int] = {}
        # Since when a target's site has not told of it.
        self._silent: Dict[str, int] = {}
        self._tried: Dict[str, int] = {}
        self._recorded: Optional[Dict[str, str]] = None

    @property
    def state(self) -> State:
        """Return the state of the rollout now."""
        return self._ledger.state

    def turn(self, now: int, requests: Iterable[Event] = ()) -> bool:
        """Do everything that can be done now, and return whether anything was written: then the next turn may have more."""
        was = self.state.seq
        for hands in self._sites:
            hands.refresh()
        for event in requests:
            self._ledger.append({**event, "at": now})
        self._catch_up_with_devices(now)
        self._note_availability(now)
        self._note_what_runs(now)
        for _turn in range(TRIES_TOO_MANY):
            due = decide(self.plan, self.state, now)
            if not due:
                break
            for event in due:
                self._ledger.append(self._explained(event))
        acts = admit(self.plan, self.state, now)
        for act in acts:
            self._ask(act, now)
        begun = [act for act in acts if self._intend(act, now)]
        # All intents of a turn outlive the power together, before the first of them is carried out.
        if begun:
            self._ledger.sync()
        self._carry_out(begun, now)
        self._note_returns(now)
        self._write_records()
        self._ledger.sync()
        return self.state.seq != was

    def adopt(self, now: int) -> int:
        """Take over what the targets say of themselves, for a ledger that was lost; return how many do so for this plan."""
        for hands in self._sites:
            hands.refresh()
        own = self._records()
        names = sorted(own)
        for first in range(0, max(1, len(names)), AT_ONCE):
            self._ledger.append({"type": "adopt", "at": now, "records": {name: own[name] for name in names[first:first + AT_ONCE]}})
        for name in names:
            old = self._models.adopt(name, own[name].get("before"))
            if old is not None:
                self._ledger.append({**old, "at": now, "target": name})
        return len(own)

    # --- what was begun, and what became of it ---

    def _catch_up_with_devices(self, now: int) -> None:
        """Compare what was begun with what the workloads ask for: the same after a crash as a second after the act."""
        waiting = [name for name in self.plan["targets"] if self.state.targets[name].state in (*s.IN_FLIGHT, s.SOAKING, s.PREPULLING)]
        if not waiting:
            return
        events, acts = recover(self.plan, self.state, {name: self._of(name).asked_for(name) for name in waiting}, now)
        for event in events:
            self._ledger.append(event)
        self._carry_out([act for act in acts if act["act"] == "pull" or now - self._tried.get(act["target"], -AGAIN_SECONDS) >= AGAIN_SECONDS], now)

    def _ask(self, act: Act, now: int) -> None:
        """Do what changes no device."""
        if act["act"] == "gate":
            self._gate(act, now)
        elif act["act"] == "look":
            self._look(act, now)
        elif act["act"] not in CHANGES:
            self._watch(act["target"], now)

    def _intend(self, act: Act, now: int) -> bool:
        """Write the intent of a change; False when there is none, or when this turn has already changed what it was meant for."""
        if act["act"] not in CHANGES:
            return False
        was, to = self.state, {"to": act["to"]} if "to" in act else {}
        self._ledger.append({"type": f"{act['act']}_intent", "at": now, "target": act["target"], "attempt": act["attempt"], **to})
        return self.state.targets is not was.targets

    def _carry_out(self, acts: List[Act], now: int) -> None:
        changes = [act for act in acts if act["act"] != "pull"]
        for act, refused in zip(changes, self._each(self._change, changes)):
            self._note_change(act, refused, now)
        for act in acts:
            if act["act"] == "pull":
                self._await_image(act, now)

    def _await_image(self, act: Act, now: int) -> None:
        name, target = act["target"], self.state.targets[act["target"]]
        device = self._said_by(name)
        common = {"at": now, "target": name, "attempt": act["attempt"]}
        if device.present:
            self._ledger.append({"type": "pulled", **common})
        elif device.online and device.present is False and (device.missing or now - target.since >= IMAGE_SECONDS):
            row = self.plan["targets"][name]
            why = f"could not be brought to node {row['node']}: {device.missing}" if device.missing else (
                f"is not on node {row['node']}; bring it there with the artifacts playbook")
            self._ledger.append({"type": "pull_failed", **common, "reason": f"{row['image']} {why}"})

    def _change(self, act: Act) -> Optional[Refused]:
        """Give a workload the new image, or the recorded one back, and return what was said against it. It is safe to do this again."""
        name = act["target"]
        try:
            self._of(name).switch(name, act["to"], "" if act["act"] == "rollback" else self.plan["targets"][name]["image"], self._record(name))
            return None
        except Refused as error:
            return error

    def _note_change(self, act: Act, refused: Optional[Refused], now: int) -> None:
        name, back = act["target"], act["act"] == "rollback"
        self._tried[name] = now
        common = {"at": now, "target": name, "attempt": act["attempt"]}
        if refused is None:
            if not back:
                self._ledger.append({"type": "switched", **common})
        elif not back and refused.changed is False:
            self._ledger.append({"type": "switch_failed", **common, "changed": False, "reason": str(refused)})
        else:
            # Whether it was done, or a way back that was refused: the workload will tell, or the deadline decides.
            self._last[name] = Reading("api", INCONCLUSIVE, str(refused), "an answer of the site's API")

    # --- looking ---

    def _note_availability(self, now: int) -> None:
        """A line that is served no more takes a place in its budgets, whatever the rollout did to it."""
        for name in self.plan["targets"]:
            target = self.state.targets[name]
            if target.state in (s.SOAKING, s.SUCCEEDED, s.ALREADY_CURRENT, s.ROLLED_BACK):
                device = self._device(name, now)
                if device is not None and device.online != target.available:
                    self._ledger.append({"type": "availability", "at": now, "target": name, "available": device.online, "reason": device.reason})

    def _note_returns(self, now: int) -> None:
        """Who was away and is back takes no place in the budgets any more, also if its own turn is not near."""
        if self.state.status != s.RUNNING:
            return
        for name in self.plan["targets"]:
            target = self.state.targets[name]
            if target.blocked == "offline" and target.state in s.BEFORE_SWITCH and self._said_by(name).online:
                self._look({"act": "look", "target": name, "attempt": target.attempt}, now)

    def _device(self, name: str, now: int) -> Optional[Device]:
        """What the device says; None while its site's API cannot be asked, until that has been so for too long."""
        device = self._said_by(name)
        if device.told:
            self._silent.pop(name, None)
            return device
        return device if now - self._silent.setdefault(name, now) >= SILENCE_SECONDS else None

    def _note_what_runs(self, now: int) -> None:
        """What untouched targets run is known from the start, and not only when their turn has come."""
        running = {}
        for name in self.plan["targets"]:
            target = self.state.targets[name]
            if target.state in s.BEFORE_SWITCH and not target.previous:
                digest = self._of(name).asked_for(name)
                if digest and digest != target.found:
                    running[name] = digest
        names = sorted(running)
        for first in range(0, len(names), AT_ONCE):
            self._ledger.append({"type": "found", "at": now, "running": {name: running[name] for name in names[first:first + AT_ONCE]}})

    def _look(self, act: Act, now: int) -> None:
        name, row, target = act["target"], self.plan["targets"][act["target"]], self.state.targets[act["target"]]
        device = self._device(name, now)
        if device is None:
            return
        event = {"type": "look", "at": now, "target": name, "attempt": act["attempt"], "online": device.online, "reason": device.reason}
        if not device.online:
            self._asking.pop(name, None)
            # It is looked at in every turn: that nothing has changed is no news.
            if (target.blocked, target.reason) != ("offline", device.reason):
                self._ledger.append(event)
            return
        full = device.digest != row["digest"] and self._models.wants_before(name, device.digest)
        sight = self._of(name).see(self._models.look(name, device.digest, full, max(target.looked, target.since)))
        healthy = _is_healthy(sight)
        if healthy is None and now - self._asking.setdefault(name, now) < self.plan["gates"]["ready"]["timeout"]:
            return  # it is being asked; a model that is just starting is not yet an unhealthy one
        # The check ``baseline`` is the event's ``healthy``: one that is not well is left out, and has not contradicted anything.
        checks = judge_checks(self.plan["gates"]["preflight"], {**(device.checks or {}), "baseline": True})
        if checks.verdict == INCONCLUSIVE and healthy and now - self._asking.setdefault(name, now) < CHECK_SECONDS:
            return  # a node's clock is known with the next renewal of its lease
        self._asking.pop(name, None)
        if full and healthy and sight.answers is not None:
            self._ledger.append({**self._models.remember(name, device.digest, sight.answers), "at": now, "target": name, "attempt": act["attempt"]})
        lock = device.lock or (f"preflight {checks.found}" if checks.verdict == INCONCLUSIVE else "")
        self._ledger.append({**event, "digest": device.digest, "healthy": bool(healthy), "present": device.present,
                             "lock": bool(lock), "reason": lock or "; ".join(sight.judgement.reasons),
                             **({"reject": f"preflight {checks.found}"} if checks.verdict == FAIL else {})})

    def _watch(self, name: str, now: int) -> None:
        """Read the gates of what is under way, and write down what is decided by them: a pass, or a failure."""
        target, row = self.state.targets[name], self.plan["targets"][name]
        back, soaking = target.state == s.ROLLING_BACK, target.state == s.SOAKING
        until = target.since + (soak_of(self.plan, wave_of(self.plan, self.state, name)) if soaking else 0)
        if self._of(name).asked_for(name) != (target.previous if back else row["digest"]):
            return  # not done yet, not seen yet, or somebody else's doing: see _catch_up_with_devices
        if back:
            question = self._models.way_back(name, target.previous, target.since)
        else:
            # While it soaks the model is left to its work; it is asked again at the end.
            question = self._models.verify(name, row["digest"], until if now >= until else 0)
        sight = self._of(name).see(question)
        rows = [judge_ready(sight.judgement, question.digest, now, target.since)]
        if rows[0].verdict == INCONCLUSIVE and target.state == s.VERIFYING and now - target.since >= self.plan["gates"]["ready"]["timeout"]:
            rows = [Reading("ready", FAIL, f"{rows[0].found}; not within {self.plan['gates']['ready']['timeout']} s", rows[0].wanted)]
        if rows[0].verdict == PASS and not back:
            rows += self._models.readings(name, target.previous, sight.answers)
        verdict = worst(reading.verdict for reading in rows)
        open_rows = [reading for reading in rows if reading.verdict != PASS]
        if open_rows:
            self._last[name] = open_rows[0]
        if verdict == FAIL or (verdict == PASS and sight.answers is not None and now >= until):
            event = verified(name, target.attempt, sight.judgement, rows, sight.answers.at if verdict == PASS else now, now)
            if back:
                self._ledger.append({**event, "type": "rolled_back"})
            else:
                counted = sight.answers.outputs if verdict == PASS and soaking and sight.answers else None
                self._note({**event, **({"outputs": counted.row()} if counted else {})})

    def _gate(self, act: Act, now: int) -> None:
        drift = self._drift.read(self.state, lambda name: self._models.counted_before(name, self.state.targets[name].previous))
        found = (self._watch_wave(self.plan, self.state) if self._watch_wave else []) + drift
        verdict = worst(reading.verdict for reading in found)
        rows = [reading.row() for reading in found]
        wave = self.state.waves[act["wave"]]
        # While it holds, the last counts are what its end is explained with.
        news = any(reading.row() not in wave.gates for reading in drift)
        if verdict != wave.gate or verdict == FAIL or news:
            self._ledger.append({"type": "gate", "at": now, "wave": act["wave"], "verdict": verdict, "gates": rows})
        if INCONCLUSIVE in (reading.verdict for reading in drift):
            self._count_again(now)

    def _count_again(self, now: int) -> None:
        """What was not enough becomes more with time."""
        names, since = self._drift.due(self.state, now)
        for name in names:
            sight = self._of(name).see(self._models.recount(name, self.plan["targets"][name]["digest"], since))
            if _is_healthy(sight) and sight.answers is not None and sight.answers.outputs is not None:
                self._note({"type": "counted", "at": now, "target": name, "seen": sight.answers.at, "outputs": sight.answers.outputs.row()})

    def _note(self, event: Event) -> None:
        self._ledger.append(event)
        self._drift.note(event)

    # --- the rest ---

    def _record(self, name: str) -> Dict[str, Any]:
        """What the workload of a target carries: what became of it, and what its model before was worth."""
        return {**record(self.plan, self.state, name), **self._models.record(name)}

    def _said_by(self, name: str) -> Device:
        return self._of(name).device(name, self.plan["targets"][name]["digest"])

    def _of(self, name: str) -> Hands:
        return self._hands[self.plan["targets"][name]["site"]]

    def _explained(self, event: Event) -> Event:
        """A deadline says little; what was still open when it passed says why."""
        last = self._last.get(event.get("target", ""))
        if event["type"] != "expire" or last is None or last.found in event.get("reason", ""):
            return event
        return {**event, "reason": f"{event['reason'].split(';')[0]}; {last.gate}: {last.found}"}

    def _write_records(self) -> None:
        """Keep on each workload what became of it: from that a ledger that was lost can be rebuilt."""
        if self._recorded is None:
            # What a run before this one has written is not written again.
            self._recorded = {name: str(row.get("state")) for name, row in self._records().items()}
        new = {name: target.state for name, target in self.state.targets.items()
               if target.switches and target.state in (s.SOAKING, *s.TERMINAL) and self._recorded.get(name) != target.state}
        self._recorded.update(new)
        for _done in self._each(lambda name: self._of(name).remember(name, self._record(name)), new):
            pass

    def _records(self) -> Dict[str, Dict[str, Any]]:
        """The records of this plan that workloads carry."""
        records = {name: row for hands in self._sites for name, row in hands.records().items()}
        return {name: row for name, row in records.items() if name in self.plan["targets"] and isinstance(row, dict)
                and row.get("plan") == self.plan["hash"]}


def _is_healthy(sight: Sight) -> Optional[bool]:
    """True or False when that is known; None while the model is still being asked or is just starting."""
    judgement: TargetJudgement = sight.judgement
    if judgement.state == HEALTHY:
        return True if sight.answers is not None else None
    if judgement.state == PROGRESSING or judgement.probe_wanted and not judgement.final:
        return None
    return False
