# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A release file: what should run, on how many targets, and how carefully it gets there. Text in, checked data out.

Times of day are those of each site; durations become whole seconds, sizes whole bytes.
"""

from __future__ import annotations

import copy
import datetime
from typing import Any, Collection, Dict, Iterator, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.fleet.explain import explain
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.parse import Document, Finding, Path, parse
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.schema import PLACES

MAX_BYTES = 1 << 20
MIB = 1 << 20
_DURATIONS = {"timeouts": ("prepull", "switch", "verify", "rollback", "lock", "hold", "approval", "total"), "retries": ("backoff",)}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

# A wave without limits of its own tolerates no failure: who wants more risk writes it down.
WAVES: List[Dict[str, Any]] = [
    {"name": "canary", "pick": {"per": "class"}, "soak": "30m", "approval": True},
    {"name": "one-per-site", "pick": {"per": "site"}, "soak": "30m", "optional": True},
    {"name": "quarter", "percent": 25, "soak": "30m", "optional": True},
    {"name": "rest", "percent": 100, "soak": "30m", "optional": True},
]
DEFAULTS: Dict[str, Dict[str, Any]] = {
    "budgets": {
        "concurrent_targets": 20, "concurrent_sites": 4, "max_unavailable": {"site": 1, "line": 1}, "min_available": {},
        "max_deferred_percent": 10, "failures": {"max": 4, "percent": 5, "min_sample": 10}, "wan_percent": 50, "mirror": False,
    },
    "windows": {"switch": "site", "prepull": "always", "deny": []},
    "timeouts": {"prepull": "2h", "switch": "10m", "verify": "15m", "rollback": "20m", "lock": "2h", "hold": "1h",
                 "approval": "7d", "total": "28d"},
    "retries": {"prepull": 5, "switch": 1, "backoff": "10m"},
    "seconds": {"stop": 10, "ready": 10, "golden": 30},
    "on_failure": {"target": "rollback", "stop": "hold"},
}
GATE_DEFAULTS: Dict[str, Dict[str, Any]] = {
    "preflight": {"checks": ["arch", "driver", "disk", "gpu_free", "clock", "baseline"]},
    "ready": {"timeout": "10m"},
    "http": {"consecutive": 3},
    "golden": {"warmup": 8, "max_drop": 1},
    "latency": {"warmup": 10},
    "drift": {"samples": 500, "metric": "edgeai_outputs_total", "label": "bin", "path": "/metrics"},
    "prometheus": {"interval": "60s", "count": 10, "max_failed": 1},
    "command": {"timeout": "60s"},
}
# What a release proves even when it names no gate of that kind.
ALWAYS = ("preflight", "ready")

Problem = Tuple[Path, str]


class ReleaseError(ValueError):
    """A release file with mistakes; the text has one line for each, with file, line, column and key."""


def load_release(text: str, name: str, validate: Any) -> Dict[str, Any]:
    """Return the release in ``text`` with every default filled in, or raise ReleaseError with all mistakes.

    name: what errors call the file. validate: takes the data and returns jsonschema's errors for ``schema.RELEASE``.
    """
    if len(text) > MAX_BYTES:
        raise ReleaseError(f"{name}: found {len(text)} characters; wanted {MAX_BYTES} at most")
    document, findings = parse(text)
    if document is not None:
        findings = explain(document, validate(document.data), PLACES) + check(document)
    if findings:
        findings.sort(key=lambda finding: (finding.line, finding.column))
        count = "1 mistake" if len(findings) == 1 else f"{len(findings)} mistakes"
        raise ReleaseError("\n".join([f"{name} has {count}:"] + [finding.text(name) for finding in findings]))
    return expand(document.data)


def check(document: Document) -> List[Finding]:
    """Every broken rule between keys. The data may break the schema: parts of a wrong shape are passed over."""
    data = document.data if isinstance(document.data, dict) else {}
    problems = [*_workloads(data), *_waves(data), *_denials(data), *_gates(data)]
    return [document.finding(path, message) for path, message in problems]


def expand(data: Dict[str, Any]) -> Dict[str, Any]:
    """Return a valid release with its defaults, durations in seconds (``soak: 1800``) and sizes in bytes (``size``)."""
    release = {"release": data["release"], "description": data.get("description", "")}
    release["workloads"] = [_workload(item) for item in data["workloads"]]
    targets = data["targets"]
    exclude = {key: sorted(targets.get("exclude", {}).get(key, [])) for key in ("sites", "nodes", "lines")}
    release["targets"] = {"expect": targets["expect"], "sites": sorted(targets.get("sites", [])), "exclude": exclude,
                          "repair": targets.get("repair", False)}
    release["waves"] = [_wave(item, first=not number) for number, item in enumerate(data.get("waves", WAVES))]
    for key, defaults in DEFAULTS.items():
        release[key] = _filled(defaults, data.get(key, {}), _DURATIONS.get(key, ()))
    gates = data["gates"]
    release["gates"] = {kind: _gate(kind, gates.get(kind, {}))
                        for kind in GATE_DEFAULTS if kind in gates or kind in ALWAYS}
    return release


def seconds(duration: str) -> int:
    """``"10m"`` -> 600."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def _filled(defaults: Dict[str, Any], given: Dict[str, Any], durations: Collection[str] = ()) -> Dict[str, Any]:
    """``given`` over ``defaults``, one level of mappings deep; the keys in ``durations`` become seconds."""
    merged = {**copy.deepcopy(defaults), **given}
    for key, value in merged.items():
        if isinstance(value, dict):
            merged[key] = {**defaults[key], **value}
        elif key in durations:
            merged[key] = seconds(value)
    return merged


