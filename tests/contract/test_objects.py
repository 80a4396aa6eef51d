# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating, reading, replacing and deleting objects."""

from __future__ import annotations

import pytest

from api import MERGE, config_map, deployment, until


def test_create_fills_in_what_is_the_servers(cluster):
    name = cluster.name()
    obj = cluster.create(cluster.core("configmaps"), config_map(name))
    meta = obj["metadata"]
    assert (obj["kind"], obj["apiVersion"], meta["name"], meta["namespace"]) == ("ConfigMap", "v1", name, cluster.namespace)
    assert meta["uid"] and meta["creationTimestamp"].endswith("Z") and int(meta["resourceVersion"])


def test_list_items_have_no_kind(cluster):
    cluster.create(cluster.core("configmaps"), config_map(cluster.name()))
    listed = cluster.get(cluster.core("configmaps"))
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert int(listed["metadata"]["resourceVersion"]) and "kind" not in listed["items"][0]


def test_create_twice(cluster):
    name = cluster.name()
    cluster.create(cluster.core("configmaps"), config_map(name))
    answer = cluster.call("POST", cluster.core("configmaps"), config_map(name))
    assert (answer.code, answer["reason"]) == (409, "AlreadyExists")
    assert answer["message"] == f'configmaps "{name}" already exists'


def test_generate_name(cluster):
    body = config_map("unused")
    body["metadata"] = {"generateName": "made-"}
    name = cluster.create(cluster.core("configmaps"), body)["metadata"]["name"]
    assert name.startswith("made-") and len(name) == len("made-") + 5


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_missing_object(cluster, method):
    body = {} if method == "PATCH" else None
    answer = cluster.call(method, cluster.apps("deployments", "nope"), body, MERGE)
    assert (answer.code, answer["reason"], answer["message"]) == (404, "NotFound", 'deployments.apps "nope" not found')
    assert answer["details"] == {"name": "nope", "group": "apps", "kind": "deployments"}


def test_missing_namespace(cluster):
    answer = cluster.call("POST", "/api/v1/namespaces/no-such-ns/configmaps", config_map("x"))
    assert (answer.code, answer["message"]) == (404, 'namespaces "no-such-ns" not found')
    assert cluster.get("/api/v1/namespaces/no-such-ns/configmaps")["items"] == []


def test_namespace_of_body_and_path_differ(cluster):
    assert cluster.call("POST", cluster.core("configmaps"), config_map("x", namespace="default")).code == 400


def test_replace_with_stale_version(cluster):
    path = cluster.core("configmaps", cluster.name())
    obj = cluster.create(cluster.core("configmaps"), config_map(path.rsplit("/", 1)[1]))
    assert cluster.call("PUT", path, {**obj, "data": {"a": "2"}}).code == 200
    answer = cluster.call("PUT", path, {**obj, "data": {"a": "3"}})
    assert (answer.code, answer["reason"]) == (409, "Conflict")
    assert answer["message"].endswith("the object has been modified; please apply your changes to the latest version and "
                                      "try again")


def test_replace_without_version_wins_and_drops_absent_keys(cluster):
    name = cluster.name()
    before = cluster.create(cluster.core("configmaps"), config_map(name))
    after = cluster.call("PUT", cluster.core("configmaps", name), config_map(name, {"z": "9"}))
    assert (after["data"], after["metadata"]["uid"]) == ({"z": "9"}, before["metadata"]["uid"])
    assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])


def test_writes_that_change_nothing_keep_the_version(cluster):
    name = cluster.name()
    obj = cluster.create(cluster.core("configmaps"), config_map(name))
    path, version = cluster.core("configmaps", name), obj["metadata"]["resourceVersion"]
    assert cluster.call("PUT", path, obj)["metadata"]["resourceVersion"] == version
    assert cluster.patch(path, {})["metadata"]["resourceVersion"] == version


