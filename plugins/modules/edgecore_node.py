#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edgecore_node
short_description: Deletes the Node of an EdgeCore host together with its pods
version_added: 0.3.0
description:
  - Deletes the Node and every pod that is bound to it, at once. Runs on the controller.
  - Kubernetes would delete such pods itself, 40 seconds later. A node that joins again before would never be given them, because what
    CloudCore noted as delivered goes with the Node. The cloud would show them Running, and nothing would run.
  - EdgeCore must be stopped, or the Node comes back with its next start.
author: edgeai.sites contributors (@edgeai-sites)
options:
  node_name:
    description: Kubernetes name of the node.
    type: str
    required: true
  kubeconfig:
    description: Path to the kubeconfig of the cluster of CloudCore.
    type: path
    required: true
  state:
    description: There is no other.
    type: str
    choices: [absent]
    default: absent
attributes:
  check_mode:
    description: Says what it would delete.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: A second call finds nothing to delete.
    support: full
requirements:
  - kubernetes (Python library) >= 24.2.0
"""

EXAMPLES = r"""
- name: Delete the Node
  edgeai.sites.edgecore_node:
    node_name: line-a
    kubeconfig: ~/.edgeai/factories/cloud/kubeconfig
  delegate_to: localhost
"""

RETURN = r"""
pods:
  description: Pods that were (or would be) deleted, as C(namespace/name).
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.edge_cloud import EdgeCloud


def main():
    module = AnsibleModule(
        argument_spec={
            "node_name": {"type": "str", "required": True}, "kubeconfig": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["absent"], "default": "absent"},
        },
        supports_check_mode=True,
    )
    if client.urllib3 is None:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    name = module.params["node_name"]
    try:
        there, pods = EdgeCloud(module.params["kubeconfig"], name).delete_node(module.check_mode)
    except client.ApiError as error:
        module.fail_json(msg="the Node %s is not deleted yet: %s" % (name, error))
    module.exit_json(changed=there or bool(pods), pods=pods)


if __name__ == "__main__":
    main()
