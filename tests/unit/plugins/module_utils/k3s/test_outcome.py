# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told about a wait."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import journal, outcome, ready

WANTED = ready.Wanted("n1", "v1.36.5+k3s1")
LINE = 'time="2026-11-23T09:00:00Z" level=fatal msg="Error: --token is required"'


def starting(at):
    return ready.Sample(at=at, wall=1e9, unit=ready.Unit("activating", "start"))


def registered(at):
    return ready.Sample(at=at, wall=1e9, unit=ready.Unit("active", "running", started=1.0), node=None)


def test_stages_are_told_once_each_with_their_time():
    samples = [starting(10.0), starting(11.0), registered(12.5), registered(13.0)]
    assert outcome.stages(samples, WANTED) == ["unit 0.0 s", "node 2.5 s"]


def test_a_known_cause_gives_meaning_remedy_and_lines():
    verdict = ready.Verdict(ready.FAILED, "unit", "the unit is activating/start")
    told = outcome.failure("k3s-agent.service", "n1", 3.2, verdict, journal.READER.findings([LINE]), [LINE])
    assert told["cause"] == "token_missing"
    for part in ("k3s-agent.service on n1", "after 3 s", "activating/start", "no join token", "Remedy: ", LINE):
        assert part in told["msg"]


def test_without_a_cause_it_says_so():
    verdict = ready.Verdict(ready.PROGRESSING, "api", "the Kubernetes API does not answer")
    told = outcome.failure("k3s.service", "n1", 180.0, verdict, [], [])
    assert told["cause"] == "unknown"
    assert "journalctl" in told["msg"]


def test_a_missing_sandbox_image_needs_no_journal():
    verdict = ready.Verdict(ready.FAILED, "pause", "the sandbox image pause:1 is not on this node")
    told = outcome.failure("k3s.service", "n1", 21.0, verdict, [], ["unrelated"])
    assert told["cause"] == "pause_image"
    assert "unrelated" not in told["msg"]


def test_summary_of_nothing_is_empty_but_named():
    assert outcome.summary(None, "n1") == {"name": "n1", "version": "", "container_runtime": "", "kernel": ""}
