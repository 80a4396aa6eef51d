# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The device plugin as data."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.capacity import GpuNode, parse_nodes
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.plugin_manifest import (
    config_text,
    node_labels,
    plugin_names,
    plugin_objects,
)

NODES = parse_nodes([
    {"name": "camera-a", "kind": "dgpu", "arch": "amd64"},
    {"name": "camera-c", "kind": "dgpu", "arch": "amd64"},
    {"name": "camera-b", "kind": "tegra", "arch": "arm64", "replicas": 2},
])


def objects(nodes=None, **more):
    return plugin_objects(NODES if nodes is None else nodes, lambda arch: "lab.example/plugin@sha256:" + arch, "edgeai-gpu", **more)


def of(kind, *args, **more):
    return {thing["metadata"]["name"]: thing for thing in objects(*args, **more) if thing["kind"] == kind}


def env(daemon_set):
    return {item["name"]: item.get("value") for item in daemon_set["spec"]["template"]["spec"]["containers"][0]["env"]}


def test_one_daemonset_for_each_class_and_one_of_all_else():
    assert [thing["kind"] for thing in objects()] == ["Namespace", "RuntimeClass", "ConfigMap", "DaemonSet", "DaemonSet"]
    assert sorted(of("DaemonSet")) == plugin_names(NODES)
    assert of("RuntimeClass")["nvidia"]["handler"] == "nvidia"
    assert of("Namespace")["edgeai-gpu"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    json.dumps(objects())


def test_a_card_and_a_jetson_are_found_and_handed_over_each_in_their_way():
    sets = of("DaemonSet")
    card, jetson = sets["nvidia-device-plugin-dgpu-amd64"], sets["nvidia-device-plugin-tegra-arm64-time-slicing-2"]
    assert (env(card)["DEVICE_DISCOVERY_STRATEGY"], env(card)["DEVICE_LIST_STRATEGY"]) == ("nvml", "cdi-cri")
    assert (env(jetson)["DEVICE_DISCOVERY_STRATEGY"], env(jetson)["DEVICE_LIST_STRATEGY"]) == ("tegra", "volume-mounts")
    paths = {volume["hostPath"]["path"] for volume in jetson["spec"]["template"]["spec"]["volumes"] if "hostPath" in volume}
    assert paths == {"/var/lib/kubelet/device-plugins"}


@pytest.mark.parametrize("name", plugin_names(NODES))
def test_every_plugin_pod(name):
    daemon_set = of("DaemonSet")[name]
    template = daemon_set["spec"]["template"]
    pod = template["spec"]
    assert pod["runtimeClassName"] == "nvidia"
    assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true",
                                   "edgeai.sites/gpu-plugin": name.partition("plugin-")[2]}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    container, = pod["containers"]
    assert "@sha256:" in container["image"]
    assert container["resources"]["limits"]["memory"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert daemon_set["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_an_engine_without_runtime_classes():
    assert "RuntimeClass" not in {thing["kind"] for thing in objects(runtime_class="")}
    assert all("runtimeClassName" not in item["spec"]["template"]["spec"] for item in of("DaemonSet", runtime_class="").values())


def test_edgecore_nodes_have_plugins_of_their_own_without_a_runtime_class():
    mixed = [GpuNode("a", "dgpu"), GpuNode("e", "dgpu", runtime="edgecore")]
    made = {thing["metadata"]["name"]: thing for thing in plugin_objects(mixed, lambda arch: "x", "gpu", site="hall")}
    pods = {name: thing["spec"]["template"]["spec"] for name, thing in made.items() if thing["kind"] == "DaemonSet"}
    k3s, edge = pods["nvidia-device-plugin-dgpu-amd64"], pods["nvidia-device-plugin-dgpu-amd64-edge"]
    assert (k3s.get("runtimeClassName"), edge.get("runtimeClassName")) == ("nvidia", None)
    # containerd 1.6 does not take CDI names from the kubelet.
    assert {"name": "DEVICE_LIST_STRATEGY", "value": "volume-mounts"} in edge["containers"][0]["env"]
    assert all(pod["nodeSelector"]["edgeai.sites/site"] == "hall" for pod in pods.values())
    alone = plugin_objects(mixed[1:], lambda arch: "x", "gpu")
    assert "RuntimeClass" not in {thing["kind"] for thing in alone}


def test_the_configuration_is_what_the_plugin_reads():
    shared = yaml.safe_load(config_text(NODES[2]))
    assert shared["version"] == "v1"
    assert shared["sharing"]["timeSlicing"]["resources"] == [{"name": "nvidia.com/gpu", "replicas": 2}]
    assert shared["sharing"]["timeSlicing"]["failRequestsGreaterThanOne"] is True
    assert "sharing" not in yaml.safe_load(config_text(NODES[0]))
    keys = set(of("ConfigMap")["nvidia-device-plugin"]["data"])
    assert keys == {"dgpu-amd64.yaml", "tegra-arm64-time-slicing-2.yaml"}


def test_other_settings_make_another_pod():
    mig = parse_nodes([{"name": "a", "kind": "dgpu", "mig": "single", "count": 7}])
    assert yaml.safe_load(config_text(mig[0]))["flags"]["migStrategy"] == "single"
    first, second = (list(of("DaemonSet", nodes).values())[0] for nodes in (NODES[:1], mig))
    assert first["spec"]["template"]["metadata"]["annotations"] != second["spec"]["template"]["metadata"]["annotations"]
    assert env(second)["NVIDIA_MIG_MONITOR_DEVICES"] == "all"


def test_mps_comes_with_its_daemon():
    nodes = parse_nodes([{"name": "a", "kind": "dgpu", "sharing": "mps", "replicas": 4}])
    sets = of("DaemonSet", nodes)
    assert sorted(sets) == sorted(plugin_names(nodes)) == ["nvidia-device-plugin-dgpu-amd64-mps-4",
                                                           "nvidia-mps-control-dgpu-amd64-mps-4"]
    daemon = sets["nvidia-mps-control-dgpu-amd64-mps-4"]
    assert "edgeai.sites/gpu-plugin" not in daemon["spec"]["template"]["metadata"]["labels"], "it is not the plugin"
    assert yaml.safe_load(config_text(nodes[0]))["sharing"]["mps"]["resources"][0]["replicas"] == 4


def test_labels_come_and_go_with_the_gpu_and_only_where_they_are_not_right():
    present, plugin = "nvidia.com/gpu.present", "edgeai.sites/gpu-plugin"
    right = {"metadata": {"name": "camera-a", "labels": {present: "true", plugin: "dgpu-amd64", "other": "x"}}}
    other_class = {"metadata": {"name": "camera-a", "labels": {present: "true", plugin: "dgpu-amd64-old"}}}
    bare, lost = {"metadata": {"name": "server"}}, {"metadata": {"name": "server", "labels": {present: "true"}}}
    stranger = {"metadata": {"name": "cloud-1", "labels": {present: "true"}}}

    def patches(*nodes):
        return {patch["metadata"]["name"]: patch["metadata"]["labels"] for patch in node_labels(["server", "camera-a"], NODES, nodes)}

    assert patches(right, bare, stranger) == {}
    assert patches() == {}, "a node that has not joined must not come to be by its label"
    site = "edgeai.sites/site"
    assert patches(other_class, lost) == {"camera-a": {present: "true", plugin: "dgpu-amd64", site: None},
                                          "server": {present: None, plugin: None, site: None}}


def test_no_gpu_no_objects():
    assert objects([]) == []
    assert plugin_names([]) == []
