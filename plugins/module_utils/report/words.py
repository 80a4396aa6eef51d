# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people read them, the same in every report format. Pure."""
from __future__ import annotations

from typing import Any


def seconds(value: float) -> str:
    """``0.42`` -> ``0.4 s``, ``75`` -> ``1 min 15 s``."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(int(round(value)), 60)
    return f"{minutes} min {rest} s"


def size(count: int) -> str:
    """Bytes in decimal units, as disks and links are sold: ``68100000`` -> ``68.1 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{int(value)} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def digest(value: str) -> str:
    """The first 12 hex digits of a digest, enough to compare by eye."""
    return (value or "").rpartition(":")[2][:12]


def plural(number: int, noun: str) -> str:
    """``1 site``, ``3 sites``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def answer(target: dict[str, Any]) -> str:
    """The inference answer of a target with its latency, or a dash: ``class 3 in 12 ms``."""
    if target.get("answer") in (None, ""):
        return "-"
    latency = target.get("latency_ms")
    text = _outputs(target["answer"])
    return f"{text} in {latency:.0f} ms" if isinstance(latency, (int, float)) else text


def _outputs(value: Any) -> str:
    """An Open Inference Protocol response as its single values; anything else as it is."""
    outputs = value.get("outputs") if isinstance(value, dict) else None
    if not isinstance(outputs, list):
        return str(value)
    single = [
        f"{output.get('name')} {output['data'][0]}"
        for output in outputs
        if isinstance(output, dict) and isinstance(output.get("data"), list) and len(output["data"]) == 1
    ]
    return ", ".join(single) or plural(len(outputs), "output")
