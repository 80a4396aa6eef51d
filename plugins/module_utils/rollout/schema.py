# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shape of a release file as a JSON Schema (draft 2020-12). Rules between its keys are in release.py.

Every pattern carries a ``description``: it is what an error calls the wanted form.
"""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.fleet.schema import (
    ARCHITECTURES,
    CLOCK,
    DAYS,
    GPUS,
    LABELS,
    NAME,
    NAMES,
    TEXT,
)


def _mapping(properties: dict, required: tuple = (), **more) -> dict:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False, **more}


def _text(pattern: str, description: str) -> dict:
    # $ alone would let a newline pass at the end.
    return {"type": "string", "pattern": "^(?:" + pattern + ")$(?!\n)", "description": description}


def _number(low: int, high: int, what: str) -> dict:
    return {"type": "integer", "minimum": low, "maximum": high, "description": f"{what}, {low} to {high}"}


COUNT = _number(1, 100000, "a whole number")
PERCENT = _number(1, 100, "whole percent")
LIMIT = _number(0, 100000, "a whole number")
FRACTION = {"type": "number", "minimum": 0, "maximum": 1, "description": "a fraction from 0 to 1, such as 0.985"}
POSITIVE = {"type": "number", "exclusiveMinimum": 0, "description": "a number above 0"}
VERSION = _text(r"[0-9]+(\.[0-9]+){0,2}", "a version in quotes, such as \"12.2\"")
DURATION = _text(r"[1-9][0-9]{0,5}[smhd]", "a duration with its unit: 45s, 10m, 2h or 5d")
DATE = _text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "a date in quotes, \"YYYY-MM-DD\"")
DIGEST = _text("sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits")
IDENTITY = _text(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", "lower-case letters, digits, dashes and dots, 63 at most")
PATH = {"type": "string", "pattern": "^/", "description": "a path that begins with /"}
METRIC = _text("[a-zA-Z_:][a-zA-Z0-9_:]*", "the name of a Prometheus metric as its series have it, such as edgeai_outputs_total")
LABEL = _text("[a-zA-Z_][a-zA-Z0-9_]*", "the name of a label of a Prometheus metric, such as bin")
IMAGE = _text(
    r"[a-z0-9]([-a-z0-9._]*[a-z0-9])?:[A-Za-z0-9_][-A-Za-z0-9_.]*",
    "<artifact name>:<artifact version> of an image in the bundle, such as vision:2",
)

ARTIFACT = _mapping({"digest": DIGEST, "size_mib": COUNT, "delta_mib": COUNT}, required=("digest", "size_mib"))

REQUIRES = _mapping(
    {
        "arch": {"type": "array", "items": {"enum": list(ARCHITECTURES)}, "minItems": 1, "uniqueItems": True},
        "gpu": {"type": "array", "items": {"enum": list(GPUS)}, "minItems": 1, "uniqueItems": True},
        "cuda": VERSION,
        "jetpack": {"type": "array", "items": VERSION, "minItems": 1, "uniqueItems": True},
        "gpu_memory_mib": COUNT,
    }
)

WORKLOAD = _mapping(
    {
        "name": NAME,
        "image": IMAGE,
        "model": _mapping({"name": TEXT, "version": TEXT, "digest": DIGEST}, required=("digest",)),
        "artifacts": {
            "type": "object",
            "propertyNames": {"enum": list(ARCHITECTURES)},
            "additionalProperties": ARTIFACT,
        },
        "requires": REQUIRES,
        "load_seconds": {"type": "integer", "minimum": 1, "maximum": 7200, "description": "whole seconds, 1 to 7200"},
        "strategy": {"enum": ["auto", "surge", "replace"]},
    },
    required=("name", "image"),
)

TARGETS = _mapping(
    {
        "expect": COUNT,
        "sites": {**NAMES, "minItems": 1},
        "exclude": _mapping({"sites": NAMES, "nodes": NAMES, "lines": NAMES}),
        "repair": {"type": "boolean"},
    },
    required=("expect",),
)

PICK = _mapping({"per": {"enum": ["class", "site", "line"]}, "count": COUNT, "prefer": LABELS}, required=("per",))

WAVE = _mapping(
    {
        "name": NAME,
        "pick": PICK,
        "percent": PERCENT,
        "max_failures": LIMIT,
        "soak": DURATION,
        "approval": {"type": "boolean"},
        "optional": {"type": "boolean"},
    },
    required=("name",),
)

_PER_GROUP = {"site": COUNT, "line": COUNT}
BUDGETS = _mapping(
    {
        "concurrent_targets": COUNT,
        "concurrent_sites": COUNT,
        "max_unavailable": _mapping({**_PER_GROUP, "fleet": COUNT}),
        "min_available": _mapping(_PER_GROUP),
        "max_deferred_percent": _number(0, 100, "whole percent"),
        "failures": _mapping({"max": LIMIT, "percent": _number(0, 100, "whole percent"), "min_sample": COUNT}),
        "wan_percent": PERCENT,
        "mirror": {"type": "boolean"},
    }
)

DENY = _mapping(
    {
        "sites": {**NAMES, "minItems": 1},
        "from": DATE,
        "to": DATE,
        "days": {"type": "array", "items": {"enum": list(DAYS)}, "minItems": 1, "uniqueItems": True},
        "start": CLOCK,
        "end": CLOCK,
    },
    dependentRequired={"from": ["to"], "to": ["from"], "days": ["start", "end"], "start": ["days"], "end": ["days"]},
)

WINDOWS = _mapping(
    {
        "switch": {"enum": ["site", "always"]},
        "prepull": {"enum": ["site", "always"]},
        "deny": {"type": "array", "items": DENY},
    }
)

GATES = _mapping(
    {
        "preflight": _mapping({"checks": {
            "type": "array", "minItems": 1, "uniqueItems": True,
            "items": {"enum": ["driver", "arch", "disk", "gpu_free", "clock", "baseline"]}}}),
        "ready": _mapping({"timeout": DURATION}),
        "http": _mapping(
            {"path": PATH, "expression": TEXT,
             "consecutive": COUNT},
            required=("path", "expression")),
        "golden": _mapping(
            {"set": DIGEST, "frames": COUNT, "warmup": LIMIT, "min": FRACTION, "max_drop": FRACTION, "tolerance": FRACTION},
            required=("set", "frames", "min")),
        "latency": _mapping({"p95_ms": POSITIVE, "samples": COUNT, "warmup": LIMIT, "max_ratio": POSITIVE},
                            required=("p95_ms", "samples")),
        "prometheus": {"type": "array", "items": _mapping(
            {"name": NAME, "query": TEXT, "op": {"enum": ["<", "<=", ">", ">="]}, "value": {"type": "number"},
             "interval": DURATION, "count": COUNT, "max_failed": LIMIT},
            required=("name", "query", "op", "value"))},
        "drift": _mapping(
            {"output": TEXT, "max": POSITIVE, "samples": COUNT, "metric": METRIC, "label": LABEL, "path": PATH,
             "port": _number(1, 65535, "a port")},
            required=("output", "max")),
        "command": {"type": "array", "items": _mapping(
            {"name": NAME, "argv": {"type": "array", "items": TEXT, "minItems": 1}, "timeout": DURATION},
            required=("name", "argv"))},
    }
)

TIMEOUTS = _mapping({key: DURATION for key in (
    "prepull", "switch", "verify", "rollback", "lock", "hold", "approval", "total")})
RETRIES = _mapping({"prepull": LIMIT, "switch": LIMIT, "backoff": DURATION})
SECONDS = _mapping({key: COUNT for key in ("stop", "ready", "golden")})
ON_FAILURE = _mapping({
    "target": {"enum": ["rollback", "hold"]},
    "stop": {"enum": ["hold", "rollback_wave", "rollback_all"]},
})

RELEASE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "a release file of edgeai.sites",
    **_mapping(
        {
            "release": IDENTITY,
            "description": TEXT,
            "workloads": {"type": "array", "items": WORKLOAD, "minItems": 1},
            "targets": TARGETS,
            "waves": {"type": "array", "items": WAVE, "minItems": 1},
            "budgets": BUDGETS,
            "windows": WINDOWS,
            "gates": GATES,
            "timeouts": TIMEOUTS,
            "retries": RETRIES,
            "seconds": SECONDS,
            "on_failure": ON_FAILURE,
        },
        # How many targets are meant is a fact that the inventory is held against: 0 of 0 is never a success.
        required=("release", "workloads", "targets", "gates"),
    ),
}

PLACES = (
    (RELEASE, "the top level"),
    (WORKLOAD, "a workload"),
    (ARTIFACT, "an artifact"),
    (REQUIRES, "requires"),
    (TARGETS, "targets"),
    (WAVE, "a wave"),
    (PICK, "pick"),
    (BUDGETS, "budgets"),
    (DENY, "a window of deny"),
    (WINDOWS, "windows"),
    (GATES, "gates"),
    (TIMEOUTS, "timeouts"),
)
