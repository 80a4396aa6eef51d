# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a verification asks of the API of each site, and what it says when the API is busy, broken or out of reach."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from simulator.record import counts, of_the_api

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import watch
from ansible_collections.edgeai.sites.tests.scale.controller import Controller
from ansible_collections.edgeai.sites.tests.scale.storm import Storm

LISTS = {f"list {kind}": 1 for kind in ("deployments", "replicasets", "pods", "nodes", "leases")}


def test_a_site_that_is_well_costs_five_requests_whatever_its_size_and_five_questions_for_each_model(fleet):
    running = fleet(3, 9)
    controller = Controller(running.directory)
    for name, site in running.sites.items():
        result = controller.verify(name)
        assert result["healthy"], result["msg"]
        seen = running.record.all(name)
        assert counts(of_the_api(seen)) == LISTS
        assert len(seen) - len(of_the_api(seen)) == 5 * len(site.nodes), "its health, one answer to warm up, three that are measured"
        assert {one.agent for one in seen} == {"edgeai.sites"} and {one.status for one in seen} == {200}


def test_a_wrong_model_costs_no_more_than_a_right_one(fleet):
    running = fleet(1, 2, version="wrong")
    result = Controller(running.directory).verify("site-1", "wrong")
    assert result["failed"] and "model vision answers" in result["msg"]
    assert counts(of_the_api(running.record.all())) == LISTS


def test_what_is_on_its_way_is_watched_and_asked_only_when_it_is_there(fleet):
    running = fleet(1, 2)
    site, controller = running.sites["site-1"], Controller(running.directory)
    running.switch("site-1", "2")
    result = controller.verify("site-1", "2", deadline=30)
    assert result["healthy"], result["msg"]
    found = counts(running.record.all())
    assert {f"watch {kind}" for kind in ("deployments", "pods")} <= set(found)
    assert set(site.images().values()) == {target["digest"] for target in result["targets"]}


STORMS = [({"status": 503}, "answered 503: fault injected"), ({"status": 500}, "answered 500: fault injected"),
          ({"status": 429}, "answered 429: fault injected"), ({"reset": 1.0}, "does not answer: the connection broke off"),
          ({"lost": 1.0}, "does not answer: the connection broke off"), ({"cut": True}, "has not answered yet")]


def test_under_a_storm_it_ends_by_its_deadline_and_says_why(fleet):
    running = fleet(len(STORMS), len(STORMS))
    controller = Controller(running.directory)
    for site, (fault, _words) in zip(running.sites.values(), STORMS):
        site.faults.set(**fault)
    with ThreadPoolExecutor(len(STORMS)) as pool:
        results = list(pool.map(lambda name: controller.verify(name, deadline=1, grace=30), running.sites))
    for result, (_fault, words) in zip(results, STORMS):
        assert (result["failed"], result["healthy"], result["outcome"]) == (True, False, "deadline")
        assert words in result["msg"] and "the deadline of 1 s has passed" in result["msg"]
        assert {part["verdict"] for part in (*result["targets"], *result["nodes"])} == {"inconclusive"}, "no answer proves nothing"


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(fleet):
    running = fleet(1, 1)
    running.sites["site-1"].faults.set(status=429, retry_after=1)
    Controller(running.directory).verify("site-1", deadline=1, grace=30)
    assert len(running.record.all()) <= len(LISTS) * 2, "at once, and once each second"


def test_errors_that_pass_cost_time_and_no_verdict(fleet):
    running = fleet(1, 3)
    with Storm(running.sites["site-1"], running.record, turns=1, calm=0):
        result = Controller(running.directory).verify("site-1", deadline=60)
    assert result["healthy"], result["msg"]
    assert {0, 200, 429, 500, 503} <= {one.status for one in running.record.all()}, "the storm was there"


def test_a_link_that_is_cut_is_no_failure_of_the_site_and_its_return_is_seen(fleet, monkeypatch):
    monkeypatch.setattr(watch, "WATCH_SECONDS", 1)
    running = fleet(1, 1)
    site, controller = running.sites["site-1"], Controller(running.directory)
    site.faults.set(cut=True)
    threading.Timer(1.0, site.faults.set).start()
    result = controller.verify("site-1", deadline=60)
    assert result["healthy"], result["msg"]
