"""What build.py stamped into this executable, and the data files that travel in it."""

from __future__ import annotations

import json
import pkgutil
from functools import lru_cache

in_place: dict = {}  # data files of a stand-in that runs from its sources, by name: see lab/standin/in_place.py

GO_VERSION = "go1.26.8"
COMMIT = "standin0"
PAUSE_IMAGE = "rancher/mirrored-pause:3.10.2"


def data(name: str):
    """A data file, decoded."""
    return in_place[name] if name in in_place else _packed(name)


@lru_cache(maxsize=None)
def _packed(name: str):
    return json.loads(pkgutil.get_data("k3s_standin.data", name))


def version() -> str:
    return data("build.json")["version"]


def arch() -> str:
    return data("build.json")["arch"]


def api_version_document() -> dict:
    """Body of GET /version."""
    major, minor = version().lstrip("v").split(".")[:2]
    return {"major": major, "minor": minor, "emulationMajor": major, "emulationMinor": minor,
            "minCompatibilityMajor": major, "minCompatibilityMinor": str(int(minor) - 1), "gitVersion": version(),
            "gitCommit": COMMIT, "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z",
            "goVersion": GO_VERSION, "compiler": "gc", "platform": f"linux/{arch()}"}
