"""What build_kubeedge.py stamped into this executable."""

from __future__ import annotations

import json
import pkgutil
from functools import lru_cache


@lru_cache(maxsize=None)
def build_info():
    return json.loads(pkgutil.get_data("kubeedge_standin", "build.json"))


def version():
    """The version of the release, as configuration files carry it."""
    return build_info()["version"]


def kubelet_version():
    """What a Node shows: upstream's form, with `standin` in the build metadata of the kubelet's version."""
    return f"v1.32.10+standin-kubeedge-{version()}"
