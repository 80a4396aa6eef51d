# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""edgecore.yaml, held against what a real EdgeCore wrote itself, and the unit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import config, edge_paths
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.config import Wanted

PORTS = {"websocket": 10000, "quic": 10001, "https": 10002, "stream": 10003, "tunnel": 10004}
WANTED = Wanted("edge2", "v1.23.1", "192.0.2.41", PORTS, address="192.0.2.52", cgroup_driver="cgroupfs", pause_image="kubeedge/pause:3.6")
RECORDED = yaml.safe_load((Path(__file__).parent / "data/edgecore-expanded.txt").read_text(encoding="utf-8"))


def written(**changes):
    return yaml.safe_load(config.to_yaml(config.document(WANTED._replace(**changes))))


def nested(value, *path):
    for key in reversed(path):
        value = {key: value}
    return value


def leaves(document, path=()):
    if isinstance(document, dict) and document:
        return {leaf: value for key, item in document.items() for leaf, value in leaves(item, (*path, key)).items()}
    return {path: document}


def test_it_is_what_edgecore_writes_itself():
    """Nothing is missing that EdgeCore would add. What differs is wanted: each difference is named here."""
    recorded, ours = leaves(RECORDED), leaves(written())
    kubelet = ("modules", "edged", "tailoredKubeletConfig")
    differing = {path for path in set(recorded) | set(ours) if recorded.get(path, "absent") != ours.get(path, "absent")}
    assert differing == {
        ("modules", "edged", "nodeLabels", "site"),                    # labels come by the API
        ("modules", "metaManager", "metaServer", "enable"),            # unless asked for: it has no authentication
        ("modules", "edgeStream", "server"),                           # the real one, for those who switch it on
        (*kubelet, "cgroupRoot"), (*kubelet, "clusterDNS"),            # of the recording's own site
    }


def test_exactly_the_version_of_the_binary():
    assert written()["edgecoreVersion"] == "v1.23.1"


@pytest.mark.parametrize("transport", ["websocket", "quic"])
def test_exactly_one_transport(transport):
    """EdgeCore does not start with both, nor with none."""
    hub = written(transport=transport)["modules"]["edgeHub"]
    assert [name for name in ("websocket", "quic") if hub[name]["enable"]] == [transport]


@pytest.mark.parametrize(("server", "url"), [
    ("cloud.example.org", "https://cloud.example.org:10002"), ("2001:db8::1", "https://[2001:db8::1]:10002")])
def test_addresses(server, url):
    assert written(server=server)["modules"]["edgeHub"]["httpServer"] == url


def test_the_users_keys_come_on_top():
    user = nested(50, "modules", "edged", "tailoredKubeletConfig", "maxPods")
    kubelet = written(config=user, taints=[{"key": "a/b", "effect": "NoSchedule"}], resolv_conf="/x")["modules"]["edged"]["tailoredKubeletConfig"]
    assert (kubelet["maxPods"], kubelet["containerLogMaxFiles"], kubelet["resolvConf"]) == (50, 5, "/x")
    assert kubelet["registerWithTaints"] == [{"key": "a/b", "effect": "NoSchedule"}]
    assert written()["modules"]["edged"]["tailoredKubeletConfig"]["maxPods"] == 110, "the defaults are not touched"


