# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads as an operator writes them: parsed, typed and checked, with the path of what is wrong."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Tuple

MANAGED_BY = "edgeai.sites"
TARGET_LABEL = "edgeai.sites/target"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
CONTAINER = "inference"

NAME_LIMIT = 63
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9]([-._a-z0-9]*[a-z0-9])?:[A-Za-z0-9_][-._A-Za-z0-9]*")
_MODEL = re.compile(r"[A-Za-z0-9_][-._A-Za-z0-9]*")
_ENV = re.compile(r"[-._A-Za-z][-._A-Za-z0-9]*")
_CPU = re.compile(r"([1-9][0-9]*m|[0-9]+(\.[0-9]+)?)")
_MEMORY = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|k|M|G)?")
# No "." or ".." as a step: the path goes through the API server, where it could point elsewhere.
_PATH = re.compile(r"/|(/(?!\.\.?(/|$))[-._~A-Za-z0-9]+)+")

_KEYS = ("name", "image", "runs_on", "port", "model", "load_seconds", "env", "resources", "gpu", "health", "golden")
_REQUIRED = ("name", "image", "runs_on", "port", "health", "golden")


class WorkloadError(ValueError):
    """What was written cannot become a Deployment; the text says where, what was found and what to do."""


@dataclass(frozen=True)
class Workload:
    """One element of ``edge_workloads``. Exactly one of lines, nodes and labels is filled."""

    name: str
    image: str
    lines: Tuple[str, ...]
    nodes: Tuple[str, ...]
    labels: Tuple[Tuple[str, str], ...]
    port: int
    model: str
    load_seconds: int
    env: Tuple[Tuple[str, str], ...]
    cpu: str
    memory: str
    memory_said: bool
    gpu: int
    health_path: str
    health_expression: str
    golden_request: Dict[str, Any]
    golden_expect: str


def is_dns_label(text: Any) -> bool:
    """True for a name that Kubernetes takes as an RFC 1123 label of at most 63 characters."""
    return isinstance(text, str) and len(text) <= NAME_LIMIT and _LABEL.fullmatch(text) is not None


def parse_workloads(data: Any) -> List[Workload]:
    """Return the workloads of ``edge_workloads`` in their order; raise WorkloadError on the first mistake."""
    if not isinstance(data, list):
        raise WorkloadError("edge_workloads: found %s, wanted a list of workloads" % type(data).__name__)
    workloads = [_parse(item, "edge_workloads[%d]" % index) for index, item in enumerate(data)]
    names = [workload.name for workload in workloads]
    for name in names:
        if names.count(name) > 1:
            raise WorkloadError("edge_workloads: the name %r is used %d times; give each workload its own name"
                                % (name, names.count(name)))
    return workloads


def _parse(item: Any, where: str) -> Workload:
    _mapping(item, where, _KEYS, _REQUIRED)
    name = item["name"]
    if not is_dns_label(name):
        raise WorkloadError("%s.name: found %r, wanted at most 63 of a-z, 0-9 and '-', starting and ending "
                            "with a letter or a digit" % (where, name))
    where = "edge_workloads[%s]" % name
    lines, nodes, labels = _runs_on(item["runs_on"], where + ".runs_on")
    resources = _mapping(item.get("resources", {}), where + ".resources", ("cpu", "memory"))
    health = _mapping(item["health"], where + ".health", ("path", "expression"), ("expression",))
    golden = _mapping(item["golden"], where + ".golden", ("request", "expect"), ("request", "expect"))
    return Workload(
        name=name,
        image=_match(item["image"], _IMAGE, where + ".image", "<artifact name>:<version>, like vision:1"),
        lines=lines,
        nodes=nodes,
        labels=labels,
        port=_integer(item["port"], where + ".port", 1, 65535),
        model=_match(item.get("model", name), _MODEL, where + ".model", "the model's name as its server knows it"),
        load_seconds=_seconds(item.get("load_seconds", 30), where + ".load_seconds"),
        env=_env(item.get("env", {}), where + ".env", bool(lines)),
        cpu=_match(str(resources.get("cpu", "100m")), _CPU, where + ".resources.cpu", "cores, like 500m or 2"),
        memory=_match(str(resources.get("memory", "256Mi")), _MEMORY, where + ".resources.memory", "bytes, like 512Mi"),
        memory_said="memory" in resources,
        gpu=_integer(item.get("gpu", 0), where + ".gpu", 0, 16),
        health_path=_match(health.get("path", "/health"), _PATH, where + ".health.path", "a plain path, like /health"),
        health_expression=_text(health["expression"], where + ".health.expression"),
        golden_request=_golden_request(golden["request"], where + ".golden.request"),
        golden_expect=_text(golden["expect"], where + ".golden.expect"),
    )


