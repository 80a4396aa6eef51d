# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches: order, replay, selectors, bookmarks, and versions that are too old."""

from __future__ import annotations

import pytest

from api import config_map


def test_events_in_order(cluster):
    path, name = cluster.core("configmaps"), cluster.name()
    watch = cluster.watch(path, resourceVersion=cluster.revision())
    cluster.create(path, config_map(name))
    cluster.patch(f"{path}/{name}", {"data": {"a": "5"}})
    cluster.delete(f"{path}/{name}")
    assert watch.wait(3) == [("ADDED", name), ("MODIFIED", name), ("DELETED", name)]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in watch.events]
    assert versions == sorted(set(versions))


def test_replay_since_a_version(cluster):
    path, name, version = cluster.core("configmaps"), cluster.name(), cluster.revision()
    cluster.create(path, config_map(name))
    cluster.delete(f"{path}/{name}")
    assert cluster.watch(path, resourceVersion=version).wait(2) == [("ADDED", name), ("DELETED", name)]


def test_without_version_it_starts_with_what_is(cluster):
    path, name = cluster.core("configmaps"), cluster.name()
    cluster.create(path, config_map(name))
    assert cluster.watch(path, fieldSelector=f"metadata.name={name}").wait(1) == [("ADDED", name)]


def test_timeout_ends_it_cleanly(cluster):
    watch = cluster.watch(cluster.core("configmaps"), timeoutSeconds="2", resourceVersion=cluster.revision())
    watch.wait(seconds=8)
    assert (watch.done, watch.code, watch.problem) == (True, 200, None)


def test_initial_events_end_with_a_bookmark(cluster):
    path, name = cluster.core("configmaps"), cluster.name()
    cluster.create(path, config_map(name))
    watch = cluster.watch(path, sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true",
                          fieldSelector=f"metadata.name={name}")
    watch.wait(2)
    assert [e["type"] for e in watch.events[:2]] == ["ADDED", "BOOKMARK"]
    assert watch.events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_bookmark_before_the_end(cluster):
    """Usually: a server looks about once a second for watches that end in two, and was seen to miss one. None may wait for it."""
    def kinds():
        watch = cluster.watch(cluster.core("configmaps"), timeoutSeconds="6", allowWatchBookmarks="true", resourceVersion=cluster.revision())
        watch.wait(seconds=12)
        return [event["type"] for event in watch.events]

    assert any("BOOKMARK" in kinds() for _turn in range(3))


def test_version_that_is_too_old(cluster):
    watch = cluster.watch(cluster.core("configmaps"), resourceVersion="1", timeoutSeconds="3")
    watch.wait(seconds=8)
    assert watch.code == 200 and watch.events[0]["type"] == "ERROR"
    status = watch.events[0]["object"]
    assert (status["code"], status["reason"]) == (410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")


def test_version_that_is_no_number(cluster):
    answer = cluster.call("GET", cluster.core("configmaps"), watch="true", resourceVersion="abc", timeoutSeconds="2")
    assert answer.code == 500 and 'Invalid value: "abc"' in answer["message"]


def test_object_that_leaves_and_enters_the_selection(cluster):
    path, name = cluster.core("configmaps"), cluster.name()
    cluster.create(path, config_map(name, labels={"w": name}))
    watch = cluster.watch(path, labelSelector=f"w={name}", resourceVersion=cluster.revision())
    cluster.patch(f"{path}/{name}", {"metadata": {"labels": {"w": None}}})
    cluster.patch(f"{path}/{name}", {"metadata": {"labels": {"w": name}}})
    assert [kind for kind, _ in watch.wait(2)] == ["DELETED", "ADDED"]


def test_all_namespaces(cluster):
    name = cluster.name()
    version = cluster.get("/api/v1/configmaps")["metadata"]["resourceVersion"]
    watch = cluster.watch("/api/v1/configmaps", resourceVersion=version,
                          fieldSelector=f"metadata.namespace={cluster.namespace}")
    cluster.create(cluster.core("configmaps"), config_map(name))
    assert watch.wait(1) == [("ADDED", name)]


def test_python_client(cluster):
    client = pytest.importorskip("kubernetes.client")
    from kubernetes import config, watch
    core = client.CoreV1Api(config.new_client_from_config(cluster.kubeconfig))
    name = cluster.name()
    version = core.list_namespaced_config_map(cluster.namespace).metadata.resource_version
    cluster.create(cluster.core("configmaps"), config_map(name))
    seen = [(e["type"], e["object"].metadata.name) for e in watch.Watch().stream(
        core.list_namespaced_config_map, cluster.namespace, resource_version=version, timeout_seconds=2)]
    assert seen == [("ADDED", name)]
    with pytest.raises(client.ApiException) as caught:
        list(watch.Watch().stream(core.list_namespaced_config_map, cluster.namespace, resource_version="1",
                                  timeout_seconds=2))
    assert caught.value.status == 410
