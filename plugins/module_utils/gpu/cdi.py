# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CDI specifications: what is in one, and whether it still fits this host. Pure.

Targets have no YAML library. What is read here is the block form that nvidia-ctk writes, or JSON; of anything else too little
is found, which is then said instead of acted on.
"""
from __future__ import annotations

import json
import re
from typing import NamedTuple

#: Where engines look, the later ones winning over the earlier ones.
DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
MARK = "edgeai.sites"
MANUAL = "/etc/cdi/nvidia.yaml"
REFRESHED = "/var/run/cdi/nvidia.yaml"
KIND = "nvidia.com/gpu"

_KEY = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):(?:\s+(.*))?\Z")
_DRIVER_FILE = re.compile(r"/lib(?:cuda|nvidia[a-z0-9-]*)\.so\.(\d{3}\.\d+(?:\.\d+)?)\Z")
_NUMBERED = re.compile(r"(?:gpu)?\d+(?::\d+)?\Z")


class Spec(NamedTuple):
    """``nodes`` are the devices in a container, ``paths`` must exist on the host; ``versions`` are the driver versions in the names of libraries."""

    kind: str
    devices: tuple
    nodes: tuple
    paths: tuple
    versions: frozenset
    generated: bool
    marked: bool


def parse(text):
    """The Spec in a YAML or JSON ``text``; unreadable text is a Spec without kind and devices."""
    document = _json(text)
    items = list(_walk(document)) if document is not None else _yaml_items(text)
    top = items[0] if items else {}
    devices = tuple(item["name"] for item in items if item.get("_list") == "devices" and "name" in item)
    paths = []
    for item in items:
        if item.get("_list") in ("mounts", "deviceNodes") and item.get("hostPath"):
            paths.append(item["hostPath"])
        elif item.get("_list") in ("deviceNodes", "hooks") and item.get("path"):
            paths.append(item["path"])
    nodes = [item["path"] for item in items if item.get("_list") == "deviceNodes" and item.get("path")]
    versions = frozenset(found.group(1) for found in map(_DRIVER_FILE.search, paths) if found)
    comments = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    hooks = [item.get("path", "") for item in items if item.get("_list") == "hooks"]
    return Spec(
        kind=top.get("kind", ""), devices=devices, nodes=tuple(dict.fromkeys(nodes)), paths=tuple(dict.fromkeys(paths)),
        versions=versions,
        # Nobody writes dozens of library mounts and hooks by hand, and nvidia-ctk writes no comments.
        generated=top.get("kind") == KIND and not comments and bool(devices)
        and all(path.rpartition("/")[2] in ("nvidia-cdi-hook", "nvidia-ctk") for path in hooks) and bool(hooks or versions),
        marked=any(MARK in line for line in comments),
    )


def summary(text):
    """What ``host_probe`` reports of a specification; ``driver`` is the version in the names of its libraries, or empty."""
    spec = parse(text)
    return {"kind": spec.kind, "devices": list(spec.devices), "nodes": list(spec.nodes), "driver": max(spec.versions, default="")}


def stale_because(spec, missing, loaded):
    """Why ``spec`` does not fit this host, "" when it does. ``missing`` are those of its paths that are not there."""
    if spec.versions and loaded and loaded not in spec.versions:
        return "it is for driver %s, loaded is %s" % (", ".join(sorted(spec.versions)), loaded)
    if missing:
        return "%d of its %d files are not there, such as %s" % (len(missing), len(spec.paths), sorted(missing)[0])
    return ""


def may_be_removed(spec):
    """Whether a stale file may go: what a program wrote can be written again, what a person wrote cannot."""
    return spec.marked or spec.generated


def lacks(spec, gpus):
    """How many of ``gpus`` devices have no numbered entry; specifications by uuid only cannot be counted."""
    numbered = [name for name in spec.devices if _NUMBERED.match(name)]
    return max(0, gpus - len(numbered)) if numbered or not spec.devices else 0


def _json(text):
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _walk(node, name=""):
    """Every mapping below ``node`` as a flat item, the list that holds it under ``_list``; the outermost first."""
    if isinstance(node, dict):
        flat = {key: str(value) for key, value in node.items() if not isinstance(value, (dict, list))}
        yield dict(flat, _list=name)
        for key, value in node.items():
            if isinstance(value, list):
                for child in value:
                    yield from _walk(child, key)
            elif isinstance(value, dict):
                yield from _walk(value)


def _yaml_items(text):
    """The same items of block YAML: the top level first, then every list entry that is a mapping."""
    top = {"_list": ""}
    items, open_items, lists = [top], [(0, top)], {}
    for line in text.splitlines():
        body = line.strip()
        if not body or body.startswith(("#", "---", "...")):
            continue
        indent = len(line) - len(line.lstrip())
        while body.startswith("- "):
            open_items = [entry for entry in open_items if entry[0] <= indent]
            # The entry belongs to the nearest key above whose indentation is not deeper.
            owner = max((at for at in lists if at <= indent), default=None)
            body, indent = body[2:].lstrip(), indent + 2
            item = {"_list": lists.get(owner, "")}
            items.append(item)
            open_items.append((indent, item))
            lists = {at: key for at, key in lists.items() if at < indent}
        found = _KEY.match(body)
        if not found:
            continue
        key, value = found.groups()
        open_items = [entry for entry in open_items if entry[0] <= indent] or [(0, top)]
        lists = {at: name for at, name in lists.items() if at < indent}
        if value is None:
            lists[indent] = key
        elif open_items[-1][0] == indent:
            open_items[-1][1].setdefault(key, _plain(value))
    return items


def _plain(value):
    value = value.strip()
    if value[:1] in ("'", '"'):
        return value[1:].split(value[0])[0]
    return value.split(" #")[0].strip()
