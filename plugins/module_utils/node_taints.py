# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node taints that belong to us: which are allowed, and which list brings them up to date. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

# Ours are remembered on the node itself, so that a taint taken out of the inventory is removed from the node while
# those set by Kubernetes and by other people stay.
OWNED_ANNOTATION = "edgeai.sites/taints"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

_KEY = re.compile(r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")
_VALUE = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")


def check(taints: list[Any]) -> list[str]:
    """Problems of the wanted taints, one sentence each."""
    problems = []
    for taint in taints:
        unknown = sorted(set(taint) - {"key", "value", "effect"}) if isinstance(taint, dict) else ["?"]
        if unknown or not _KEY.match(str(taint.get("key", ""))) or not _VALUE.match(str(taint.get("value", ""))):
            problems.append("taint %r: wanted a dictionary with key, effect and, if it has one, value" % (taint,))
        elif taint.get("effect") not in EFFECTS:
            problems.append("taint %s: the effect is %r; wanted one of %s" % (taint["key"], taint.get("effect"), ", ".join(EFFECTS)))
        elif re.match(r"^([a-z0-9.-]+\.)?(kubernetes|k8s)\.io/", str(taint["key"])):
            problems.append("taint %s: the prefixes kubernetes.io and k8s.io are reserved for Kubernetes" % taint["key"])
    return problems


def plan(node: dict[str, Any], wanted: list[dict[str, str]]) -> dict[str, Any]:
    """The merge patch (``{}`` when nothing is to do) that gives ``node`` exactly our wanted taints and leaves all others.

    The list is replaced as a whole, so the patch names the version of the object that it was made from.
    """
    current = (node.get("spec") or {}).get("taints") or []
    owned = _owned((node.get("metadata") or {}).get("annotations") or {})
    ours = [_clean(taint) for taint in wanted]
    names = [_id(taint) for taint in ours]
    others = [taint for taint in current if _id(taint) not in names and _id(taint) not in owned]
    kept = [_clean(taint) for taint in current if _id(taint) in names or _id(taint) in owned]
    patch = {}  # type: dict[str, Any]
    if sorted(kept, key=_id) != sorted(ours, key=_id):
        patch["spec"] = {"taints": others + ours or None}
        patch["metadata"] = {"resourceVersion": (node.get("metadata") or {}).get("resourceVersion")}
    if sorted(owned) != sorted(names):
        patch.setdefault("metadata", {})["annotations"] = {OWNED_ANNOTATION: json.dumps(sorted(names)) if names else None}
    return patch


def _clean(taint: dict[str, Any]) -> dict[str, str]:
    return {key: str(taint[key]) for key in ("key", "value", "effect") if taint.get(key)}


def _id(taint: dict[str, Any]) -> str:
    return "%s:%s" % (taint.get("key"), taint.get("effect"))


def _owned(annotations: dict[str, str]) -> list[str]:
    try:
        names = json.loads(annotations.get(OWNED_ANNOTATION) or "[]")
    except ValueError:
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