def test_dry_run_stores_nothing(cluster):
    name = cluster.name()
    cluster.create(cluster.core("configmaps"), config_map(name), dryRun="All")
    assert cluster.call("GET", cluster.core("configmaps", name)).code == 404


def test_secret_text_becomes_data(cluster):
    obj = cluster.create(cluster.core("secrets"), {"metadata": {"name": cluster.name()}, "stringData": {"k": "v"}})
    assert (obj["data"], obj["type"]) == ({"k": "dg=="}, "Opaque") and "stringData" not in obj


def test_immutable_secret(cluster):
    name = cluster.name()
    cluster.create(cluster.core("secrets"), {"metadata": {"name": name}, "stringData": {"k": "v"}, "immutable": True})
    assert cluster.patch(cluster.core("secrets", name), {"stringData": {"k": "w"}}).code == 422


# -- deleting --------------------------------------------------------------------------------------

def test_delete_answers_success_and_then_404(cluster):
    name = cluster.name()
    obj = cluster.create(cluster.core("configmaps"), config_map(name))
    answer = cluster.delete(cluster.core("configmaps", name))
    assert (answer.code, answer["status"], answer["details"]["uid"]) == (200, "Success", obj["metadata"]["uid"])
    assert cluster.call("GET", cluster.core("configmaps", name)).code == 404


def test_delete_with_wrong_uid(cluster):
    name = cluster.name()
    cluster.create(cluster.core("configmaps"), config_map(name))
    answer = cluster.delete(cluster.core("configmaps", name), {"preconditions": {"uid": "other"}})
    assert (answer.code, answer["reason"]) == (409, "Conflict")
    assert "the UID in the precondition (other) does not match the UID in record" in answer["message"]


def test_finalizer_holds_an_object(cluster):
    name = cluster.name()
    path = cluster.core("configmaps", name)
    cluster.create(cluster.core("configmaps"), config_map(name, finalizers=["contract.example/wait"]))
    cluster.delete(path)
    assert cluster.get(path)["metadata"]["deletionTimestamp"]
    cluster.patch(path, {"metadata": {"finalizers": None}})
    assert cluster.call("GET", path).code == 404


def test_delete_collection_by_label(cluster):
    mark = cluster.name()
    for label in (mark, "other"):
        cluster.create(cluster.core("configmaps"), config_map(f"{mark}-{label[:5]}", labels={"m": label}))
    assert cluster.delete(cluster.core("configmaps"), labelSelector=f"m={mark}").code == 200
    assert cluster.call("GET", cluster.core("configmaps", f"{mark}-{mark[:5]}")).code == 404
    assert cluster.call("GET", cluster.core("configmaps", f"{mark}-other")).code == 200


def test_foreground_deletion_shows_its_finalizer(cluster):
    name = cluster.name()
    cluster.create(cluster.apps("deployments"), deployment(name, paused=True))
    answer = cluster.delete(cluster.apps("deployments", name), propagationPolicy="Foreground")
    assert answer["metadata"]["finalizers"] == ["foregroundDeletion"]
    until(lambda: cluster.call("GET", cluster.apps("deployments", name)).code == 404)


def test_namespace_takes_its_objects_along(cluster):
    name = cluster.name("ns")
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
    cluster.create(f"/api/v1/namespaces/{name}/configmaps", config_map("x"))
    assert cluster.delete(f"/api/v1/namespaces/{name}")["status"]["phase"] == "Terminating"
    answer = cluster.call("POST", f"/api/v1/namespaces/{name}/configmaps", config_map("y"))
    assert answer.code in (403, 404)
    until(lambda: cluster.call("GET", f"/api/v1/namespaces/{name}").code == 404, 60)
    assert cluster.get(f"/api/v1/namespaces/{name}/configmaps")["items"] == []


# -- lists -----------------------------------------------------------------------------------------

