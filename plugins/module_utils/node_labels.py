# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node labels that belong to us: which are allowed, and which patch brings them up to date."""

from __future__ import annotations

import json
import re
from typing import Any

# Ours are remembered on the node itself, so that a label taken out of the inventory is removed from the
# node while labels set by other people stay.
OWNED_ANNOTATION = "edgeai.sites/labels"

_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")
_PREFIX = re.compile(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")
_VALUE = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")
# a node may set these two about itself although they are in Kubernetes' own name space
_OPEN = frozenset(("topology.kubernetes.io/zone", "topology.kubernetes.io/region"))


def check(labels: dict[str, Any]) -> list[str]:
    """Problems of the wanted labels, one sentence each."""
    problems = []
    for key, value in sorted(labels.items()):
        prefix, slash, name = key.rpartition("/")
        if not _NAME.match(name) or (slash and (not _PREFIX.match(prefix) or len(prefix) > 253)):
            problems.append("label %r: not a Kubernetes label name" % key)
        elif key not in _OPEN and re.search(r"(^|\.)(kubernetes|k8s)\.io$", prefix):
            problems.append("label %s: the prefixes kubernetes.io and k8s.io are reserved for Kubernetes, which "
                            "would refuse it; use a prefix of your own" % key)
        elif not isinstance(value, str):
            problems.append("label %s: the value must be a string; write it in quotes (found %r)" % (key, value))
        elif not _VALUE.match(value):
            problems.append("label %s: %r is not a label value (at most 63 letters, digits, - _ .)" % (key, value))
    return problems


def plan(node: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    """The merge patch (``{}`` when nothing is to do) that gives ``node`` exactly our wanted labels."""
    metadata = node.get("metadata") or {}
    current = metadata.get("labels") or {}
    owned = _owned(metadata.get("annotations") or {})
    changes = {key: value for key, value in wanted.items() if current.get(key) != value}  # type: dict[str, Any]
    changes.update({key: None for key in owned if key not in wanted and key in current})
    patch = {}  # type: dict[str, Any]
    if changes:
        patch["labels"] = changes
    if sorted(owned) != sorted(wanted):
        patch["annotations"] = {OWNED_ANNOTATION: json.dumps(sorted(wanted)) if wanted else None}
    return {"metadata": patch} if patch else {}


def diff(node: dict[str, Any], changes: dict[str, Any]) -> dict[str, str]:
    """Label changes in Ansible's form of a diff."""
    current = (node.get("metadata") or {}).get("labels") or {}
    before = ["%s=%s\n" % (key, current[key]) for key in sorted(changes) if key in current]
    after = ["%s=%s\n" % (key, value) for key, value in sorted(changes.items()) if value is not None]
    return {"before_header": "node labels", "after_header": "node labels",
            "before": "".join(before), "after": "".join(after)}


def _owned(annotations: dict[str, str]) -> list[str]:
    try:
        keys = json.loads(annotations.get(OWNED_ANNOTATION) or "[]")
    except ValueError:
        return []
    return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []
