"""Lets the stand-in run from its sources: makes the data files that travel in the executable otherwise."""

from __future__ import annotations

import build
import packing
import schema_source
from k3s_standin import build_info


def prepare() -> None:
    """Call it before anything of the stand-in is used; calling it again does nothing."""
    if not build_info.in_place:
        build_info.in_place.update({
            "build.json": {"version": build.DEFAULT_VERSION, "arch": "amd64"},
            "schema.json": schema_source.derive(packing.site_packages())})