def test_paging(cluster):
    mark = cluster.name()
    for number in range(3):
        cluster.create(cluster.core("configmaps"), config_map(f"{mark}-{number}", labels={"page": mark}))
    first = cluster.get(cluster.core("configmaps"), labelSelector=f"page={mark}", limit=2)
    rest = cluster.get(cluster.core("configmaps"), labelSelector=f"page={mark}", limit=2,
                       **{"continue": first["metadata"]["continue"]})
    assert [len(first["items"]), len(rest["items"])] == [2, 1] and not rest["metadata"].get("continue")


def test_list_of_the_future(cluster):
    answer = cluster.call("GET", cluster.core("configmaps"), resourceVersion="99999999")
    assert (answer.code, answer["reason"]) == (504, "Timeout")
    assert answer["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize("selector, expected", [
    ("t=x", "a"), ("t==x", "a"), ("t!=x", "bc"), ("t in (x,y)", "ab"), ("t notin (x)", "bc"), ("t", "ab"), ("!t", "c"),
])
def test_label_selectors(cluster, labelled, selector, expected):
    listed = cluster.get(cluster.core("configmaps"), labelSelector=f"g={labelled},{selector}")
    assert "".join(sorted(i["metadata"]["name"][-1] for i in listed["items"])) == expected


@pytest.fixture(scope="module")
def labelled(cluster):
    """Three objects: a with t=x, b with t=y, c without t; all with g=<mark>."""
    mark = cluster.name()
    for suffix, value in (("a", "x"), ("b", "y"), ("c", None)):
        labels = {"g": mark, **({"t": value} if value else {})}
        cluster.create(cluster.core("configmaps"), config_map(f"{mark}-{suffix}", labels=labels))
    return mark


def test_field_selectors(cluster, labelled):
    listed = cluster.get(cluster.core("configmaps"), fieldSelector=f"metadata.name={labelled}-a")
    assert [i["metadata"]["name"] for i in listed["items"]] == [f"{labelled}-a"]
    answer = cluster.call("GET", cluster.core("configmaps"), fieldSelector="data.a=1")
    assert (answer.code, answer["reason"]) == (400, "BadRequest")


# -- defaults and checks ---------------------------------------------------------------------------

def test_defaults_of_a_deployment(cluster):
    body = deployment(cluster.name(), paused=True, container={"resources": {"limits": {"nvidia.com/gpu": 1}}})
    del body["spec"]["replicas"]
    spec = cluster.create(cluster.apps("deployments"), body, dryRun="All")["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["dnsPolicy"], pod["schedulerName"]) == ("Always", "ClusterFirst",
                                                                             "default-scheduler")
    assert pod["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "1"}


def test_defaults_of_a_pod(cluster):
    body = {"metadata": {"name": cluster.name()}, "spec": {"containers": [{"name": "c", "image": "x.example/y:1"}]}}
    spec = cluster.create(cluster.core("pods"), body, dryRun="All")["spec"]
    assert (spec["serviceAccountName"], spec["priority"], spec["enableServiceLinks"]) == ("default", 0, True)
    assert [(t["key"], t["effect"], t["tolerationSeconds"]) for t in spec["tolerations"]] == [
        ("node.kubernetes.io/not-ready", "NoExecute", 300), ("node.kubernetes.io/unreachable", "NoExecute", 300)]
    assert spec["containers"][0]["imagePullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize("image, policy", [("x.example/y", "Always"), ("x.example/y:latest", "Always"),
                                           ("x.example/y:1", "IfNotPresent"),
                                           ("x.example/y@sha256:" + "0" * 64, "IfNotPresent")])
def test_pull_policy_follows_the_tag(cluster, image, policy):
    body = {"metadata": {"name": cluster.name()}, "spec": {"containers": [{"name": "c", "image": image}]}}
    made = cluster.create(cluster.core("pods"), body, dryRun="All")
    assert made["spec"]["containers"][0]["imagePullPolicy"] == policy


def _broken(change):
    def make(name):
        body = deployment(name, paused=True)
        change(body)
        return body
    return make


