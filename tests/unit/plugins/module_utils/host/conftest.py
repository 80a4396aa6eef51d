"""Recorded hosts as trees on disk, read by the real reader, and a healthy host to break in one place at a time."""
from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.host.evidence import collect
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost

DATA = Path(__file__).parent / "data"
NOW = 1795453972.0
GIB = 1024 ** 3


class RecordedHost(LocalHost):
    """A tree below a directory. Programs answer what was recorded; clock and disks are those of the recording."""

    def __init__(self, root, commands):
        super().__init__(str(root), self._answer)
        self._commands = commands

    def _answer(self, argv, _timeout):
        name = argv[0].rpartition("/")[2]
        if name == "systemctl":
            key = "systemctl show Version" if argv[2] == "--property=Version" else "systemctl show units"
        else:
            key = f"{name} {argv[1]}"
        return (0, self._commands[key]) if key in self._commands else (127, "")

    def space(self, path):
        existing, _free, _read_only = super().space(path)
        return existing, 20 * GIB, False

    def now(self):
        return NOW

    def cpus(self):
        return 4


@pytest.fixture
def recorded(tmp_path):
    """``recorded(name)`` -> the host recorded in ``data/<name>.json``."""
    def build(name):
        tree = json.loads((DATA / f"{name}.json").read_text())
        for path in tree["dirs"]:
            (tmp_path / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for path, content in tree["files"].items():
            place = tmp_path / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        for path, target in tree["links"].items():
            place = tmp_path / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)
        return RecordedHost(tmp_path, tree["commands"])
    return build


@pytest.fixture
def server(recorded):
    """Evidence and intent of a K3s server where nothing is wrong; a test may change both."""
    evidence = collect(recorded("debian12-x86_64-server"))
    evidence["controller_clock"] = {"before": NOW - 1, "after": NOW + 1}
    intent = {
        "node": "hall1-server", "node_name": "hall1-server", "site": "plant-a", "runtime": "k3s_server", "arch": "amd64",
        "address": "192.0.2.11", "isolated": False, "disk_mib": 2048, "k3s_version": "v1.36.5+k3s1",
        "flannel_backend": "vxlan", "kubelet_args": [], "resolv_conf": "", "site_server": "hall1-server",
        "server_url": "https://192.0.2.11:6443", "server_addresses": ["192.0.2.11"], "gpu": "dgpu", "gpu_driver": "verify",
    }
    return copy.deepcopy(evidence), intent
