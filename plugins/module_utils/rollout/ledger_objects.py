# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger of a rollout as objects of a Kubernetes cluster: what to write, and how to read it. Pure.

ConfigMap <name>               head: ledger.json {format, version, header, segments, token, writer} and the journal's tail, compressed.
                               Whoever replaces it names the resourceVersion that it has read: so nobody writes over anybody.
ConfigMap <name>-<nnnn>-<tt>   segment: lines that left the tail, compressed, immutable. It counts only if the head names it.
ConfigMap <name>-plan          the plan, compressed, immutable.
ConfigMap <name>-orders        what people ordered of the holder: time -> order.
Lease     <name>               who holds the ledger.

The journal is the header, the lines of the segments in the head's order, and the tail; ``ledger`` reads and checks it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.canonical import canonical
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import REBUILD, RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import MANAGED_BY, MANAGED_BY_LABEL

Object = Dict[str, Any]

FORMAT = "edgeai.sites/rollout-objects"
VERSION = 1
PLACE = "configmap:"
LEDGER_LABEL = "edgeai.sites/ledger"
HEAD, TAIL, PLAN = "ledger.json", "journal.jsonl.gz", "plan.json.gz"
LABEL_LIMIT = 63
# A longer tail is sealed. It is written with every turn that has news: 256 KiB of journal are about 20 KiB there.
TAIL_BYTES = 256 << 10
# Of what is compressed, in base64. The API takes 1 MiB in all.
OBJECT_BYTES = 900 << 10
MAX_UNPACKED = 256 << 20
_PLACE = re.compile(r"configmap:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)/([a-z0-9](?:[-a-z0-9.]{0,198}[a-z0-9])?)")
_SEGMENT = re.compile(r"-\d{4,}-\d+")


@dataclass(frozen=True)
class Segment:
    """Lines that have left the tail. sha256: of the lines as they were, in hex."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Head:
    """What the head holds. header: the journal's first line; tail: the lines behind the segments; all end with a newline.

    writer: who wrote it and his how manieth write it was, so that a write whose answer was lost can be told from another's.
    """

    header: str
    segments: Tuple[Segment, ...] = ()
    tail: Tuple[str, ...] = ()
    token: int = 0
    writer: str = ""


def place(text: str) -> Optional[Tuple[str, str]]:
    """Return namespace and name of ``configmap:<namespace>/<name>``, or None for the path of a directory. RolloutError for a wrong one."""
    if not text.startswith(PLACE):
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise RolloutError(f"found the ledger {text}; wanted {PLACE}<namespace>/<name> in lower-case letters, digits, dashes and (in the name) "
                           "dots, or the path of a directory")
    return found[1], found[2]


def label(name: str) -> str:
    """Return the value of LEDGER_LABEL for all objects of a ledger; longer names than a label may have are told apart by a hash."""
    if len(name) <= LABEL_LIMIT:
        return name
    return name[:LABEL_LIMIT - 13].rstrip("-.") + "-" + hashlib.sha256(name.encode()).hexdigest()[:12]


def plan_name(name: str) -> str:
    """Return the name of the ConfigMap of the plan."""
    return name + "-plan"


def orders_name(name: str) -> str:
    """Return the name of the ConfigMap of the orders."""
    return name + "-orders"


def metadata(namespace: str, name: str, ledger: str) -> Object:
    """Return the metadata of an object of a ledger."""
    return {"namespace": namespace, "name": name, "labels": {MANAGED_BY_LABEL: MANAGED_BY, LEDGER_LABEL: label(ledger)}}


def plan_object(namespace: str, name: str, plan: Mapping[str, Any]) -> Object:
    """Return the ConfigMap of a plan; RolloutError when it is too large for one."""
    return _sealed(namespace, plan_name(name), name, {PLAN: _packed(canonical(plan), f"the plan of {plan['release']}")})


def plan_of(found: Object) -> Any:
    """Return the plan in its ConfigMap, as it was read; RolloutError when it is damaged."""
    text = _unpacked(found, PLAN)
    try:
        return json.loads(text)
    except ValueError:
        raise RolloutError(f"ConfigMap {found['metadata']['name']} holds no plan. {REBUILD}") from None


def orders_object(namespace: str, name: str, orders: Mapping[str, str]) -> Object:
    """Return the ConfigMap of orders, key -> JSON."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(namespace, orders_name(name), name), "data": dict(orders)}


def head_object(namespace: str, name: str, head: Head, version: str = "") -> Object:
    """Return the ConfigMap of a head. version: the resourceVersion that it replaces, empty for a new one."""
    about = {"format": FORMAT, "version": VERSION, "header": head.header, "token": head.token, "writer": head.writer,
             "segments": [{"name": segment.name, "sha256": segment.sha256} for segment in head.segments]}
    return {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {**metadata(namespace, name, name), **({"resourceVersion": version} if version else {})},
            "data": {HEAD: canonical(about)}, "binaryData": {TAIL: _packed("".join(head.tail), "the journal's tail")}}