@pytest.mark.parametrize("change, code, text", [
    (lambda b: b["metadata"].update(name="Bad_Name"), 422, "a lowercase RFC 1123 subdomain must consist of"),
    (lambda b: b["spec"].update(replicas=-1), 422,
     "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    (lambda b: b["spec"].update(replicas="three"), 400, "json: cannot unmarshal string into Go struct field "),
    (lambda b: b["spec"]["template"]["metadata"].update(labels={"app": "other"}), 422,
     "`selector` does not match template `labels`"),
    (lambda b: b["spec"]["template"]["spec"].update(containers=[]), 422, "spec.template.spec.containers: Required value"),
    (lambda b: b["spec"]["template"]["spec"]["containers"][0].pop("image"), 422,
     "spec.template.spec.containers[0].image: Required value"),
    (lambda b: b["spec"]["template"]["spec"].update(restartPolicy="Never"), 422,
     'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'),
    (lambda b: b["spec"]["template"]["spec"]["containers"][0].update(resources={"requests": {"nvidia.com/gpu": "1"}}), 422,
     "Limit must be set for non overcommitable resources"),
], ids=["name", "negative", "type", "selector", "no-containers", "no-image", "restart-policy", "gpu-request"])
def test_refused_deployments(cluster, change, code, text):
    answer = cluster.call("POST", cluster.apps("deployments"), _broken(change)(cluster.name()))
    assert answer.code == code and text in answer["message"], answer
    assert answer["reason"] == ("Invalid" if code == 422 else "BadRequest")


def test_selector_is_immutable(cluster):
    name = cluster.name()
    cluster.create(cluster.apps("deployments"), deployment(name, paused=True))
    answer = cluster.patch(cluster.apps("deployments", name), {"spec": {"selector": {"matchLabels": {"app": "zzz"}}}})
    assert answer.code == 422
    assert [c["field"] for c in answer["details"]["causes"]] == ["spec.template.metadata.labels", "spec.selector"]


def test_unknown_runtime_class(cluster):
    body = {"metadata": {"name": cluster.name()}, "spec": {"runtimeClassName": "nope", "containers": [
        {"name": "c", "image": "x.example/y:1"}]}}
    answer = cluster.call("POST", cluster.core("pods"), body)
    assert (answer.code, answer["reason"]) == (403, "Forbidden")
    assert 'pod rejected: RuntimeClass "nope" not found' in answer["message"]


@pytest.mark.parametrize("validation, code", [("Strict", 400), ("Warn", 201), ("", 201), ("Ignore", 201)])
def test_unknown_fields(cluster, validation, code):
    body = deployment(cluster.name(), paused=True, noSuchField=1)
    query = {"dryRun": "All", **({"fieldValidation": validation} if validation else {})}
    answer = cluster.call("POST", cluster.apps("deployments"), body, **query)
    assert answer.code == code
    if code == 400:
        assert 'strict decoding error: unknown field "spec.noSuchField"' in answer["message"]
    else:
        assert "noSuchField" not in answer["spec"]
        warned = answer.headers.get("Warning", "")
        assert (r'299 - "unknown field \"spec.noSuchField\""' in warned) == (validation != "Ignore")


def test_body_that_is_no_json(cluster):
    answer = cluster.call("POST", cluster.apps("deployments"), "{not json")
    assert (answer.code, answer["reason"]) == (400, "BadRequest")


# -- status, scale, generation ---------------------------------------------------------------------

def test_spec_and_status_are_written_apart(cluster):
    name = cluster.name()
    path = cluster.apps("deployments", name)
    cluster.create(cluster.apps("deployments"), deployment(name, paused=True))
    assert not (cluster.patch(path, {"status": {"readyReplicas": 7, "replicas": 7}})["status"]).get("readyReplicas")
    answer = cluster.patch(path + "/status", {"status": {"conditions": [{"type": "Odd", "status": "True"}]},
                                              "spec": {"replicas": 9}})
    assert answer["spec"]["replicas"] == 0 and "Odd" in [c["type"] for c in answer["status"]["conditions"]]


def test_generation_counts_changes_of_the_spec_and_of_annotations(cluster):
    name = cluster.name()
    path = cluster.apps("deployments", name)
    assert cluster.create(cluster.apps("deployments"), deployment(name, paused=True))["metadata"]["generation"] == 1
    assert cluster.patch(path, {"metadata": {"labels": {"x": "y"}}})["metadata"]["generation"] == 1
    assert cluster.patch(path, {"spec": {"minReadySeconds": 1}})["metadata"]["generation"] == 2
    # Only of Deployments: a record that is kept on one makes a generation, which changes nothing that runs.
    assert cluster.patch(path, {"metadata": {"annotations": {"x": "y"}}})["metadata"]["generation"] == 3
    assert cluster.patch(path, {"metadata": {"annotations": {"x": "y"}}})["metadata"]["generation"] == 3


def test_scale(cluster):
    name = cluster.name()
    cluster.create(cluster.apps("deployments"), deployment(name, paused=True, replicas=0))
    path = cluster.apps("deployments", name) + "/scale"
    scale = cluster.get(path)
    assert (scale["kind"], scale["apiVersion"], scale["spec"].get("replicas", 0)) == ("Scale", "autoscaling/v1", 0)
    assert scale["status"]["selector"] == f"app={name}"
    body = deployment(cluster.name(), paused=True)
    body["spec"]["template"]["spec"]["nodeSelector"] = {"contract": "none"}
    cluster.create(cluster.apps("deployments"), body)
    other = body["metadata"]["name"]
    assert cluster.patch(cluster.apps("deployments", other) + "/scale", {"spec": {"replicas": 1}}).code == 200
    assert cluster.get(cluster.apps("deployments", other))["spec"]["replicas"] == 1
    cluster.delete(cluster.apps("deployments", other))


# -- custom resources ------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def widgets(cluster):
    """A custom resource with a schema: spec.size (integer from 1), spec.mode (default auto). -> path of its objects"""
    group = f"{cluster.name('g')}.contract.example"
    schema = {"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1}, "mode": {"type": "string", "default": "auto"}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    cluster.create(path, {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"}, "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                          "schema": {"openAPIV3Schema": schema}}]}})
    objects = f"/apis/{group}/v1/namespaces/{cluster.namespace}/widgets"
    until(lambda: cluster.call("GET", objects).code == 200, 20)
    yield objects
    cluster.delete(f"{path}/widgets.{group}")
    until(lambda: cluster.call("GET", objects).code == 404, 20)


def _widget(path, name, spec):
    group = path.split("/")[2]
    return {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec, "status": {"x": 1}}


def test_custom_resource_defaults_and_prunes(cluster, widgets):
    obj = until(lambda: cluster.call("POST", widgets, _widget(widgets, "w", {"size": 3, "zz": 1})).json, 10)
    assert obj["spec"] == {"size": 3, "mode": "auto"} and "status" not in obj
    assert obj["metadata"]["generation"] == 1


@pytest.mark.parametrize("spec", [{"size": 0}, {"size": "big"}, {}], ids=["too-small", "wrong-type", "required"])
def test_custom_resource_refuses(cluster, widgets, spec):
    assert cluster.call("POST", widgets, _widget(widgets, cluster.name(), spec)).code == 422


def test_custom_resource_status(cluster, widgets):
    name = cluster.name()
    cluster.create(widgets, _widget(widgets, name, {"size": 1}))
    answer = cluster.patch(f"{widgets}/{name}/status", {"status": {"x": 2}})
    assert (answer["status"], answer["metadata"]["generation"]) == ({"x": 2}, 1)
    assert cluster.get(widgets)["kind"] == "WidgetList"
    answer = cluster.patch(f"{widgets}/{name}", {}, "application/strategic-merge-patch+json")
    assert answer.code == 415
