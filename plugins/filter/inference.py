# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters between edge_workloads and a site: what to apply, and what has to be healthy afterwards."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import parse_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.health import expression
from ansible_collections.edgeai.sites.plugins.module_utils.workload.manifests import build_objects, expected_targets
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import WorkloadError, parse_workloads
from ansible_collections.edgeai.sites.plugins.module_utils.workload.targets import EDGECORE, plan_targets
from ansible_collections.edgeai.sites.plugins.plugin_utils.filters import plain, speaking


def inference_targets(workloads, site_nodes, bundle, fleet_nodes=None, gpus=None):
    """Return what has to run at a site, as the option C(expected) of the module site_health takes it."""
    return expected_targets(_plan(workloads, site_nodes, bundle, fleet_nodes, gpus))


def inference_warnings(workloads, site_nodes, bundle, fleet_nodes=None, gpus=None):
    """Return what is allowed and hardly meant, one text each."""
    targets = _plan(workloads, site_nodes, bundle, fleet_nodes, gpus)
    return sorted({target.warning for target in targets if target.warning})


def inference_nodes(site_nodes, k3s_version="", kubeedge_version=""):
    """Return the nodes of a site with the version that each has to run, as the option C(nodes) of site_health takes them."""
    return [{"name": node["name"], "runtime": node["runtime"],
             "version": kubeedge_version if node["runtime"] == EDGECORE else k3s_version} for node in plain(site_nodes)]


def inference_manifests(workloads, site_nodes, bundle, fleet_nodes=None, namespace="edgeai", gpus=None):
    """Return the Kubernetes objects of a site: its namespace and one Deployment per target."""
    return build_objects(_plan(workloads, site_nodes, bundle, fleet_nodes, gpus), namespace)


@speaking
def _plan(workloads, site_nodes, bundle, fleet_nodes, gpus):
    if expression.jmespath is None:
        raise AnsibleFilterError("the filter needs the Python library jmespath on the controller")
    parsed = parse_workloads(plain(workloads))
    for workload in parsed:
        _check(workload, "health.expression", workload.health_expression)
        _check(workload, "golden.expect", workload.golden_expect)
    return plan_targets(parsed, plain(site_nodes), parse_manifest(plain(bundle)), plain(fleet_nodes or []), plain(gpus or {}))


def _check(workload, key, text):
    try:
        expression.check_expression(text)
    except expression.ExpressionError as error:
        raise WorkloadError("edge_workloads[%s].%s: %s" % (workload.name, key, error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"inference_targets": inference_targets, "inference_nodes": inference_nodes,
                "inference_manifests": inference_manifests, "inference_warnings": inference_warnings}
