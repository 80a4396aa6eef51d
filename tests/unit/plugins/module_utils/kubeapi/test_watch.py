# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a watcher keeps of what it sees, and how long it believes it."""

from __future__ import annotations

import time

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import watch
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import KubeApi

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.health import cluster as c
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.kubeapi.fake_site import FakeSite, hasty


@pytest.fixture
def site(monkeypatch):
    with hasty(monkeypatch, FakeSite()) as running:
        yield running


@pytest.fixture
def api(site, tmp_path):
    return KubeApi.from_kubeconfig(site.kubeconfig(tmp_path))


def until(condition):
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def managed(thing):
    thing["metadata"]["managedFields"] = [{"manager": "k3s"}]
    return thing


def test_it_does_not_keep_what_nothing_is_decided_by(site, api):
    site.fill(pods=[managed(c.pod())])
    with watch.Watcher(api, "edgeai") as watcher:
        site.put("deployments", managed(c.deployment(name="late")))
        assert until(lambda: "late" in watcher.evidence({}).deployments)
        seen = watcher.evidence({})
    assert all("managedFields" not in thing["metadata"] for kind in (seen.pods, seen.deployments) for thing in kind.values())
    assert all("type%3DWarning" in path for path in site.paths("/events")), "of events, warnings only"


def test_whoever_cannot_see_any_more_says_so(site, api):
    site.fill()
    with watch.Watcher(api, "edgeai") as watcher:
        assert not watcher.evidence({}).blind
        site.refuse = 503
        site.end_watches()
        assert until(lambda: "answered 503" in watcher.evidence({}).blind)
