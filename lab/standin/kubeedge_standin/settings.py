"""Configuration files of KubeEdge: defaults overlaid by what a file says."""

from __future__ import annotations


def merged(defaults, given):
    """A new document: mappings are merged, everything else is replaced; keys that the defaults do not know are kept."""
    result = dict(defaults)
    for key, value in (given or {}).items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        elif value is not None or key not in result:
            result[key] = value
    return result
