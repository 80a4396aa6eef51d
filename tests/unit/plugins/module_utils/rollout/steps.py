# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollout that tests drive by hand: one event a line, each a minute after the one before."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.admit import admit
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.decide import decide
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import initial
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import reduce
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NOW, OLD, node, plan

A, B, C = (f"north/vision-n{number}" for number in (1, 2, 3))
# Three targets of one class at one site, without anything to send; the first of them is the canary.
SITE = {"name": "north", "timezone": "UTC", "windows": [], "nodes": [node(f"n{number}") for number in (1, 2, 3)]}
WAVES = [{"name": "canary", "pick": {"per": "class", "prefer": {"first": "1"}}, "soak": "5m"}, {"name": "rest", "percent": 100, "soak": "5m"}]


def small_plan(**changes):
    site = {**SITE, "nodes": [dict(SITE["nodes"][0], labels={"camera": "1", "first": "1"}), *SITE["nodes"][1:]]}
    return plan({"sites": [site]}, **{"targets": {"expect": 3}, "waves": WAVES, "budgets": {"max_unavailable": {"site": 3}}, **changes})


class Rollout:
    def __init__(self, **changes):
        self.plan = small_plan(**changes)
        self.state, self.now = initial(self.plan), NOW

    def __getitem__(self, name):
        return self.state.targets[name]

    def tell(self, kind, target=None, **event):
        """Reduce one event; returns whether it changed anything."""
        before = self.state
        self.state = reduce(self.plan, self.state, {"type": kind, "at": self.now, **({"target": target} if target else {}), **event})
        return self.state != before

    def later(self, seconds):
        self.now += seconds
        return self

    def look(self, name, **seen):
        return self.tell("look", name, **{"online": True, "lock": False, "digest": OLD, "healthy": True, "present": True, **seen})

    def prove(self, name, verdict="pass", **event):
        return self.tell("verified", name, **{"verdict": verdict, "digest": self.plan["targets"][name]["digest"], "seen": self.now, **event})

    def until(self, state, *names):
        """Bring targets to a state on the usual way."""
        way = ["prepulling", "prepulled", "switching", "verifying", "soaking", "succeeded"]
        for name in names:
            for step in way[:way.index(state) + 1]:
                if step == "prepulling":
                    self.look(name)
                    self.tell("pull_intent", name)
                elif step == "prepulled":
                    self.tell("pulled", name)
                elif step == "switching":
                    self.tell("switch_intent", name, to=self.plan["targets"][name]["digest"], **{"from": OLD})
                elif step == "verifying":
                    self.tell("switched", name)
                elif step == "soaking":
                    self.prove(name)
                else:
                    self.later(600)
                    self.prove(name)
                assert self[name].state == step, (name, self[name])
        return self

    def decide(self):
        """Apply all that follows; returns the types of the events."""
        kinds = []
        while True:
            due = decide(self.plan, self.state, self.now)
            if not due:
                return kinds
            for event in due:
                assert self.tell(**_as_arguments(event)), event
                kinds.append(event["type"])

    def acts(self, *kinds):
        """What may be begun, as (act, target or wave)."""
        return [(act["act"], act.get("target", act.get("wave"))) for act in admit(self.plan, self.state, self.now) if not kinds or act["act"] in kinds]


def _as_arguments(event):
    rest = {key: value for key, value in event.items() if key not in ("type", "at", "target")}
    return {"kind": event["type"], "target": event.get("target"), **rest}