def head_of(found: Object) -> Head:
    """Return the head in its ConfigMap; RolloutError when it is damaged or of another version."""
    name = found["metadata"]["name"]
    try:
        about = json.loads((found.get("data") or {})[HEAD])
        kind = about.get("format"), about.get("version")
    except (KeyError, ValueError, AttributeError):
        raise RolloutError(f"ConfigMap {name} is no head of a ledger. {REBUILD}") from None
    if kind != (FORMAT, VERSION):
        raise RolloutError(f"found a ledger of {kind[0]} {kind[1]} in ConfigMap {name}; this collection reads {FORMAT} {VERSION}. Finish the "
                           "rollout with the collection that began it")
    tail = _unpacked(found, TAIL)
    try:
        segments = tuple(Segment(str(row["name"]), str(row["sha256"])) for row in about["segments"])
        return Head(str(about["header"]), segments, tuple(tail.splitlines(keepends=True)), int(about["token"]), str(about["writer"]))
    except (KeyError, TypeError, ValueError):
        raise RolloutError(f"ConfigMap {name} is a damaged head of a ledger. {REBUILD}") from None


def extended(namespace: str, name: str, head: Head, lines: Sequence[str], token: int, writer: str) -> Tuple[Head, List[Object]]:
    """Return the head with more lines, and the segments that have to be there before it is written.

    Segments are named by their number and the token: what a controller that died left behind is in nobody's way.
    """
    parts: List[List[str]] = [[]]
    size = 0
    for line in (*head.tail, *lines):
        if size + len(line) > TAIL_BYTES and parts[-1]:
            parts.append([])
            size = 0
        parts[-1].append(line)
        size += len(line)
    segments, objects = list(head.segments), []
    for part in parts[:-1]:
        text = "".join(part)
        segment = Segment(f"{name}-{len(segments) + 1:04d}-{token}", hashlib.sha256(text.encode("ascii")).hexdigest())
        segments.append(segment)
        objects.append(_sealed(namespace, segment.name, name, {TAIL: _packed(text, "a part of the journal")}))
    return Head(head.header, tuple(segments), tuple(parts[-1]), token, writer), objects


def journal(head: Head, objects: Mapping[str, Object]) -> bytes:
    """Return the text of the journal; RolloutError when a segment is missing or is not the one that the head means. objects: by name."""
    parts = [head.header]
    for segment in head.segments:
        if segment.name not in objects:
            raise RolloutError(f"found no ConfigMap {segment.name}, which holds a part of the journal. {REBUILD}")
        text = _unpacked(objects[segment.name], TAIL)
        if hashlib.sha256(text.encode("ascii")).hexdigest() != segment.sha256:
            raise RolloutError(f"ConfigMap {segment.name} was changed: it does not hold the part of the journal that it should. {REBUILD}")
        parts.append(text)
    return "".join((*parts, *head.tail)).encode("ascii")


def leftovers(name: str, head: Optional[Head], objects: Mapping[str, Object]) -> List[Object]:
    """Return segments that the head does not name: their controller died before it had written the head."""
    named = {segment.name for segment in head.segments} if head else set()
    return [found for key, found in sorted(objects.items())
            if key not in named and key.startswith(name) and _SEGMENT.fullmatch(key[len(name):])]


def content(found: Object) -> Tuple[Any, ...]:
    """Return what an object says, without what the server adds: to tell whether a write whose answer was lost was done."""
    return found.get("data") or {}, found.get("binaryData") or {}, found.get("spec") or {}


def _sealed(namespace: str, name: str, ledger: str, data: Dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(namespace, name, ledger), "immutable": True, "binaryData": data}


def _packed(text: str, what: str) -> str:
    # A gzip stream without a time: the same text gives the same object.
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    packed = base64.b64encode(packer.compress(text.encode("ascii")) + packer.flush()).decode("ascii")
    if len(packed) > OBJECT_BYTES:
        raise RolloutError(f"found {len(packed)} bytes for {what}, compressed; a ConfigMap takes {OBJECT_BYTES}. Keep this rollout's ledger in a "
                           "directory (rollout_ledger)")
    return packed


def _unpacked(found: Object, key: str) -> str:
    name = found["metadata"]["name"]
    try:
        unpacker = zlib.decompressobj(31)
        text = unpacker.decompress(base64.b64decode((found.get("binaryData") or {})[key], validate=True), MAX_UNPACKED)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise ValueError("more than it should be, or a part of it")
        return text.decode("ascii")
    except (KeyError, TypeError, ValueError, zlib.error):
        raise RolloutError(f"ConfigMap {name} is damaged: {key} cannot be read. {REBUILD}") from None
