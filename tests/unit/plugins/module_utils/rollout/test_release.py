# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release files: what is accepted, in which words the rest is refused, and what becomes of defaults."""

from __future__ import annotations

import copy
from pathlib import Path

import jsonschema
import pytest
import yaml

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.release import ReleaseError, expand, load_release, seconds
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.schema import RELEASE as SCHEMA
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import RELEASE

VALIDATE = jsonschema.Draft202012Validator(SCHEMA).iter_errors
ROOT = Path(__file__).resolve().parents[5]


def loaded(data):
    return load_release(yaml.safe_dump(data, sort_keys=False), "r.yml", VALIDATE)


def changed(path, value):
    data = copy.deepcopy(RELEASE)
    *steps, last = path
    place = data
    for step in steps:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return data


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "releases").glob("*.yml")))
def test_the_examples_are_valid(name):
    assert load_release((ROOT / "releases" / name).read_text(encoding="utf-8"), name, VALIDATE)["release"] == name[:-4]


MISTAKES = [
    (("release",), "Vision", "release: found 'Vision'; wanted lower-case letters"),
    (("release",), None, "the key 'release' is missing"),
    (("gates",), None, "the key 'gates' is missing"),
    (("targets", "expect"), None, "the key 'expect' is missing"),
    (("targets", "expect"), 0, "wanted a whole number, 1 to 100000"),
    (("targets", "expects"), 3, "targets.expects: unknown key 'expects'. Did you mean 'expect'?"),
    (("soak",), "3m", "'soak' is a key of a wave."),
    (("workloads", 0, "image"), "vision", "wanted <artifact name>:<artifact version>"),
    (("workloads", 0, "artifacts", "amd64", "digest"), "sha256:12", "wanted sha256: and 64 hexadecimal digits"),
    (("workloads", 0, "artifacts", "x86"), {}, "wanted one of amd64, arm64, arm"),
    (("workloads", 0, "artifacts", "amd64", "delta_mib"), 101, "more than the whole (100)"),
    (("waves", 0, "soak"), "5 minutes", "a duration with its unit"),
    (("waves", 0, "soak"), "5m\n", "a duration with its unit"),
    (("waves", 0, "percent"), 10, "exactly one of pick and percent"),
    (("waves", 0, "max_failures"), 1, "waves[0].max_failures: canaries, the chosen few of the first wave, tolerate no failure"),
    (("waves", 1, "percent"), 90, "the last wave must have percent: 100"),
    (("waves", 1, "name"), "canary", "wave 'canary' is there already"),
    (("budgets", "wan_percent"), 0, "wanted whole percent, 1 to 100"),
    (("windows", "deny"), [{"from": "2026-12-24"}], "'from' needs the key 'to'"),
    (("windows", "deny"), [{"from": "2026-12-24", "to": "2026-12-23"}], "windows.deny[0].to: found 2026-12-23, which is before 2026-12-24"),
    (("windows", "deny"), [{"from": "2026-02-30", "to": "2026-03-02"}], "there is no such date"),
    (("windows", "deny"), [{"days": ["mon"], "start": "10:00", "end": "10:00"}], "it is empty"),
    (("windows", "deny"), [{"sites": ["north"]}], "wanted either from and to (dates) or days"),
    (("gates", "golden", "min"), 1.2, "a fraction from 0 to 1"),
    (("gates", "http"), {"path": "ready", "expression": "x"}, "a path that begins with /"),
    (("gates", "http"), {"path": "/ready", "expression": "true"}, "in JMESPath true is a field of that name"),
    (("gates", "prometheus"), [{"name": "e", "query": "e", "op": "<", "value": 1, "count": 1}], "this gate cannot fail"),
    (("on_failure", "target"), "ignore", "wanted one of rollback, hold"),
]


