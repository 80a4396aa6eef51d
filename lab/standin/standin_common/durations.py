"""Durations as Go writes them: 5m0s, 40s, 1m30s, 500ms."""

from __future__ import annotations

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(text):
    """The duration in seconds; a bare number is seconds."""
    found = re.findall(r"([0-9.]+)(ms|h|m|s)", str(text))
    return sum(float(number) * _UNITS[unit] for number, unit in found) if found else float(text)