def _gate(kind: str, given: Any) -> Any:
    if isinstance(given, list):
        return [_gate(kind, item) for item in given]
    return _filled(GATE_DEFAULTS[kind], given, ("timeout", "interval"))


def _workload(item: Dict[str, Any]) -> Dict[str, Any]:
    artifacts = {arch: {"digest": part["digest"], "size": part["size_mib"] * MIB,
                        "delta": part.get("delta_mib", part["size_mib"]) * MIB}
                 for arch, part in item.get("artifacts", {}).items()}
    return {"name": item["name"], "image": item["image"], "model": item.get("model", {}), "artifacts": artifacts,
            "requires": item.get("requires", {}), "load_seconds": item.get("load_seconds", 0),
            "strategy": item.get("strategy", "auto")}


def _wave(item: Dict[str, Any], first: bool) -> Dict[str, Any]:
    wave = {"name": item["name"], "max_failures": item.get("max_failures", 0), "soak": seconds(item.get("soak", "30m")),
            "approval": item.get("approval", False), "optional": item.get("optional", False)}
    if "pick" in item:
        wave["pick"] = {"count": 1, "prefer": {}, **item["pick"]}
    else:
        wave["percent"] = item["percent"]
    # In a wave of a chosen few that all others wait for nothing may go wrong, and nobody may be left out.
    wave["canary"] = first and "pick" in wave
    return wave


def _items(data: Dict[str, Any], key: str) -> Iterator[Tuple[Path, Dict[str, Any]]]:
    value = data.get(key)
    for index, item in enumerate(value if isinstance(value, list) else []):
        if isinstance(item, dict):
            yield (key, index), item


def _doubles(items: List[Tuple[Path, Dict[str, Any]]], kind: str) -> Iterator[Problem]:
    seen = set()
    for path, item in items:
        name = item.get("name")
        if isinstance(name, str) and name in seen:
            yield path + ("name",), f"{kind} '{name}' is there already; name each once"
        seen.add(str(name))


def _workloads(data: Dict[str, Any]) -> Iterator[Problem]:
    items = list(_items(data, "workloads"))
    yield from _doubles(items, "workload")
    for path, item in items:
        artifacts = item.get("artifacts")
        for arch, part in (artifacts if isinstance(artifacts, dict) else {}).items():
            size, delta = (part.get("size_mib"), part.get("delta_mib")) if isinstance(part, dict) else (None, None)
            if isinstance(size, int) and isinstance(delta, int) and delta > size:
                yield path + ("artifacts", arch, "delta_mib"), f"found {delta}, more than the whole ({size}); leave it out"


def _waves(data: Dict[str, Any]) -> Iterator[Problem]:
    items = list(_items(data, "waves"))
    yield from _doubles(items, "wave")
    last: Optional[int] = None
    for path, item in items:
        if ("pick" in item) == ("percent" in item):
            yield path, "wanted exactly one of pick and percent, which say who is in the wave"
        percent = item.get("percent")
        if isinstance(percent, int) and not isinstance(percent, bool):
            if last is not None and percent <= last:
                yield path + ("percent",), (f"found {percent}; percent counts all targets so far, and an earlier wave has "
                                            f"{last} already")
            last = percent
    if items and "pick" in items[0][1] and items[0][1].get("max_failures", 0) != 0:
        yield items[0][0] + ("max_failures",), "canaries, the chosen few of the first wave, tolerate no failure; leave it out"
    if items and items[-1][1].get("percent") != 100:
        yield items[-1][0], "the last wave must have percent: 100, or targets would be in no wave and stay as they are"


def _denials(data: Dict[str, Any]) -> Iterator[Problem]:
    windows = data.get("windows")
    for path, item in _items(windows if isinstance(windows, dict) else {}, "deny"):
        path = ("windows",) + path
        if ("from" in item) == ("days" in item):
            yield path, "wanted either from and to (dates) or days, start and end"
        first, last = _date(item.get("from")), _date(item.get("to"))
        for key, value in (("from", first), ("to", last)):
            if isinstance(item.get(key), str) and value is None:
                yield path + (key,), f"found '{item[key]}'; there is no such date"
        if first and last and last < first:
            yield path + ("to",), f"found {last}, which is before {first}"
        if item.get("start") is not None and item.get("start") == item.get("end"):
            yield path + ("end",), f"the window starts and ends at {item['end']}: it is empty"


def _gates(data: Dict[str, Any]) -> Iterator[Problem]:
    gates = data.get("gates") if isinstance(data.get("gates"), dict) else {}
    for path, item in _items(gates, "prometheus"):
        rule = {**GATE_DEFAULTS["prometheus"], **item}
        # What is no number at all the schema says.
        if all(isinstance(rule[key], int) for key in ("count", "max_failed")) and rule["max_failed"] >= rule["count"]:
            yield ("gates",) + path, (f"of {rule['count']} readings {rule['max_failed']} may break the rule: this gate cannot fail. "
                                      "Lower max_failed, or raise count")
    http = gates.get("http") if isinstance(gates.get("http"), dict) else {}
    if http.get("expression") in ("true", "false"):
        yield ("gates", "http", "expression"), (f"in JMESPath {http['expression']} is a field of that name; the literal is written with "
                                                f"backticks: \"`{http['expression']}`\"")


def _date(value: Any) -> Optional[datetime.date]:
    try:
        return datetime.date.fromisoformat(value)
    except (TypeError, ValueError):
        return None
