# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded failures of real EdgeCores, and what is made of their lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_journal as journal
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import outcome
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.health import FAILED, Verdict

DATA = Path(__file__).parent / "data"
CASES = {case["case"]: case["lines"] for case in json.loads((DATA / "edgecore-failures.json").read_text(encoding="utf-8"))}
HEALTHY = (DATA / "edgecore-first-join.log").read_text(encoding="utf-8").splitlines()
# In these cases nothing is wrong with EdgeCore, or its journal is silent; other evidence decides.
SILENT = {"kill_9", "cni_missing", "unknown_key", "wrong_edgecoreVersion", "image_missing", "containerd_stopped_75s"}
CAUSE = {
    "blank_token": "token_form", "no_bootstrap_file": "token_form", "truncated_token": "token_form", "jwt_cut": "token_form",
    "base64_token": "token_form", "quoted_token": "other_ca", "token_of_another_ca": "other_ca", "expired_token": "token_expired",
    "jwt_wrong_key": "token_key", "san_mismatch": "san", "closed_10002": "https_refused", "cloudcore_down_first_start": "https_refused",
    "filtered_10002": "database_lost", "closed_10000": "hub_refused", "ca_replaced_certs_present": "ca_changed",
    "expired_edge_cert_on_disk": "certificate_expired", "existing_node_empty_db": "database_lost", "two_hosts_one_name": "two_hosts",
    "node_deleted_in_cloud": "two_hosts", "kubelet_process": "kubelet_present", "ws_and_quic_on": "transport", "bad_hostname": "config",
    "bad_cgroupdriver_value": "config", "broken_yaml": "config", "no_config": "config", "db_dir_unwritable": "database_directory",
    "containerd_down": "containerd_down", "cri_plugin_disabled": "cri_disabled", "pause_missing": "pause_image",
    "runtime_SystemdCgroup_true_edged_cgroupfs": "cgroup_driver",
}


def test_every_recorded_case_is_known():
    assert set(CASES) == set(CAUSE) | SILENT


@pytest.mark.parametrize("case", sorted(CAUSE))
def test_the_cause_of_a_recorded_failure(case):
    """As often as a crash loop repeats them within a minute."""
    found = journal.READER.findings(CASES[case] * 3)
    assert found[0].cause.name == CAUSE[case]
    assert found[0].cause.meaning and found[0].cause.remedy


def test_a_healthy_start_has_no_cause():
    """It logs errors all the same: a search for them cannot be a test of health."""
    assert journal.READER.findings(HEALTHY) == []
    assert journal.count(journal.X509, HEALTHY) == 0


def test_what_was_before_a_stop_is_about_another_life():
    old, new = CASES["two_hosts_one_name"], CASES["broken_yaml"]
    lines = [*old, "Stopping edgecore.service - EdgeCore...", "Stopped edgecore.service - EdgeCore.", *new]
    assert {finding.cause.name for finding in journal.READER.findings(lines)} == {"two_hosts", "config"}
    assert {finding.cause.name for finding in journal.READER.findings(journal.of_this_life(lines))} == {"config"}
    assert journal.of_this_life(new) == new, "a crash loop is one life: its last words are in the process before"


@pytest.mark.parametrize("case", ["closed_10002", "closed_10000", "two_hosts_one_name"])
def test_what_may_heal_does_not_end_the_wait(case):
    assert not any(finding.decisive for finding in journal.READER.findings(CASES[case] * 50))


def test_certificate_errors_from_before_the_last_connection_have_healed():
    errors = [line for line in CASES["ca_replaced_certs_present"] if "x509" in line]
    assert journal.count(journal.X509, errors * 3) == 3 * len(errors)
    assert journal.count(journal.X509, errors + HEALTHY) == 0
    assert journal.count(journal.X509, HEALTHY + errors) == len(errors)


@pytest.mark.parametrize("token", ["%s.eyJhbGci.eyJleHAi.c2lnbmF0dXJl" % ("a" * 64), "%s.eyJh" % ("a" * 64), "bm90aGluZw==", "eyJhbGciOiJI.eyJleHAi.x"])
def test_a_token_that_edgecore_prints_is_hidden(token):
    line = "panic: failed to apply the edge certs, err: token %s credentials are in the wrong format" % token
    told = outcome.failure("edge1", 12, Verdict(FAILED, "unit", "dies"), journal.READER.findings([line]), [line])
    assert token not in json.dumps(told)
    assert (told["cause"], "edge1 is not up after 12 s" in told["msg"]) == ("token_form", True)


def test_hashes_stay():
    line = "failed to validate CA certificate. tokenCAhash: %s, CAhash: %s" % ("a" * 64, "b" * 64)
    assert journal.mask(line) == line


@pytest.mark.parametrize(("stage", "cause"), [("pause", "pause_image"), ("network", "cni"), ("syncloop", "unknown")])
def test_what_was_found_by_looking(stage, cause):
    assert outcome.failure("edge1", 9, Verdict(FAILED, stage, "x"), [], ["a line"])["cause"] == cause


@pytest.mark.parametrize("stage", ["node", "version", "heartbeat", "pods", "answer", "cloud"])
def test_what_the_cloud_sees_has_a_remedy(stage):
    told = outcome.failure_in_the_cloud("edge1", 9.0, Verdict(FAILED, stage, "the reason"), ["line"])
    assert told["cause"] == stage and told["remedy"] != outcome.NO_CAUSE and "well by itself, but after 9 s the reason" in told["msg"]
