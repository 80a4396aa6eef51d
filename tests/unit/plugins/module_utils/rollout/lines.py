# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines with a clock of their own, and what a rollout's engine can do with them. Nothing happens by itself but the time."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import FAILED, HEALTHY, PROGRESSING, Finding, TargetJudgement
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import Counted
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.engine import Engine
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import Answers
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.golden import Frame, GoldenSet
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.hands import Device, Hands, Refused, Sight
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import initial
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import reduce
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NOW, OLD

LOAD_SECONDS, ANSWER_SECONDS = 7, 2
GOLDEN = GoldenSet(OLD, tuple(Frame(f"frame {number}", {"inputs": [number]}, "right") for number in range(4)))
ASKED = {"health_path": "/health", "request": {"inputs": ["known"]}, "expect": "right"}


class Killed(Exception):
    """The controller is gone, between two lines of its journal."""


class Line:
    """One target. fault: of the new model or of the device; the old model is well unless it is ``sick``."""

    def __init__(self, new, fault="", digest=OLD):
        self.new, self.fault, self.digest = new, fault, digest
        self.since = -LOAD_SECONDS
        self.switches, self.records = [], []
        self.present, self.missing, self.lock, self.online = True, "the link broke", "", True
        self.told = True  # False: the API of its site answers errors
        self.old_frames, self.clock_known = 10000, 0


class Site(Hands):
    """All lines of a plan. ``now``: the clock of everybody, in seconds since the epoch."""

    def __init__(self, plan, **faults):
        self.now, self.asked, self.looks = NOW, {}, 0
        names = {name.rpartition("-")[2]: name for name in plan["targets"]}
        self.lines = {name: Line(plan["targets"][name]["digest"]) for name in names.values()}
        for short, fault in faults.items():
            self.lines[names[short]].fault = fault

    def refresh(self):
        self.looks += 1

    def asked_for(self, name):
        line = self.lines[name]
        return line.digest if line.online and line.told else None

    def device(self, name, digest):
        line = self.lines[name]
        if not line.told:
            return Device(False, "/api/v1/nodes answered 500", told=False)
        if not line.online:
            return Device(False, "its node is away")
        checks = dict.fromkeys(("arch", "driver", "disk", "gpu_free", "clock"), True)
        if self.now < line.clock_known:
            checks["clock"] = None
        if line.fault == "full":
            checks["disk"] = False
        return Device(True, digest=line.digest, lock=line.lock, present=line.present, checks=checks,
                      missing=line.missing if not line.present else "")

    def see(self, question):
        line = self.lines[question.name]
        faulty = line.fault if line.digest == line.new else ""
        if not line.online or not line.told:
            return Sight(_judged(question.name, PROGRESSING, "its node is away", line.digest))
        if faulty == "crash" or line.fault == "sick" and line.digest != line.new:
            return Sight(_judged(question.name, FAILED, "crashed", line.digest, final=True))
        if line.digest != question.digest or self.now - line.since < LOAD_SECONDS or faulty == "silent":
            return Sight(_judged(question.name, PROGRESSING, "it is starting", line.digest))
        key = question.name, repr(question.exam), line.digest, line.since
        if self.asked.setdefault(key, self.now) < question.after:
            self.asked[key] = self.now
        if self.now - self.asked[key] < ANSWER_SECONDS:
            return Sight(_judged(question.name, PROGRESSING, "its model was not asked yet", line.digest, probe_wanted=True))
        right = faulty != "wrong"
        outputs = self._outputs(line, faulty, self.asked[key]) if question.exam.counter else None
        count = len(question.exam.requests)
        answers = Answers(f"{line.digest}@{line.since}", self.asked[key], health={}, http=tuple({"right": True} for _turn in range(question.exam.http_turns)),
                          answers=tuple({"right": right} for _request in range(count)), times=(900.0 if faulty == "slow" else 20.0,) * count, outputs=outputs)
        return Sight(_judged(question.name, HEALTHY, "", line.digest), answers)

    @staticmethod
    def _outputs(line, faulty, at):
        """A frame a second since the container's start; one in ten has a scratch, and the model that drifts sees one in two."""
        if faulty == "uncounted":
            return Counted(problem="/metrics answered 404")
        frames = line.old_frames if line.digest != line.new else max(0, at - line.since) // (20 if faulty == "rare" else 1)
        scratches = frames // (2 if faulty == "drifted" else 10)
        return Counted({"good": frames - scratches, "scratch": scratches})

    def switch(self, name, digest, version, record):
        line = self.lines[name]
        if not line.told:
            raise Refused("500 the server is busy", None)
        if not line.online or line.fault == "refuse":
            raise Refused("503 the server is away", None if line.fault == "unsure" else False)
        line.records.append(record)
        if line.digest != digest:
            line.digest, line.since = digest, self.now
            line.switches.append(digest)
        if line.fault == "unsure":
            raise Refused("the answer was lost", None)

    def remember(self, name, record):
        self.lines[name].records.append(record)

    def records(self):
        return {name: line.records[-1] for name, line in self.lines.items() if line.records}


