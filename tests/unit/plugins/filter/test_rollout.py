# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From host variables to the sites of a plan."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.filter.rollout import FilterModule

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.workload.samples import node

SITES = FilterModule().filters()["rollout_sites"]
NODES = [node("server", runtime="k3s_server"), node("camera", gpu="tegra", lines=["line-a"])]
WINDOWS = [{"days": ["sat"], "start": "22:00", "end": "05:00"}]


def host(name, site="north", nodes=None, **variables):
    return {"inventory_hostname": name, "edge_site": site, "edge_site_nodes": NODES if nodes is None else nodes, **variables}


def test_a_site_with_what_its_hosts_know_of_their_gpus():
    (site,) = SITES([host("server", edge_site_timezone="Europe/Berlin", edge_site_windows=WINDOWS, edge_site_wan_mbit=20),
                     host("camera", edge_site_timezone="Europe/Berlin", edge_site_windows=WINDOWS, edge_site_wan_mbit=20,
                          gpu_resources_replicas=2, gpu_resources_sharing="time-slicing",
                          rollout_plan_jetpack="6.1", rollout_plan_cuda="")])
    assert (site["name"], site["timezone"], site["windows"], site["wan_mbit"]) == ("north", "Europe/Berlin", WINDOWS, 20)
    assert [item["facts"] for item in site["nodes"]] == [{}, {"jetpack": "6.1", "gpus": 2, "shared": True}]
    assert "facts" not in NODES[1]


def test_sites_are_sorted_and_have_defaults():
    edge = [node("edge", runtime="edgecore", gpu="dgpu")]
    sites = SITES([host("z", "west", []), host("edge", "east", edge), host("a", "west", [])])
    assert [site["name"] for site in sites] == ["east", "west"]
    assert sites[1] == {"name": "west", "timezone": "UTC", "windows": [], "wan_mbit": 0, "nodes": []}
    assert sites[0]["nodes"][0]["facts"] == {"gpus": 1, "shared": False}
