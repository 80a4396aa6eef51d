# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rollouts over the APIs of simulated sites: how often each is asked, and what becomes of it when they are busy, broken or cut off.

What happened is read from the sites' own history, and not from what the controller believes.
"""

from __future__ import annotations

import contextlib
import threading

import pytest
from simulator.faults import Reset
from simulator.record import counts, of_the_api

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import watch
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.tests.scale.controller import Controller, simulator, states
from ansible_collections.edgeai.sites.tests.scale.storm import Storm

# A list and a watch of six kinds. In a longer rollout six watches more for each WATCH_SECONDS.
FOR_EACH_SITE = 12
# The change, and two records of what became of it.
CHANGES = 3
# Health, one answer to warm up and one that counts: before the change, after it, and at the end of the soak.
QUESTIONS = 9
FOR_EACH_TARGET = CHANGES + QUESTIONS
# A soak that is not nothing is always followed by an exam of its own.
SOAKING = [{"name": "all", "percent": 100, "soak": "1s"}]
OLD, NEW, WRONG = (simulator.IMAGES[version] for version in ("1", "2", "wrong"))


def image_of(deployment):
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"].partition("@")[2]


def switches(site):
    """What each Deployment was changed to, in order: name -> [digest, ...]."""
    found = {name: [] for name in site.images()}
    for event in list(site.objects.store.history):
        if event.key[1] == "deployments" and event.old is not None and image_of(event.old) != image_of(event.object):
            found[event.object["metadata"]["name"]].append(image_of(event.object))
    return found


def most_down(site):
    """The most targets of a site that had no ready pod at one time since all were up first."""
    ready, most, up = {}, 0, False
    for event in list(site.objects.store.history):
        if event.key[1] == "pods":
            meta, status = event.object["metadata"], event.object.get("status") or {}
            own = ready.setdefault(meta["labels"]["edgeai.sites/target"], set())
            serves = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or [])
            (own.add if serves and event.type != "DELETED" and not meta.get("deletionTimestamp") else own.discard)(meta["name"])
            down = len(site.nodes) - sum(bool(pods) for pods in ready.values())
            up = up or down == 0
            most = max(most, down) if up else 0
    return most


def run(running, tmp_path, version="2", **changes):
    """Carry a rollout out; return its result and the path of its ledger."""
    controller, ledger = Controller(running.directory), tmp_path / "ledger"
    plan = controller.plan(version, **changes)
    controller.begin(plan, ledger)
    running.record.clear()
    return controller.carry_out(plan, ledger), ledger


def requests_of(fleet, tmp_path, sites, nodes):
    running = fleet(sites, nodes)
    result, _ledger = run(running, tmp_path / str(nodes), waves=SOAKING)
    assert result["status"] == s.DONE, result
    for site in running.sites.values():
        assert switches(site) == {f"vision-{node}": [NEW] for node in site.nodes}
    return running.record.all()


def test_requests_grow_with_sites_and_targets_and_with_nothing_else(fleet, tmp_path):
    few, many = requests_of(fleet, tmp_path, 2, 4), requests_of(fleet, tmp_path, 2, 8)
    for seen, targets in ((few, 4), (many, 8)):
        api = of_the_api(seen)
        assert len(api) <= FOR_EACH_SITE * 2 + CHANGES * targets, counts(api)
        assert len(seen) - len(api) <= QUESTIONS * targets, counts(seen)
        assert {one.status for one in seen} == {200}
    assert len(many) <= 2 * len(few), "twice the targets, at most twice the requests"


def test_it_goes_through_storms_switches_nothing_twice_and_stays_in_its_budget(fleet, tmp_path):
    running = fleet(2, 4, load_seconds=0.1)
    with contextlib.ExitStack() as storms:
        for name, site in running.sites.items():
            storms.enter_context(Storm(site, running.record, turns=1, seed=name))
        result, _ledger = run(running, tmp_path, at_once=1)
    assert result["status"] == s.DONE, result
    for site in running.sites.values():
        assert switches(site) == {f"vision-{node}": [NEW] for node in site.nodes}
        assert most_down(site) == 1
    assert {one.status for one in running.record.all()} & {0, 429, 500, 503}, "the storms were there"


@pytest.mark.parametrize(("version", "status", "state", "history"), [
    ("2", s.DONE, s.SUCCEEDED, [NEW]), ("wrong", s.PAUSED, s.ROLLED_BACK, [WRONG, OLD])])
def test_a_link_cut_at_the_moment_of_a_switch_leads_to_the_right_verdict(fleet, tmp_path, monkeypatch, version, status, state, history):
    monkeypatch.setattr(watch, "WATCH_SECONDS", 1)
    running = fleet(2, 4)
    for site, carried_out in zip(running.sites.values(), (False, True)):
        cut_at_first_change(site, carried_out)
    result, ledger = run(running, tmp_path, version, at_once=1)
    assert result["status"] == status, result
    final = states(ledger)[-1]
    for name, site in running.sites.items():
        assert any(one.status == 0 for one in running.record.all(name) if one.method == "PATCH"), "it was cut"
        changed = {target: images for target, images in switches(site).items() if images}
        assert all(images == history for images in changed.values())
        assert len(changed) == (2 if status == s.DONE else 1), "a model that failed is given to nobody else"
        assert {final.targets[f"{name}/{target}"].state for target in changed} == {state}


def cut_at_first_change(site, carried_out):
    """Cut the link of a site when the first change comes, before or after it is carried out; mend it a moment later."""
    answer, first = site.api.answer, threading.Lock()

    def cut(request):
        if request.method != "PATCH" or not first.acquire(blocking=False):
            return answer(request)
        site.faults.set(cut=True)
        threading.Timer(0.8, site.faults.set).start()
        if carried_out:
            answer(request)
        site.faults.hold()
        raise Reset()

    site.api.answer = cut
