# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A world of devices with a clock of its own, and the loop of an engine on it: decide, admit, write, act, write.

The engine is as small as one can be. All that it knows of rules is in the functions under test, and all that it remembers
is in the journal, so that it can be killed after any line.
"""

from __future__ import annotations

import heapq
import random

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.admit import admit
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.decide import decide
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import initial
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.recover import recover
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import reduce
from ansible_collections.edgeai.sites.tests.property.fleets import OLD, START

INTENTS = {"pull": "pull_intent", "switch": "switch_intent", "rollback": "rollback_intent"}
LONGEST = 60 * 86400
# What may be wrong with a device; the model that is wrong says that it is well, until its golden answers are looked at.
FAULTS = ("", "", "", "", "wrong", "crash", "silent", "pull", "refuse", "offline", "locked", "stuck", "sick")


class Killed(Exception):
    """The controller is gone, in the middle of what it was doing."""


class Device:
    def __init__(self, fault, previous=OLD):
        self.fault, self.digest, self.pulled, self.previous = fault, previous, False, previous
        self.pulls = 0

    @property
    def online(self):
        return self.fault != "offline"

    @property
    def serves(self):
        return self.online and self.fault != "sick"


class World:
    """Devices of a plan's targets and the time. ``quick``: durations are what the plan says, or a part of it."""

    def __init__(self, plan, faults=None, seed=0, quick=1.0):
        self.now = START
        self.plan, self.random, self.quick = plan, random.Random(seed), quick
        self.devices = {name: Device((faults or {}).get(name, "")) for name in plan["targets"]}

    def seconds(self, name, act):
        """How long an act takes, from its beginning to its result."""
        row = self.plan["targets"][name]
        part = {"pull": row["pull_seconds"], "verify": row["seconds"], "verify_rollback": row["seconds"]}.get(act, 0)
        # It is watched every four minutes, however quick it is.
        return 240 if act == "observe" else int(part * self.quick)

    def begin(self, act):
        """What happens on the device at once; what an act results in comes later, from ``result``."""
        device = self.devices[act["target"]]
        if act["act"] == "switch" and device.fault != "refuse" and device.online:
            device.digest = act["to"]
        elif act["act"] == "rollback" and device.fault != "stuck":
            device.digest = act["to"]
        elif act["act"] == "pull":
            device.pulls += 1

    def result(self, act):
        """The event that an act ends with, or None when nothing is heard."""
        name, device = act["target"], self.devices[act["target"]]
        event = {"at": self.now, "target": name, "attempt": act["attempt"]}
        kind = act["act"]
        if kind == "look":
            return {**event, "type": "look", "online": device.online, "lock": device.fault == "locked", "digest": device.digest,
                    "healthy": device.serves, "present": True}
        if kind == "pull":
            return {**event, "type": "pull_failed", "reason": "no space"} if device.fault == "pull" else {**event, "type": "pulled"}
        if kind == "switch":
            return {**event, "type": "switch_failed", "changed": False} if device.digest != act["to"] else {**event, "type": "switched"}
        if kind == "rollback":
            return None
        new = device.digest == self.plan["targets"][name]["digest"]
        verdict = "pass"
        if new and (device.fault == "wrong" or device.fault == "crash" and kind == "observe"):
            verdict = "fail"
        if new and device.fault in ("silent", "stuck"):
            verdict = "inconclusive" if device.fault == "silent" else "fail"
        if kind == "verify_rollback":
            return {**event, "type": "rolled_back", "verdict": "fail" if new else "pass", "digest": device.digest, "seen": self.now}
        return {**event, "type": "verified", "verdict": verdict, "digest": device.digest, "seen": self.now}


