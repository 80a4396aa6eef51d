# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters between edge_workloads and a site: what to apply, and what has to be healthy afterwards."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import parse_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.health import expression
from ansible_collections.edgeai.sites.plugins.module_utils.workload.manifests import build_objects, expected_targets
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import WorkloadError, parse_workloads
from ansible_collections.edgeai.sites.plugins.module_utils.workload.targets import plan_targets


def inference_targets(workloads, site_nodes, bundle, fleet_nodes=None, gpus=None):
    """Return what has to run at a site, as the option C(expected) of the module site_health takes it."""
    return expected_targets(_plan(workloads, site_nodes, bundle, fleet_nodes, gpus))


def inference_manifests(workloads, site_nodes, bundle, fleet_nodes=None, namespace="edgeai", gpus=None):
    """Return the Kubernetes objects of a site: its namespace and one Deployment per target."""
    return build_objects(_plan(workloads, site_nodes, bundle, fleet_nodes, gpus), namespace)


def _plan(workloads, site_nodes, bundle, fleet_nodes, gpus):
    if expression.jmespath is None:
        raise AnsibleFilterError("the filter needs the Python library jmespath on the controller")
    try:
        parsed = parse_workloads(_plain(workloads))
        for workload in parsed:
            _check(workload, "health.expression", workload.health_expression)
            _check(workload, "golden.expect", workload.golden_expect)
        return plan_targets(parsed, _plain(site_nodes), parse_manifest(_plain(bundle)), _plain(fleet_nodes or []),
                            _plain(gpus or {}))
    except WorkloadError as error:
        raise AnsibleFilterError(str(error)) from error
    except BundleError as error:
        raise AnsibleFilterError(error.text()) from error


def _check(workload, key, text):
    try:
        expression.check_expression(text)
    except expression.ExpressionError as error:
        raise WorkloadError("edge_workloads[%s].%s: %s" % (workload.name, key, error)) from error


def _plain(value):
    """Return plain Python data: templates hand over subclasses of str, dict and list."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"inference_targets": inference_targets, "inference_manifests": inference_manifests}
