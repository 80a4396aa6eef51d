# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a controller does with a simulated fleet: verify its sites, and carry a rollout out, by the real actions over real HTTP."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from ansible_collections.edgeai.sites.plugins.action import rollout_step, site_health
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.ledger_file import LedgerFile, read_ledger
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import initial
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import make_plan
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import reduce
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.release import expand

from ansible_collections.edgeai.sites.tests.unit.plugins.action.acting import act

# The lab is a package of its own, beside the collection.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lab"))
from simulator import fleet as simulator

WORKLOAD = "vision"
ALL_AT_ONCE = [{"name": "all", "percent": 100, "soak": "0s"}]


class Controller:
    """One that knows a fleet by the files in its ``directory``."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.inventory = json.loads((directory / "inventory/fleet.yml").read_text())
        self.sites = {site["name"]: self._site(site) for site in self.inventory["sites"]}

    def _site(self, site: dict) -> dict:
        """The arguments that both actions take of a site."""
        workload = self.inventory["workloads"][0]
        same = {"workload": WORKLOAD, "image": workload["image"], "digest": simulator.IMAGES["1"], "port": workload["port"],
                "model": workload["model"], "health": workload["health"], "golden": workload["golden"]}
        return {"kubeconfig": str(self.directory / site["name"] / "kubeconfig"),
                "nodes": [{**node, "gpu": "none", "lines": [], "facts": {}} for node in site["nodes"]],
                "expected": [{**same, "name": f"{WORKLOAD}-{node['name']}", "node": node["name"]} for node in site["nodes"]]}

    def verify(self, site: str, version: str = "1", **options) -> dict:
        """Return the result of the action site_health for a site that should run this version."""
        given = self.sites[site]
        expected = [{**target, "digest": simulator.IMAGES[version]} for target in given["expected"]]
        nodes = [{"name": node["name"], "runtime": node["runtime"]} for node in given["nodes"]]
        return act(site_health, {"site": site, "kubeconfig": given["kubeconfig"], "expected": expected, "nodes": nodes, **options})

    def plan(self, version: str = "2", waves=None, at_once: int = 100, **changes) -> dict:
        """Return the plan of a release of this version on all targets, ``at_once`` of them at each site."""
        fleet = {"name": self.inventory["fleet"], "workloads": self.inventory["workloads"], "sites": [
            {"name": name, "timezone": "UTC", "windows": [], "wan_mbit": 0, "nodes": site["nodes"]} for name, site in self.sites.items()]}
        count = sum(len(site["nodes"]) for site in self.sites.values())
        artifact = {"amd64": {"digest": simulator.IMAGES[version], "size_mib": 1}}
        release = {"release": "r", "targets": {"expect": count}, "gates": {}, "waves": waves or ALL_AT_ONCE,
                   "workloads": [{"name": WORKLOAD, "image": f"{WORKLOAD}:{version}", "artifacts": artifact}],
                   "budgets": {"max_unavailable": {"site": at_once}, "concurrent_targets": count, "concurrent_sites": len(self.sites)},
                   "windows": {"switch": "always", "prepull": "always"}}
        return make_plan(expand({**release, **changes}), fleet)

    def begin(self, plan: dict, ledger: Path) -> None:
        """Begin a ledger and give the order to start."""
        with LedgerFile(str(ledger), plan, int(time.time())) as opened:
            opened.append({"type": "start", "at": int(time.time()), "by": "test"})

    def carry_out(self, plan: dict, ledger: Path, limit: int = 60) -> dict:
        """Return the result of the action rollout_step for the plan's last wave, and so for all of them."""
        sites = [{"name": name, "kubeconfig": site["kubeconfig"], "nodes": site["nodes"], "expected": site["expected"]}
                 for name, site in self.sites.items()]
        return act(rollout_step, {
            "ledger": str(ledger), "wave": plan["waves"][-1]["name"], "sites": sites, "limit": limit,
            "images": {simulator.IMAGES[version]: f"{simulator.IMAGE}@{simulator.IMAGES[version]}" for version in simulator.IMAGES}})


def states(ledger: Path) -> list:
    """Return the state of a rollout after each line of its journal, oldest first."""
    plan, journal = read_ledger(str(ledger))
    found = [initial(plan)]
    for event in journal.events:
        found.append(reduce(plan, found[-1], event))
    return found
