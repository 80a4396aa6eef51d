#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edgemesh_node
short_description: Prove that EdgeMesh works on an edge node, or remove what it left there
version_added: 0.3.0
description:
  - With O(state=present) waits, until a deadline, for all of the evidence - EdgeCore's metaServer lists services (which needs
    CloudCore's dynamicController), no kube-proxy runs beside the agent, the link C(edgemesh0) has its address, the agent listens on
    20006/tcp, its DNS knows a service of the cluster, and every relay can be reached.
  - With O(state=absent) removes the link, and the chains and rules of iptables that an agent leaves when its pod is deleted. Chains
    of kube-proxy and of others stay.
author: edgeai.sites contributors (@edgeai-sites)
options:
  state:
    description: What is wanted.
    type: str
    choices: [present, absent]
    default: present
  relays:
    description: The relay nodes, each with C(node) and C(addresses).
    type: list
    elements: dict
    default: []
    suboptions:
      node:
        description: Kubernetes name of the node.
        type: str
        required: true
      addresses:
        description: IP addresses at which all other agents reach it.
        type: list
        elements: str
        required: true
  wait_seconds:
    description: Deadline for the proof.
    type: int
    default: 180
attributes:
  check_mode:
    description: Does not wait with O(state=present), and says what it would remove with O(state=absent).
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: The proof changes nothing, and a second removal finds nothing.
    support: full
seealso:
  - module: edgeai.sites.edgemesh_cluster
"""

EXAMPLES = r"""
- name: Prove that EdgeMesh works here
  edgeai.sites.edgemesh_node:
    relays:
      - {node: plant-server, addresses: [10.1.0.11]}
  become: true
"""

RETURN = r"""
waited_seconds:
  description: How long it took.
  returned: with O(state=present), outside of check mode
  type: float
stages:
  description: Where the wait stood, in order, as C(stage after seconds).
  returned: with O(state=present), outside of check mode
  type: list
  elements: str
evidence:
  description: What was found, in words.
  returned: success with O(state=present), outside of check mode
  type: str
removed:
  description: What was, or would be, removed.
  returned: with O(state=absent)
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import mesh_node
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import mesh_host


def main():
    module = AnsibleModule(argument_spec={
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "relays": {"type": "list", "elements": "dict", "default": [], "options": {
            "node": {"type": "str", "required": True}, "addresses": {"type": "list", "elements": "str", "required": True}}},
        "wait_seconds": {"type": "int", "default": 180},
    }, supports_check_mode=True)
    params = module.params
    if params["state"] == "absent":
        try:
            removed = mesh_host.clean(module.check_mode)
        except mesh_host.Failed as problem:
            module.fail_json(msg="EdgeMesh's leftovers: %s" % problem)
        module.exit_json(changed=bool(removed), removed=removed)
    if module.check_mode:
        module.exit_json(changed=False)
    verdict, stages, waited = mesh_host.wait(params["relays"], params["wait_seconds"])
    facts = {"stages": stages, "waited_seconds": waited}
    if verdict.state != mesh_node.READY:
        module.fail_json(msg="EdgeMesh does not work here after %.0f s: %s. Remedy: %s."
                         % (waited, verdict.reason, verdict.remedy), cause=verdict.stage, **facts)
    module.exit_json(changed=False, evidence=verdict.reason, **facts)


if __name__ == "__main__":
    main()
