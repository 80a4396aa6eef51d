# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects survive a restart; watch history does not."""

from __future__ import annotations

from k3s_standin.api import watch
from k3s_standin.api.objects import Objects
from k3s_standin.api.store import open_store


def make(objects, name):
    return objects.create(objects.registry["configmaps"], "default", {"metadata": {"name": name}, "data": {"a": "1"}})


def first_event(objects, version):
    return next(iter(watch.events(objects, objects.registry["configmaps"], "default", {
        "resourceVersion": str(version), "timeoutSeconds": "1"}, lambda: False)), None)


def test_objects_are_read_back(tmp_path):
    objects = Objects(open_store(tmp_path))
    kept, gone = make(objects, "kept"), make(objects, "gone")
    objects.delete(objects.registry["configmaps"], gone)
    revision = objects.store.revision
    objects.store.close()
    again = Objects(open_store(tmp_path))
    assert again.find("configmaps", "default", "kept") == kept
    assert again.find("configmaps", "default", "gone") is None
    assert again.store.revision == revision


def test_history_ends_with_the_process(tmp_path):
    objects = Objects(open_store(tmp_path))
    version = int(make(objects, "one")["metadata"]["resourceVersion"])
    make(objects, "two")
    assert first_event(objects, version)["type"] == "ADDED"
    objects.store.close()
    again = Objects(open_store(tmp_path))
    assert first_event(again, version)["object"]["message"] == (
        f"too old resource version: {version} ({again.store.revision})")


def test_fresh_datastore_has_no_revision_one(tmp_path):
    objects = Objects(open_store(tmp_path))
    assert first_event(objects, 1)["object"]["code"] == 410