@pytest.mark.parametrize(("changes", "words"), [
    ({}, None),
    ({"config": nested("100Mi", "modules", "edged", "tailoredKubeletConfig", "kubeReserved", "memory")}, None),
    ({"config": nested(["169.254.96.16"], "modules", "edged", "tailoredKubeletConfig", "clusterDNS")}, None),
    ({"config": nested(True, "featureGates", "requireAuthorization")}, None),
    ({"config": nested(True, "modules", "metaManager", "metaServer", "enable")}, None),
    ({"config": nested({}, "modules", "edgd")}, "unknown key modules.edgd, which EdgeCore would ignore in silence; did you mean edged"),
    ({"config": nested(1, "modules", "edged", "tailoredKubeletConfig", "maxPod")}, "did you mean maxPods"),
    ({"config": nested("x", "modules", "edged", "nodeIP")}, "which edgecore_address says"),
    ({"config": nested("t", "modules", "edgeHub", "token")}, "the role decides; take it out"),
    ({"config": nested("systemd", "modules", "edged", "tailoredKubeletConfig", "cgroupDriver")}, "edgecore_cgroup_driver says"),
    ({"config": nested("yes", "modules", "edged", "reportEvent")}, "'yes'; wanted true or false"),
    ({"config": nested(1, "modules", "edged")}, "wanted a dictionary"),
    ({"version": "1.23.1"}, "write it like v1.23.1"),
    ({"version": ""}, "write it like v1.23.1"),
    ({"node_name": "Edge_3"}, "'Edge_3' is not one"),
    ({"cgroup_driver": "foo"}, "one of cgroupfs, systemd"),
    ({"transport": "tcp"}, "one of websocket, quic"),
    ({"server": ""}, "names no address of CloudCore"),
    ({"ports": {"https": 10002}}, "ports lacks websocket"),
])
def test_check(changes, words):
    problems = config.check(WANTED._replace(**changes))
    assert (problems == []) if words is None else any(words in problem for problem in problems), problems


@pytest.mark.parametrize("document", [
    {"a": {"b": [{"c": 1, "d": [1, 2]}, "x: y", None], "e": {}, "f": []}, "yes": "no", "1": "0600", "k/x": "é\n"}, {"a": [[1], [2]]}, {}])
def test_yaml(document):
    assert (yaml.safe_load(config.to_yaml(document)) or {}) == document


@pytest.mark.parametrize(("text", "name", "value"), [
    ("a: 1\nmodules:\n  edged:\n    hostnameOverride: edge1\n", "hostnameOverride", "edge1"),
    ('  hostnameOverride: "edge1" # x\n', "hostnameOverride", "edge1"), ("x: 1\n", "hostnameOverride", "")])
def test_scalar(text, name, value):
    assert config.scalar(text, name) == value


def test_a_diff_shows_no_token():
    shown = config.shown('    token: abc.def\n    mqttPassword: ""\n    token: "x"\n    messageQPS: 30\n')
    assert shown == '    token: "***"\n    mqttPassword: ""\n    token: "***"\n    messageQPS: 30\n'


def test_the_unit_comes_after_what_edgecore_needs():
    unit = config.unit()
    for line in ("After=network-online.target containerd.service", "KillMode=process", "Restart=always", "RestartSec=10s",
                 "ExecStart=%s --config=%s" % (edge_paths.BINARY, edge_paths.CONFIG)):
        assert line in unit.splitlines()
    assert subprocess.run(["/bin/sh", "-n", "-c", config.WATCHED.command()], check=False).returncode == 0


def test_with_edgemesh_it_lists_services_and_pods_ask_the_mesh_for_names():
    before, after = leaves(written()), leaves(written(mesh=True))
    kubelet = ("modules", "edged", "tailoredKubeletConfig")
    assert {path for path in after if before.get(path, "absent") != after[path]} == {
        ("modules", "metaManager", "metaServer", "enable"), (*kubelet, "clusterDNS")}
    assert after[(*kubelet, "clusterDNS")] == ["169.254.96.16"] and after[(*kubelet, "clusterDomain")] == "cluster.local"


@pytest.mark.parametrize(("given", "words"), [
    (nested(False, "modules", "metaManager", "metaServer", "enable"), "metaServer.enable to False"),
    (nested(["10.43.0.10"], "modules", "edged", "tailoredKubeletConfig", "clusterDNS"), "clusterDNS to ['10.43.0.10']"),
    (nested(True, "modules", "metaManager", "metaServer", "enable"), ""),
    ({"modules": {"edged": {"reportEvent": True}}}, ""),
])
def test_settings_that_speak_against_edgemesh_are_refused(given, words):
    assert config.check(WANTED._replace(config=given)) == []
    found = config.check(WANTED._replace(config=given, mesh=True))
    assert len(found) == bool(words) and words in "".join(found)
