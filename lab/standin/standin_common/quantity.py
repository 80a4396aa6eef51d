"""Resource quantities: 100m, 96Mi, 2."""

from __future__ import annotations

import re

_SUFFIX = {"": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
           "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
_FORM = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?\d+)?)(m|u|n|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")


def parse(text) -> float:
    """The value as a number; ValueError where it is no quantity."""
    found = _FORM.fullmatch(str(text))
    if not found:
        raise ValueError(f"not a quantity: {text!r}")
    return float(found[1]) * _SUFFIX[found[2] or ""]


def is_extended(resource_name: str) -> bool:
    """A device resource such as nvidia.com/gpu: whole numbers only, request = limit."""
    return "/" in resource_name and not resource_name.startswith("kubernetes.io/")


def pod_requests(spec) -> dict:
    """Resource name -> amount that the pod asks of a node (containers only; one pod slot included)."""
    total = {"pods": 1.0}
    for container in spec.get("containers") or []:
        resources = container.get("resources") or {}
        asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        for name, amount in asked.items():
            total[name] = total.get(name, 0.0) + parse(amount)
    return total


def display(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"