def _runs_on(value: Any, where: str) -> Tuple[Tuple[str, ...], Tuple[str, ...], Tuple[Tuple[str, str], ...]]:
    _mapping(value, where, ("lines", "nodes", "labels"))
    if len(value) != 1:
        raise WorkloadError("%s: found %s, wanted exactly one of lines, nodes and labels"
                            % (where, ", ".join(sorted(value)) or "nothing"))
    if "labels" in value:
        labels = _mapping(value["labels"], where + ".labels")
        if not labels:
            raise WorkloadError("%s.labels: found none; a workload needs at least one label to be bound by" % where)
        return (), (), tuple(sorted((str(key), str(labels[key])) for key in labels))
    kind = "lines" if "lines" in value else "nodes"
    names = value[kind]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise WorkloadError("%s.%s: found %r, wanted a list of names" % (where, kind, names))
    if len(set(names)) != len(names):
        raise WorkloadError("%s.%s: found a name twice in %s; name each once" % (where, kind, ", ".join(names)))
    return (tuple(names), (), ()) if kind == "lines" else ((), tuple(names), ())


def _env(value: Any, where: str, by_line: bool) -> Tuple[Tuple[str, str], ...]:
    _mapping(value, where)
    for key, text in value.items():
        _match(key, _ENV, "%s.%s" % (where, key), "a name of letters, digits, '_', '-' and '.'")
        if by_line and key == "CAMERA":
            raise WorkloadError("%s.CAMERA: the line already sets it; take it out, or give it another name" % where)
        if not isinstance(text, (str, int, float)) or isinstance(text, bool):
            # The value itself may be a password, so it is not repeated.
            raise WorkloadError("%s.%s: found %s, wanted text (put true, false and lists in quotes)"
                                % (where, key, type(text).__name__))
    return tuple(sorted((key, str(value[key])) for key in value))


def _golden_request(value: Any, where: str) -> Dict[str, Any]:
    _mapping(value, where)
    inputs = value.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise WorkloadError("%s.inputs: found %r, wanted the inputs of an Open Inference Protocol request: a list "
                            "of {name, shape, datatype, data}" % (where, inputs))
    return value


def _mapping(value: Any, where: str, allowed: Tuple[str, ...] = (), required: Tuple[str, ...] = ()) -> Dict[str, Any]:
    if not isinstance(value, dict):
        raise WorkloadError("%s: found %s, wanted a mapping" % (where, type(value).__name__))
    for key in value:
        if allowed and key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, 1)
            hint = "did you mean %r?" % near[0] if near else "known keys: " + ", ".join(allowed)
            raise WorkloadError("%s: unknown key %r; %s" % (where, key, hint))
    missing = [key for key in required if key not in value]
    if missing:
        raise WorkloadError("%s: %s missing; every workload needs %s"
                            % (where, " and ".join(missing), ", ".join(required)))
    return value


def _match(value: Any, pattern: "re.Pattern[str]", where: str, wanted: str) -> str:
    if not isinstance(value, str) or len(value) > 253 or pattern.fullmatch(value) is None:
        raise WorkloadError("%s: found %r, wanted %s" % (where, value, wanted))
    return value


def _integer(value: Any, where: str, low: int, high: int) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)  # Jinja hands numbers over as text
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise WorkloadError("%s: found %r, wanted a whole number from %d to %d" % (where, value, low, high))
    return value


def _seconds(value: Any, where: str) -> int:
    """Return whole seconds, rounded up."""
    try:
        seconds = math.ceil(float(value))
    except (TypeError, ValueError, OverflowError):
        seconds = 0
    if isinstance(value, bool) or not 1 <= seconds <= 7200:
        raise WorkloadError("%s: found %r, wanted seconds, more than 0 and at most 7200" % (where, value))
    return seconds


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise WorkloadError("%s: found %r, wanted a JMESPath expression" % (where, value))
    return value.strip()