class Engine:
    """One controller. ``watch`` is called with (engine, state before, event, state after) for each line of the journal."""

    def __init__(self, world, journal=None, watch=None, kill_at=None, approve=True, commands=()):
        self.world, self.plan = world, world.plan
        self.journal = list(journal or [])
        self.watch, self.kill_at, self.approve = watch, kill_at, approve
        self.commands = sorted(commands, key=lambda command: command["at"])
        self.state = initial(self.plan)
        for event in self.journal:
            self.state = reduce(self.plan, self.state, event)
        self.pending, self.busy = [], set()

    def write(self, event):
        """Journal first, then the state; whoever is killed is killed between two lines."""
        event = {**event, "seq": len(self.journal) + 1, "token": 1}
        if self.kill_at is not None and len(self.journal) >= self.kill_at:
            raise Killed
        self.journal.append(event)
        before, self.state = self.state, reduce(self.plan, self.state, event)
        if self.watch:
            self.watch(self, before, event, self.state)
        return self.state is not before and self.state.targets != before.targets or self.state.waves != before.waves

    def run(self, until=LONGEST):
        """Go on until the rollout has come to an end, or nothing has been left to do until the time is over."""
        if self.journal:
            observed = {name: device.digest if device.online else None for name, device in self.world.devices.items()}
            events, acts = recover(self.plan, self.state, observed, self.world.now)
            for event in events:
                self.write(event)
            for act in acts:
                self._do(act)
        else:
            self.write({"type": "start", "at": self.world.now})
        while self.world.now < START + until:
            while self.commands and self.commands[0]["at"] <= self.world.now:
                self.write({**self.commands.pop(0), "at": self.world.now})
            self._settle()
            if self.state.status in s.FINISHED or self.state.status == s.PAUSED and not self.pending and not self._acts():
                break
            begun = [self._begin(act) for act in self._acts()]
            if any(begun):
                continue
            self._wait()
        return self.state

    def _acts(self):
        return [act for act in admit(self.plan, self.state, self.world.now) if (act["act"], act.get("target")) not in self.busy]

    def _settle(self):
        for _round in range(1000):
            wave = self.state.waves[self.state.wave]
            if self.approve and wave.state == s.APPROVAL and self.state.status == s.RUNNING:
                self.write({"type": "approve", "at": self.world.now, "wave": self.state.wave, "plan": self.plan["hash"], "by": "eva",
                            "until": self.world.now + 3600})
                continue
            events = decide(self.plan, self.state, self.world.now)
            if not events:
                return
            for event in events:
                before = self.state
                self.write(event)
                assert replace_seq(before) != replace_seq(self.state), f"decided what changes nothing: {event}"
        raise AssertionError("decide does not come to an end")

    def _begin(self, act):
        if act["act"] == "gate":
            self.write({"type": "gate", "at": self.world.now, "wave": act["wave"], "verdict": "pass"})
            return True
        if act["act"] in INTENTS:
            before = self.state.targets[act["target"]].state
            self.write({**{key: act[key] for key in ("target", "attempt", "from", "to") if key in act}, "type": INTENTS[act["act"]],
                        "at": self.world.now})
            assert self.state.targets[act["target"]].state != before, f"admitted what reduce refuses: {act}"
        self._do(act)
        return True

    def _do(self, act):
        self.world.begin(act)
        self.busy.add((act["act"], act["target"]))
        heapq.heappush(self.pending, (self.world.now + self.world.seconds(act["target"], act["act"]), len(self.journal), id(act), act))

    def _wait(self):
        """To the next result, or some minutes on."""
        step = self.world.now + (60 if self.pending else 600)
        if not self.pending or self.pending[0][0] > step:
            self.world.now = step
            return
        at, _order, _id, act = heapq.heappop(self.pending)
        self.world.now = max(self.world.now, at)
        self.busy.discard((act["act"], act["target"]))
        event = self.world.result(act)
        if event:
            self.write(event)


def replace_seq(state):
    """Everything of a state but how far the journal was read."""
    return (state.status, state.reason, state.stopped, state.wave, state.scope, state.token, state.waves, state.targets)
