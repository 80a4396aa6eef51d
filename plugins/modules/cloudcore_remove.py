#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudcore_remove
short_description: Remove CloudCore from a cluster, in the right order
version_added: 0.3.0
description:
  - Removes, each only when what comes before it is gone, the Deployment, Service and disruption budget of CloudCore, the
    resource definitions of KubeEdge, the namespace with the secrets, and the roles in the cluster.
  - Refuses while there are Nodes of EdgeCore, because their CA and all that CloudCore keeps about them would go too, and
    while there are devices or other objects of KubeEdge's that somebody has made.
  - The CA goes with the namespace. Keep a backup (M(edgeai.sites.cloudcore_ca)) if nodes shall ever come back.
options:
  kubeconfig:
    description: Path to the kubeconfig on the controller.
    type: path
    required: true
  place:
    description: Where CloudCore runs, for messages.
    type: str
    required: true
  deadline:
    description: Seconds for all of it.
    type: int
    default: 120
attributes:
  check_mode:
    description: Tells what would be removed.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  idempotent:
    description: A second call changes nothing.
    support: full
requirements:
  - kubernetes (Python library) >= 24.2.0
author:
  - edgeai.sites contributors (@edgeai-sites)
"""

EXAMPLES = r"""
- name: Remove CloudCore
  edgeai.sites.cloudcore_remove:
    kubeconfig: ~/.edgeai/factories/cloud/kubeconfig
    place: cloud
  delegate_to: localhost
"""

RETURN = r"""
removed:
  description: What was, or would be, removed, in that order.
  returned: success
  type: list
  elements: str
"""

import time
import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_removal
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.cluster import Cluster

PAUSE = 0.5


def remove(cluster, check_mode, deadline):
    """Remove step by step; return what was there. Raises cloud_removal.Refused."""
    definitions = cluster.definitions()
    problems = cloud_removal.refusals(cluster.edge_nodes(), cluster.objects_of(cloud_removal.of_people(definitions)))
    if problems:
        raise cloud_removal.Refused("; ".join(problems))
    removed = []
    for step in cloud_removal.steps(cluster.namespace, definitions):
        if check_mode:
            removed += [path for path in step if cluster.exists(path)]
            continue
        removed += [path for path in step if cluster.delete(path)]
        while any(cluster.exists(path) for path in step):
            if time.monotonic() >= deadline:
                left = [path for path in step if cluster.exists(path)]
                raise client.ApiError(0, "not gone by the deadline: %s. Look for finalizers: kubectl get --raw %s" % (
                    ", ".join(left), left[0] if left else step[0]))
            time.sleep(PAUSE)
    return [path.rpartition("/")[0].rpartition("/")[2] + "/" + path.rpartition("/")[2] for path in removed]


def main():
    module = AnsibleModule(
        argument_spec=dict(kubeconfig=dict(type="path", required=True), place=dict(type="str", required=True),
                           deadline=dict(type="int", default=120)),
        supports_check_mode=True,
    )
    params = module.params
    if client.urllib3 is None:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    try:
        cluster = Cluster(client.KubeApi.from_kubeconfig(params["kubeconfig"]))
        removed = remove(cluster, module.check_mode, time.monotonic() + params["deadline"])
    except cloud_removal.Refused as refused:
        module.fail_json(msg="CloudCore of %s is not removed: %s" % (params["place"], refused))
    except client.ApiError as error:
        module.fail_json(msg="CloudCore of %s: %s" % (params["place"], error), exception=traceback.format_exc())
    module.exit_json(changed=bool(removed), removed=removed)


if __name__ == "__main__":
    main()
