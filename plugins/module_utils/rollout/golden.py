# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Golden frames: known questions to a model, each with what a right answer fulfils. Text in, checked frames out.

A set is a JSON file {format, version, frames: [{name, request, expect}]}: ``request`` is an Open Inference Protocol request,
``expect`` a JMESPath expression that is true of a right answer. A release names the set by the SHA-256 of the file, so that
nobody can make a model pass by changing its questions.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError

FORMAT = "edgeai.sites/golden-set"
VERSION = 1
MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class Frame:
    """One question and the expression that a right answer fulfils."""

    name: str
    request: Dict[str, Any]
    expect: str


@dataclass(frozen=True)
class GoldenSet:
    """``digest``: sha256:… of the file."""

    digest: str
    frames: Tuple[Frame, ...]


def digest_of(data: bytes) -> str:
    """Return the name of a set: ``sha256:`` and the hash of its file."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def load_set(data: bytes, name: str, check_expression: Callable[[str], Any]) -> GoldenSet:
    """Return the set in ``data``; RolloutError with the first mistake. check_expression: raises ValueError for a bad one."""
    if len(data) > MAX_BYTES:
        raise RolloutError(f"{name}: found {len(data)} bytes; wanted {MAX_BYTES} at most")
    try:
        document = json.loads(data)
    except ValueError as error:
        raise RolloutError(f"{name}: found no JSON ({error}); wanted a golden set") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT or document.get("version") != VERSION:
        raise RolloutError(f"{name}: found no golden set; wanted format {FORMAT}, version {VERSION}, and frames")
    rows = document.get("frames")
    if not isinstance(rows, list) or not rows:
        raise RolloutError(f"{name}: found no frames; a set without questions proves nothing")
    return GoldenSet(digest_of(data), tuple(_frame(row, f"{name}: frame {number}", check_expression) for number, row in enumerate(rows, 1)))


def choose(sets: Iterable[GoldenSet], gate: Dict[str, Any], where: str) -> GoldenSet:
    """Return the set that a release's gate names; RolloutError when it is not there or has too few frames."""
    found = {item.digest: item for item in sets}
    if gate["set"] not in found:
        there = ", ".join(sorted(found)) or "no set at all"
        raise RolloutError(f"found {there} in {where}; the release wants the golden set {gate['set']}. Put its file there, "
                           "or correct gates.golden.set")
    chosen = found[gate["set"]]
    if len(chosen.frames) < gate["frames"]:
        raise RolloutError(f"golden set {gate['set']} has {len(chosen.frames)} frames; the release asks {gate['frames']}")
    return chosen


def _frame(row: Any, where: str, check_expression: Callable[[str], Any]) -> Frame:
    if not isinstance(row, dict) or set(row) != {"name", "request", "expect"}:
        raise RolloutError(f"{where}: wanted a mapping of name, request and expect")
    request = row["request"]
    if not isinstance(request, dict) or not isinstance(request.get("inputs"), list) or not request["inputs"]:
        raise RolloutError(f"{where}: request has no inputs; wanted an Open Inference Protocol request")
    if not isinstance(row["name"], str) or not isinstance(row["expect"], str):
        raise RolloutError(f"{where}: name and expect have to be text")
    try:
        check_expression(row["expect"])
    except ValueError as error:
        raise RolloutError(f"{where}: {error}") from error
    return Frame(row["name"], request, row["expect"])
