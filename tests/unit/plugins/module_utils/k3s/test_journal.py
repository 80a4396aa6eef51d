# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What journal lines mean. The lines have the form that K3s v1.36 was seen to write."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import journal


def k3s(level, message):
    return 'time="2026-11-23T09:00:00Z" level=%s msg="%s"' % (level, message)


WAITING = "Waiting to retrieve agent configuration; server is not ready: "
INVALID = "Failed to validate connection to cluster at https://10.0.0.1:6443: "
LINES = [
    ("unknown_key", True, k3s("fatal", "Error: flag provided but not defined: -no-such-key")),
    ("token_missing", True, k3s("fatal", "Error: --token is required")),
    ("token_missing", True, k3s("error", INVALID + "token must not be empty")),
    ("wrong_token", False, k3s("info", WAITING + "failed to retrieve configuration from server: not authorized")),
    ("wrong_ca", False, k3s("error", INVALID + "token CA hash does not match the Cluster CA certificate hash: a != b")),
    ("node_password", False, k3s("info", WAITING + "/x/serving-kubelet.crt: Node password rejected, duplicate hostname")),
    ("node_password", False, k3s("error", "Sending HTTP/1.1 403 response to 10.0.0.2:60028: unable to verify password "
                                          "for node n1: hash does not match")),
    ("token_changed", True, k3s("fatal", "Error: preparing server: failed to bootstrap cluster data: bootstrap data "
                                         "already found and encrypted with different token")),
    ("newer_than_datastore", True, k3s("fatal", "/x/cred/passwd newer than datastore and could cause a cluster outage. "
                                                "Remove the file(s) from disk and restart to be recreated")),
    ("cgroup_v1", True, "Error: failed to validate kubelet configuration, error: kubelet is configured to not run on a "
                        "host using cgroup v1. cgroup v1 support is unsupported and will be removed"),
    ("reserved_label", True, "Error: failed to validate kubelet flags: unknown 'kubernetes.io' or 'k8s.io' labels "
                             "specified with --node-labels: [kubernetes.io/role]"),
    ("kubelet_flags", False, "Error: failed to parse kubelet flag: unknown flag: --no-such"),
    ("no_default_route", False, k3s("fatal", "Error: no default routes found in \\\"/proc/net/route\\\"")),
    ("no_default_route", False, k3s("error", "Shutdown request received: \\\"flannel exited: failed to find the interface: failed to get "
                                             "default interface: unable to find default route\\\"")),
    ("port_taken", False, k3s("fatal", "Error: preparing server: failed to start supervisor listener: listen tcp :6443: "
                                       "bind: address already in use")),
    ("noexec", True, k3s("fatal", "Error: exec: \\\"k3s-agent\\\": executable file not found in $PATH").replace('\\"', '"')),
    ("no_space", False, k3s("error", "failed to copy: failed to send write: write /x: no space left on device")),
    ("broken_registries", False, k3s("info", WAITING + "yaml: line 2: did not find expected ',' or ']'")),
    ("broken_config", True, k3s("fatal", "yaml: line 2: mapping values are not allowed in this context")),
    ("clock", False, k3s("error", "x509: certificate has expired or is not yet valid: current time 1970-01-01")),
    ("pause_image", False, 'E1123 09:40:23.207068    2364 remote_runtime.go:237] "RunPodSandbox failed" err="failed to '
                           'pull image \\"rancher/mirrored-pause:3.10.2\\": failed to resolve reference"'),
    ("image_import", False, k3s("error", "Failed to process image event: failed to import /x.tar: unexpected EOF")),
    ("server_unreachable", False, k3s("error", INVALID + "failed to get CA certs: Get \\\"https://127.0.0.1:6444/cacerts\\\": EOF")),
    ("unknown_key_dropped", False, k3s("warning", "Unknown flag --no-such-key found in config.yaml, skipping\\n")),
]


@pytest.mark.parametrize(("name", "at_once", "line"), LINES)
def test_meaning(name, at_once, line):
    (finding,) = journal.READER.findings([line])
    assert finding.cause.name == name
    assert finding.decisive is at_once


def test_every_cause_is_seen_and_has_a_remedy():
    assert {name for name, dummy, line in LINES} | {"config_mismatch"} == set(journal.READER.by_name)
    assert all(cause.meaning and cause.remedy for cause in journal.CAUSES)


@pytest.mark.parametrize("line", [
    k3s("info", "Starting k3s agent v1.36.3+k3s1 (66a14f0e)"),
    k3s("warning", "Failed to load kernel module br_netfilter with modprobe"),
    k3s("error", "Failed to set sysctl: open /proc/sys/net/netfilter/nf_conntrack_max: permission denied"),
    k3s("error", "Sending HTTP/1.1 503 response to 127.0.0.1:44940: runtime core not ready"),
    k3s("info", WAITING + "/x/serving-kubelet.crt: https://127.0.0.1:6444/v1-k3s/serving-kubelet.crt: 503 Service Unavailable"),
    'I1123 09:18:10.605177     147 file.go:78] "Waiting for caches to sync"',
])
def test_healthy_starts_have_no_findings(line):
    assert journal.READER.findings([line]) == []


def test_three_refusals_are_decisive_two_are_not():
    line = next(line for name, dummy, line in LINES if name == "wrong_token")
    assert not journal.READER.findings([line] * 2)[0].decisive
    assert journal.READER.findings([line] * 3)[0].decisive


def test_a_server_that_is_away_is_never_decisive():
    line = next(line for name, dummy, line in LINES if name == "server_unreachable")
    assert not journal.READER.findings([line] * 500)[0].decisive


def test_decisive_findings_come_first():
    by_name = {name: line for name, dummy, line in LINES}
    found = journal.READER.findings([by_name["wrong_token"], by_name["noexec"]])
    assert [finding.cause.name for finding in found] == ["noexec", "wrong_token"]


def test_excerpt_has_the_cause_and_not_the_noise():
    noise = ["E1123 09:18:10.605177     %d server.go:1] \"Kube error %d\"" % (i, i) for i in range(50)]
    lines = [k3s("info", "hello")] + noise + [line for name, dummy, line in LINES if name == "noexec"] * 3 + noise
    excerpt = journal.READER.excerpt(lines)
    assert len(excerpt) == 1
    assert "executable file not found" in excerpt[0]
    assert excerpt[0].endswith("(x3)")


def test_excerpt_without_a_cause_has_the_last_errors_in_order():
    lines = ["E1123 09:18:10.605177     147 a.go:1] \"error %s\"" % chr(97 + i) for i in range(20)] + ["plain"]
    excerpt = journal.READER.excerpt(lines)
    assert len(excerpt) == 10
    assert excerpt[0].endswith('error k"')
    assert excerpt[-1].endswith('error t"')


def test_excerpt_is_short_and_has_no_secrets():
    secret = "0123456789abcdef0123456789abcdef"
    excerpt = journal.READER.excerpt([k3s("fatal", "token K10%s::node:%s refused " % ("a" * 64, secret) + "x" * 2000)])
    assert secret not in excerpt[0]
    assert len(excerpt[0]) <= 400


def test_excerpt_of_nothing():
    assert journal.READER.excerpt([]) == []
