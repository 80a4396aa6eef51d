# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The patch formats and server-side apply."""

from __future__ import annotations

import pytest

from api import JSON_PATCH, STRATEGIC, config_map, deployment


@pytest.fixture
def obj(cluster):
    """Path of a fresh ConfigMap with a=1, b=2."""
    name = cluster.name()
    cluster.create(cluster.core("configmaps"), config_map(name), fieldManager="maker")
    return cluster.core("configmaps", name)


@pytest.fixture
def dep(cluster):
    """Path of a fresh Deployment that runs nothing."""
    name = cluster.name()
    cluster.create(cluster.apps("deployments"), deployment(name, paused=True))
    return cluster.apps("deployments", name)


def test_merge_patch(cluster, obj):
    assert cluster.patch(obj, {"data": {"a": None, "c": "3"}})["data"] == {"b": "2", "c": "3"}


def test_json_patch(cluster, obj):
    answer = cluster.patch(obj, [{"op": "test", "path": "/data/a", "value": "1"},
                                 {"op": "replace", "path": "/data/a", "value": "7"},
                                 {"op": "remove", "path": "/data/b"}], JSON_PATCH)
    assert answer["data"] == {"a": "7"}
    answer = cluster.patch(obj, [{"op": "test", "path": "/data/a", "value": "no"}], JSON_PATCH)
    assert (answer.code, answer["reason"]) == (422, "Invalid")


def test_strategic_patch_merges_by_name_and_deletes(cluster, dep):
    change = {"spec": {"template": {"spec": {"containers": [
        {"name": "c", "env": [{"name": "Y", "value": "2"}]}, {"name": "e", "image": "x.example/e:1"}]}}}}
    containers = {c["name"]: c for c in cluster.patch(dep, change, STRATEGIC)["spec"]["template"]["spec"]["containers"]}
    assert [(e["name"], e["value"]) for e in sorted(containers["c"]["env"], key=lambda e: e["name"])] == [
        ("X", "1"), ("Y", "2")]
    assert containers["c"]["image"] and set(containers) == {"c", "e"}
    change = {"spec": {"template": {"spec": {"containers": [{"name": "e", "$patch": "delete"}]}}}}
    left = cluster.patch(dep, change, STRATEGIC)["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in left] == ["c"]


def test_strategic_patch_replaces_atomic_lists(cluster, dep):
    for value in (["one", "two"], ["three"]):
        change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "args": value}]}}}}
        assert cluster.patch(dep, change, STRATEGIC)["spec"]["template"]["spec"]["containers"][0]["args"] == value


def test_patch_with_stale_version(cluster, obj):
    version = cluster.get(obj)["metadata"]["resourceVersion"]
    cluster.patch(obj, {"data": {"a": "2"}})
    answer = cluster.patch(obj, {"metadata": {"resourceVersion": version}, "data": {"a": "3"}})
    assert (answer.code, answer["reason"]) == (409, "Conflict")


def test_patch_of_unknown_kind(cluster, obj):
    answer = cluster.patch(obj, {"a": 1}, "application/json")
    assert (answer.code, answer["reason"]) == (415, "UnsupportedMediaType")


def test_put_on_a_collection(cluster):
    answer = cluster.call("PUT", cluster.apps("deployments"), deployment("b"))
    assert (answer.code, answer["reason"]) == (405, "MethodNotAllowed")


def test_update_records_its_manager(cluster, obj):
    entry = cluster.get(obj)["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"], entry["fieldsType"]) == ("maker", "Update", "FieldsV1")
    assert "f:a" in entry["fieldsV1"]["f:data"]


# -- server-side apply -----------------------------------------------------------------------------

def applied(name, **data):
    return config_map(name, data)


@pytest.fixture
def new(cluster):
    name = cluster.name("ssa")
    return name, cluster.core("configmaps", name)


def managers(answer):
    return {m["manager"]: m["fieldsV1"] for m in answer["metadata"]["managedFields"] if m["operation"] == "Apply"}


