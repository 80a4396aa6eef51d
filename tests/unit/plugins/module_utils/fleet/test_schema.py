"""What the schema accepts, and in which words it refuses."""

from __future__ import annotations

import jsonschema
import pytest
import yaml
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.explain import explain
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.parse import dotted, parse
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.schema import ALIASES, FLEET
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.fleet.fleets import DELETE, fleet

VALIDATOR = jsonschema.Draft202012Validator(FLEET)
NODE = "sites.0.nodes.1."
WORKLOAD = "workloads.0."


def findings_of(data):
    document, findings = parse(yaml.safe_dump(data, sort_keys=False))
    assert findings == []
    return explain(document, VALIDATOR.iter_errors(document.data))


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(FLEET)


@pytest.mark.parametrize(
    "change",
    [
        ("fleet", "test"),
        ("workloads", DELETE),
        ("cloud", DELETE),
        ("vars", {"edge_bundle_dir": "{{ x }}", "list": [1, {"any": None}]}),
        (NODE + "gpu", DELETE),
        (NODE + "labels", {"example.com/device": "orin-nx", "empty": ""}),
        (WORKLOAD + "runs_on", {"labels": {"duty": "gate"}}),
        (WORKLOAD + "resources", {"cpu": 2, "memory": "1.5Gi"}),
        (WORKLOAD + "load_seconds", 0.5),
        ("sites.0.api", "https://k3s.example:6443"),
        ("sites.1.transport", "websocket"),
        ("sites.0.cloudcore", {"shape": "host", "addresses": ["192.0.2.9"], "names": [], "ports": {"quic": 1}}),
    ],
)
def test_valid(change):
    assert findings_of(fleet(change)) == []


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        (("plugin", "x.y.z"), "plugin", "wanted edgeai.sites.fleet"),
        (("fleet", "Test"), "fleet", "RFC 1123"),
        (("fleet", DELETE), "(top level)", "the key 'fleet' is missing"),
        (("sites", []), "sites", "at least 1"),
        (("sites", {}), "sites", "wanted a list"),
        (("sites", None), "sites", "found nothing; wanted a list"),
        (("site", []), "site", "unknown key 'site'. Did you mean 'sites'?"),
        (("vars", {"a-b": 1}), "vars.a-b", "an Ansible variable name"),
        (("vars", {1: 1}), "vars[1]", "found the key 1"),
        (("sites.0.nodes.1", "n-a"), "sites[0].nodes[1]", "found 'n-a'; wanted a mapping"),
        ((NODE + "adress", "192.0.2.1"), "sites[0].nodes[1].adress", "Did you mean 'address'?"),
        ((NODE + "windows", []), "sites[0].nodes[1].windows", "'windows' is a key of a site"),
        ((NODE + "timezone", "UTC"), "sites[0].nodes[1].timezone", "'timezone' is a key of a site"),
        ((NODE + "arch", "x86_64"), "sites[0].nodes[1].arch", "Write 'amd64' for 'x86_64'"),
        ((NODE + "arch", "aarch64"), "sites[0].nodes[1].arch", "Write 'arm64' for 'aarch64'"),
        ((NODE + "arch", "amd46"), "sites[0].nodes[1].arch", "Did you mean 'amd64'?"),
        ((NODE + "arch", DELETE), "sites[0].nodes[1]", "the key 'arch' is missing"),
        ((NODE + "runtime", "k3s-agent"), "sites[0].nodes[1].runtime", "Did you mean 'k3s_agent'?"),
        ((NODE + "gpu", True), "sites[0].nodes[1].gpu", "found true; wanted one of none, dgpu, tegra"),
        ((NODE + "name", "a" * 64), "sites[0].nodes[1].name", "63 at most"),
        ((NODE + "name", "line\n"), "sites[0].nodes[1].name", "RFC 1123"),
        ((NODE + "lines", "line-a"), "sites[0].nodes[1].lines", "wanted a list"),
        ((NODE + "lines", ["x", "x"]), "sites[0].nodes[1].lines", "each item once"),
        ((NODE + "labels", {"gpu": True}), "sites[0].nodes[1].labels.gpu", "found true; wanted a Kubernetes label value"),
        ((NODE + "labels", {"-x": "1"}), "sites[0].nodes[1].labels.-x", "a Kubernetes label key"),
        (("sites.0.timezone", DELETE), "sites[0].windows", "'windows' needs the key 'timezone'"),
        (("sites.0.wan_mbit", 0), "sites[0].wan_mbit", "more than 0"),
        (("sites.0.windows.0.start", 1320), "sites[0].windows[0].start", 'in quotes, "HH:MM"'),
        (("sites.0.windows.0.end", "24:00"), "sites[0].windows[0].end", 'in quotes, "HH:MM"'),
        (("sites.0.windows.0.days", ["saturday"]), "sites[0].windows[0].days[0]", "Write 'sat' for 'saturday'"),
        (("sites.1.transport", "wss"), "sites[1].transport", "Write 'websocket' for 'wss'"),
        (("sites.1.transports", "quic"), "sites[1].transports", "Did you mean 'transport'?"),
        (("cloud.transport", "quic"), "cloud.transport", "'transport' is a key of a site"),
        (("cloud.cloudcore.shape", "systemd"), "cloud.cloudcore.shape", "Write 'host' for 'systemd'"),
        (("cloud.cloudcore.address", []), "cloud.cloudcore.address", "Did you mean 'addresses'?"),
        (("cloud.cloudcore.addresses", []), "cloud.cloudcore.addresses", "at least 1"),
        (("cloud.cloudcore.ports", {"https": 0}), "cloud.cloudcore.ports.https", "1 or more"),
        (("cloud.cloudcore.ports", {"hub": 1}), "cloud.cloudcore.ports.hub", "unknown key 'hub'"),
        (("sites.0.api", "http://x:6443"), "sites[0].api", "https://"),
        (("cloud.timezone", "UTC"), "cloud.timezone", "'timezone' is a key of a site"),
        ((WORKLOAD + "image", "vision"), "workloads[0].image", "<artifact name>:<artifact version>"),
        ((WORKLOAD + "runs_on", {}), "workloads[0].runs_on", "exactly one of lines, nodes, labels"),
        ((WORKLOAD + "runs_on", {"lines": ["a"], "nodes": ["b"]}), "workloads[0].runs_on", "exactly one of"),
        ((WORKLOAD + "port", "8080"), "workloads[0].port", "wanted a whole number"),
        ((WORKLOAD + "port", 70000), "workloads[0].port", "65535 or less"),
        ((WORKLOAD + "gpu", -1), "workloads[0].gpu", "0 or more"),
        ((WORKLOAD + "resources.memory", "96 MB"), "workloads[0].resources.memory", "a Kubernetes quantity"),
        ((WORKLOAD + "health.expression", ""), "workloads[0].health.expression", "not empty"),
        ((WORKLOAD + "health.path", "health"), "workloads[0].health.path", "begins with /"),
        ((WORKLOAD + "golden", DELETE), "workloads[0]", "the key 'golden' is missing"),
        ((WORKLOAD + "health", DELETE), "workloads[0]", "the key 'health' is missing"),
        ((WORKLOAD + "golden.expect", DELETE), "workloads[0].golden", "the key 'expect' is missing"),
    ],
)
def test_a_mistake_is_named_where_it_is(change, path, words):
    findings = findings_of(fleet(change))
    assert [(dotted(finding.path), words in finding.message) for finding in findings] == [(path, True)], findings


def test_every_missing_key_is_named_once():
    findings = findings_of(fleet(("sites.0.nodes.1", {})))
    assert sorted(finding.message for finding in findings) == [
        f"the key '{key}' is missing" for key in ("address", "arch", "name", "runtime")
    ]


def test_a_value_that_may_be_a_password_is_not_repeated():
    (finding,) = findings_of(fleet((WORKLOAD + "env", {"PIN": 271828})))
    assert "271828" not in finding.message
    assert "quotes" in finding.message


def test_aliases_lead_to_valid_values():
    enums = {value for schema in _enums(FLEET) for value in schema}
    assert set(ALIASES.values()) <= enums
    assert not set(ALIASES) & enums


def _enums(schema):
    if isinstance(schema, dict):
        if "enum" in schema:
            yield schema["enum"]
        for part in schema.values():
            yield from _enums(part)