class Memory:
    """A ledger without a disk; ``kill_at``: the number of lines after which the controller dies."""

    def __init__(self, plan, events=(), kill_at=None):
        self.plan, self.events, self.kill_at = plan, list(events), kill_at
        self.synced = len(self.events)
        self.state = initial(plan)
        for event in self.events:
            self.state = reduce(plan, self.state, event)

    @property
    def on_disk(self):
        """What is left when the power goes together with the controller."""
        return self.events[:self.synced]

    def append(self, event):
        if self.kill_at is not None and len(self.events) >= self.kill_at:
            raise Killed
        self.events.append({**event, "seq": len(self.events) + 1, "token": 1})
        self.state = reduce(self.plan, self.state, self.events[-1])
        return self.state

    def sync(self):
        self.synced = len(self.events)

    def of(self, kind, name=None):
        return [event for event in self.events if event["type"] == kind and name in (None, event.get("target"))]


def holds(expression, document):
    return expression == "`true`" or document.get("right") is True


def engine(plan, site, ledger, watch_wave=None, each=map):
    return Engine(plan, ledger, dict.fromkeys(plan["sites"], site), dict.fromkeys(plan["targets"], ASKED), GOLDEN, holds, watch_wave, each)


def run(plan, site, ledger, seconds=20000, orders=(), watch_wave=None, each=map):
    """Turn until the rollout has ended or is paused with nothing under way, or until the time is over. orders: {second: event}."""
    turning, begun = engine(plan, site, ledger, watch_wave, each), site.now
    orders = dict(orders)
    if ledger.state.status == s.READY:
        ledger.append({"type": "start", "at": site.now})
    while site.now < begun + seconds:
        seq = ledger.state.seq
        due = [orders.pop(at) for at in sorted(orders) if begun + at <= site.now]
        for _turn in range(100):
            if not turning.turn(site.now, due):
                break
            due = []
        else:
            raise AssertionError("the engine writes and writes, and nothing happens")
        if ledger.state.status in s.FINISHED and not orders or ledger.state.status == s.PAUSED and not orders and not under_way(ledger.state, plan):
            break
        site.now += 1 if ledger.state.seq != seq else 5
    return ledger.state


def under_way(state, plan):
    return any(state.targets[name].state in (*s.IN_FLIGHT, s.SOAKING) for name in plan["targets"])


def _judged(name, state, found, digest, final=False, probe_wanted=False):
    pod = {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"imageID": "r/x@" + digest, "state": {"running": {}}, "restartCount": 0}]}}
    return TargetJudgement(name, (Finding("workload.rollout", state, found, "healthy", final=final),), pod=pod, probe_wanted=probe_wanted)