def test_apply_creates_and_then_changes_nothing(cluster, new):
    name, path = new
    first = cluster.apply(path, applied(name, a="1"), "m1")
    again = cluster.apply(path, applied(name, a="1"), "m1")
    assert (first.code, again.code) == (201, 200)
    assert first["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
    assert list(managers(first)) == ["m1"]


def test_apply_takes_yaml(cluster, new):
    name, path = new
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: '1'\n"
    assert cluster.apply(path, text, "m1").code == 201


def test_apply_conflict(cluster, new):
    name, path = new
    cluster.apply(path, applied(name, a="1", b="1"), "m1")
    one = cluster.apply(path, applied(name, a="2"), "m2")
    assert (one.code, one["reason"]) == (409, "Conflict")
    assert one["message"] == 'Apply failed with 1 conflict: conflict with "m1": .data.a'
    assert one["details"]["causes"] == [{"reason": "FieldManagerConflict", "message": 'conflict with "m1"',
                                         "field": ".data.a"}]
    two = cluster.apply(path, applied(name, a="2", b="2"), "m2")
    assert two["message"] == 'Apply failed with 2 conflicts: conflicts with "m1":\n- .data.a\n- .data.b'
    assert cluster.get(path)["data"] == {"a": "1", "b": "1"}


def test_apply_force_moves_the_field(cluster, new):
    name, path = new
    cluster.apply(path, applied(name, a="1", b="1"), "m1")
    answer = cluster.apply(path, applied(name, a="2"), "m2", force="true")
    assert answer["data"] == {"a": "2", "b": "1"}
    owned = managers(answer)
    assert "f:a" not in owned["m1"]["f:data"] and "f:a" in owned["m2"]["f:data"]


def test_apply_removes_what_it_gives_up(cluster, new):
    name, path = new
    cluster.apply(path, applied(name, a="1", b="1"), "m1")
    assert cluster.apply(path, applied(name, a="1"), "m1")["data"] == {"a": "1"}


def test_apply_keeps_what_another_owns_too(cluster, new):
    name, path = new
    cluster.apply(path, applied(name, a="1", b="1"), "m1")
    version = cluster.get(path)["metadata"]["resourceVersion"]
    shared = cluster.apply(path, applied(name, b="1"), "m2")
    assert shared.code == 200 and shared["metadata"]["resourceVersion"] != version
    assert cluster.apply(path, applied(name, a="1"), "m1")["data"] == {"a": "1", "b": "1"}


def test_apply_conflicts_with_an_update(cluster, obj):
    name = obj.rsplit("/", 1)[1]
    answer = cluster.apply(obj, applied(name, a="9"), "m1")
    assert answer.code == 409 and 'conflict with "maker" using v1' in answer["message"]


@pytest.mark.parametrize("change, query, code, text", [
    ({}, {"fieldManager": ""}, 422, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required'),
    ({"managedFields": [{"manager": "x", "operation": "Apply", "apiVersion": "v1"}]}, {}, 400,
     "metadata.managedFields must be nil"),
    ({"resourceVersion": "3"}, {}, 409, "the object has been modified"),
], ids=["no-manager", "managed-fields", "stale"])
def test_apply_refused(cluster, obj, change, query, code, text):
    body = applied(obj.rsplit("/", 1)[1], z="1")
    body["metadata"].update(change)
    answer = cluster.call("PATCH", obj, body, "application/apply-patch+yaml", **{"fieldManager": "m1", **query})
    assert answer.code == code and text in answer["message"], answer


def test_apply_unknown_field(cluster, dep):
    name = dep.rsplit("/", 1)[1]
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"noSuchField": 1}}
    answer = cluster.apply(dep, body, "m1")
    assert answer.code == 500 and answer["message"].endswith(".spec.noSuchField: field not declared in schema")


def test_apply_merges_containers_by_name(cluster):
    name = cluster.name()
    path = cluster.apps("deployments", name)
    assert cluster.apply(path, deployment(name, paused=True), "m1").code == 201
    change = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"template": {"spec": {
        "containers": [{"name": "c", "env": [{"name": "Y", "value": "2"}]}]}}}}
    answer = cluster.apply(path, change, "m2")
    container = answer["spec"]["template"]["spec"]["containers"][0]
    assert sorted(e["name"] for e in container["env"]) == ["X", "Y"] and container["image"]
    owned = managers(answer)["m2"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert list(owned) == ['k:{"name":"c"}']


def test_apply_drops_an_item_of_a_keyed_list_whole(cluster):
    name = cluster.name()
    path = cluster.apps("deployments", name)
    env = [{"name": "A", "value": "x"}, {"name": "B", "value": "y"}]
    assert cluster.apply(path, deployment(name, paused=True, container={"env": env}), "m1").code == 201
    answer = cluster.apply(path, deployment(name, paused=True, container={"env": env[:1]}), "m1")
    assert answer["spec"]["template"]["spec"]["containers"][0]["env"] == env[:1]


def test_apply_conflict_names_the_list_item(cluster):
    name = cluster.name()
    path = cluster.apps("deployments", name)
    cluster.apply(path, deployment(name, paused=True), "m1")
    other = deployment(name, paused=True, container={"env": [{"name": "X", "value": "9"}]})
    causes = cluster.apply(path, other, "m2")["details"]["causes"]
    assert [c["field"] for c in causes] == ['.spec.template.spec.containers[name="c"].env[name="X"].value']


def test_apply_conflicts_with_a_scaler(cluster):
    name = cluster.name()
    body = deployment(name, paused=True)
    body["spec"]["template"]["spec"]["nodeSelector"] = {"contract": "none"}
    path = cluster.apps("deployments", name)
    cluster.apply(path, body, "m1")
    cluster.patch(path, {"spec": {"replicas": 1}}, fieldManager="scaler")
    answer = cluster.apply(path, body, "m1")
    cluster.delete(path)
    assert [c["field"] for c in answer["details"]["causes"]] == [".spec.replicas"]


def test_apply_dry_run(cluster, new):
    name, path = new
    cluster.apply(path, applied(name, a="1"), "m1")
    assert cluster.apply(path, applied(name, a="5"), "m1", dryRun="All")["data"] == {"a": "5"}
    assert cluster.get(path)["data"] == {"a": "1"}


def test_apply_to_status(cluster, dep):
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": dep.rsplit("/", 1)[1]},
            "status": {"conditions": [{"type": "Odd", "status": "True"}]}}
    answer = cluster.apply(dep + "/status", body, "m2")
    assert answer.code == 200, answer
    assert any(m["manager"] == "m2" and m.get("subresource") == "status" for m in answer["metadata"]["managedFields"])