@pytest.mark.parametrize(("path", "value", "words"), MISTAKES, ids=[words[:40] for _path, _value, words in MISTAKES])
def test_a_mistake_is_told_with_its_place(path, value, words):
    with pytest.raises(ReleaseError) as error:
        loaded(changed(path, value))
    lines = str(error.value).splitlines()
    assert words in str(error.value)
    assert lines[0].startswith("r.yml has ")
    assert lines[1].startswith("r.yml:") and lines[1].split(":")[1].isdigit()


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file():
    data = changed(("release",), "X")
    data["waves"][0]["soak"] = "x"
    data["waves"][1]["percent"] = 50
    with pytest.raises(ReleaseError) as error:
        loaded(data)
    numbers = [int(line.split(":")[1]) for line in str(error.value).splitlines()[1:]]
    assert len(numbers) == 3 and numbers == sorted(numbers)


def test_percents_of_waves_grow():
    data = changed(("waves",), [{"name": "a", "percent": 50}, {"name": "b", "percent": 50}, {"name": "c", "percent": 100}])
    with pytest.raises(ReleaseError, match="an earlier wave has 50 already"):
        loaded(data)


@pytest.mark.parametrize("text", ["", "- a\n", "release: [\n", "release: a\nrelease: b\n", "x" * (1 << 20) + "y"])
def test_what_is_no_release_is_refused(text):
    with pytest.raises(ReleaseError, match="^r.yml"):
        load_release(text, "r.yml", VALIDATE)


def test_defaults_durations_and_sizes():
    release = loaded(RELEASE)
    assert release["timeouts"] == {"prepull": 7200, "switch": 600, "verify": 900, "rollback": 1200, "lock": 7200, "hold": 3600,
                                   "approval": 604800, "total": 2419200}
    assert release["retries"] == {"prepull": 5, "switch": 1, "backoff": 600}
    assert release["budgets"] == {
        "concurrent_targets": 20, "concurrent_sites": 4, "max_unavailable": {"site": 1, "line": 1}, "min_available": {}, "max_deferred_percent": 10,
        "failures": {"max": 4, "percent": 5, "min_sample": 10}, "wan_percent": 50, "mirror": False}
    assert release["windows"] == {"switch": "site", "prepull": "always", "deny": []}
    assert release["workloads"][0]["artifacts"]["amd64"]["size"] == 100 * 1024 * 1024
    assert release["workloads"][0]["artifacts"]["amd64"]["delta"] == 10 * 1024 * 1024
    assert [(wave["name"], wave["soak"], wave["canary"], wave["approval"]) for wave in release["waves"]] == [
        ("canary", 300, True, True), ("rest", 600, False, False)]
    # Never left out, whoever names no gate.
    assert release["gates"] == {"preflight": {"checks": ["arch", "driver", "disk", "gpu_free", "clock", "baseline"]}, "ready": {"timeout": 600},
                                "golden": {"set": RELEASE["gates"]["golden"]["set"], "frames": 4, "min": 1, "warmup": 8, "max_drop": 1}}


def test_what_is_given_comes_before_defaults():
    data = changed(("budgets",), {"max_unavailable": {"site": 3}, "failures": {"max": 1}})
    data["timeouts"] = {"total": "2d"}
    data["gates"]["prometheus"] = [{"name": "5d", "query": "q", "op": "<", "value": 1, "interval": "30s"}]
    release = loaded(data)
    assert release["budgets"]["max_unavailable"] == {"site": 3, "line": 1}
    assert release["budgets"]["failures"] == {"max": 1, "percent": 5, "min_sample": 10}
    assert release["timeouts"]["total"] == 172800 and release["timeouts"]["switch"] == 600
    assert release["gates"]["prometheus"] == [{"name": "5d", "query": "q", "op": "<", "value": 1, "interval": 30, "count": 10, "max_failed": 1}]


def test_waves_of_their_own_need_not_be_written():
    data = changed(("waves",), None)
    waves = expand(data)["waves"]
    assert [wave["name"] for wave in waves] == ["canary", "one-per-site", "quarter", "rest"]
    assert waves[0]["canary"] and waves[0]["approval"] and not waves[0]["optional"]
    assert [(wave.get("percent"), wave["optional"], wave["approval"]) for wave in waves[1:]] == [
        (None, True, False), (25, True, False), (100, True, False)]
    assert {wave["soak"] for wave in waves} == {1800}


@pytest.mark.parametrize(("text", "number"), [("45s", 45), ("10m", 600), ("2h", 7200), ("5d", 432000)])
def test_durations(text, number):
    assert seconds(text) == number
