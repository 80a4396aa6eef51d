# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order CloudCore leaves a cluster, and what forbids it.

The Deployment goes first, so that nothing makes objects anew; resource definitions before the namespace, because with
CloudCore's secrets gone their objects could not be cleaned up by anybody; roles last, they are needed until then.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.manifests import CONFIG_MAP, NAME

GROUP_END = ".kubeedge.io"
# CloudCore writes these itself, about pods that it has delivered; everything else was made by somebody.
_OWN_GROUPS = ("reliablesyncs.kubeedge.io",)
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Refused(Exception):
    """Why nothing was removed, and what to do first."""


def of_people(definitions: Iterable[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The definitions whose objects are not CloudCore's own."""
    return [item for item in definitions if item["spec"]["group"] not in _OWN_GROUPS]


def refusals(edge_nodes: List[str], objects: List[str]) -> List[str]:
    """``edge_nodes``: names of Nodes; ``objects``: ``plural/name`` of objects of KubeEdge's kinds."""
    problems = []
    if edge_nodes:
        problems.append("%d Nodes of EdgeCore are in the cluster (%s), and each of them would lose its CA; remove them first: "
                        "edgecore_state: absent" % (len(edge_nodes), _some(edge_nodes)))
    if objects:
        problems.append("somebody's objects would go with their definitions: %s; delete them first if they are not needed"
                        % _some(objects))
    return problems


def steps(namespace: str, definitions: Iterable[Dict[str, Any]]) -> List[List[str]]:
    """API paths to delete, step by step; a step begins when everything of the one before is gone."""
    return [
        ["/apis/apps/v1/namespaces/%s/deployments/%s" % (namespace, NAME),
         "/apis/policy/v1/namespaces/%s/poddisruptionbudgets/%s" % (namespace, NAME),
         "/api/v1/namespaces/%s/services/%s" % (namespace, NAME),
         "/api/v1/namespaces/%s/configmaps/%s" % (namespace, CONFIG_MAP)],
        ["%s/%s" % (_DEFINITIONS, item["metadata"]["name"]) for item in definitions],
        ["/api/v1/namespaces/" + namespace],
        ["%s/clusterrolebindings/%s" % (_RBAC, NAME), "%s/clusterroles/%s" % (_RBAC, NAME)],
    ]


def _some(names: List[str]) -> str:
    return ", ".join(names[:5]) + (" and %d more" % (len(names) - 5) if len(names) > 5 else "")
