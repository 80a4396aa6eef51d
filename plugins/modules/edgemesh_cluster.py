#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edgemesh_cluster
short_description: Make a cluster ready for EdgeMesh, or remove EdgeMesh from it
version_added: 0.3.0
description:
  - With O(state=present) looks at the cluster of a CloudCore, refuses what cannot work, makes the key that all agents share, and
    marks the services that EdgeMesh has to leave alone. One call per CloudCore, on the controller.
  - The key is 32 random bytes, made once and kept in a Secret. It is never returned, and neither shown nor compared in a diff. A key
    that is too short, or the example of EdgeMesh's documentation, is replaced. Deleting the Secret and running again makes a new one.
  - Resource definitions of Istio that somebody else brought are left to them and named in RV(foreign_crds).
  - With O(state=absent) removes the agents first and waits for their pods to end, then all the rest. Resource definitions that hold
    objects stay, with a warning.
options:
  kubeconfig:
    description: Path to the kubeconfig on the controller.
    type: path
    required: true
  place:
    description: Where CloudCore runs, the name of a site or V(cloud), for messages.
    type: str
    required: true
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
  skip_services:
    description: Services, as namespace/name, whose traffic EdgeMesh has to leave alone.
    type: list
    elements: str
    default: [default/kubernetes]
  deadline:
    description: Seconds for the agents' pods to end.
    type: int
    default: 120
attributes:
  check_mode:
    description: Looks and predicts, and changes nothing.
    support: full
  diff_mode:
    description: The key is never shown.
    support: none
  idempotent:
    description: A second call changes nothing.
    support: full
requirements:
  - kubernetes (Python library) >= 24.2.0
author:
  - edgeai.sites contributors (@edgeai-sites)
seealso:
  - module: edgeai.sites.edgemesh_node
"""

EXAMPLES = r"""
- name: Prepare the cluster for EdgeMesh
  edgeai.sites.edgemesh_cluster:
    kubeconfig: ~/.edgeai/factories/cloud/kubeconfig
    place: cloud
    relays:
      - {node: cloud-1, addresses: [10.1.0.11]}
  delegate_to: localhost
"""

RETURN = r"""
psk_mark:
  description: A name for the key, which changes with it and from which it cannot be had.
  returned: with O(state=present)
  type: str
foreign_crds:
  description: Resource definitions that are there and not ours.
  returned: with O(state=present)
  type: list
  elements: str
services:
  description: Services whose label was, or would be, changed.
  returned: success
  type: list
  elements: str
removed:
  description: What was, or would be, removed.
  returned: with O(state=absent)
  type: list
  elements: str
"""

import secrets
import traceback
from base64 import b64encode

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import mesh
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.mesh_cluster import MeshCluster

ARGUMENTS = {
    "kubeconfig": {"type": "path", "required": True},
    "place": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "relays": {"type": "list", "elements": "dict", "default": [], "options": {
        "node": {"type": "str", "required": True}, "addresses": {"type": "list", "elements": "str", "required": True}}},
    "skip_services": {"type": "list", "elements": "str", "default": ["default/kubernetes"]},
    "deadline": {"type": "int", "default": 120},
}


class Refused(Exception):
    """Why nothing was changed."""


def prepare(params, cluster, check_mode):
    """Look, decide, act; return the module's result."""
    problems = mesh.check_relays(params["relays"]) + mesh.check_services(params["skip_services"])
    if not problems:
        problems = mesh.cluster_problems(cluster.nodes(), params["relays"], cluster.strays(), cluster.cloudcore_is_there())
    patches, missing = mesh.service_labels(cluster.services(), params["skip_services"])
    if missing and not problems:
        problems.append("there is no Service %s: correct edgemesh_skip_services" % " and no ".join(missing))
    if problems:
        raise Refused("; ".join(problems))
    found = cluster.psk()
    new = bool(mesh.psk_problem(found))
    psk = b64encode(secrets.token_bytes(mesh.PSK_BYTES)).decode("ascii") if new else found
    if not check_mode:
        if new:
            cluster.keep_psk(psk)
        for name, patch in patches:
            cluster.patch_service(name, patch)
    return {"changed": bool(new or patches), "psk_mark": mesh.mark(psk), "foreign_crds": cluster.foreign_crds(),
            "services": [name for name, _patch in patches]}


def remove(params, cluster, check_mode):
    """Agents first, so that none of them works with half of what it needs."""
    patches, _missing = mesh.service_labels(cluster.services(), [])
    removed, left = cluster.remove(check_mode, params["deadline"])
    for name, patch in patches:
        if not check_mode:
            cluster.patch_service(name, patch)
    return {"changed": bool(removed or patches), "removed": removed, "services": [name for name, _patch in patches]}, left


def main():
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    params = module.params
    if client.urllib3 is None:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    try:
        cluster = MeshCluster(client.KubeApi.from_kubeconfig(params["kubeconfig"]))
        if params["state"] == "absent":
            result, left = remove(params, cluster, module.check_mode)
            for text in left:
                module.warn("EdgeMesh of %s: %s" % (params["place"], text))
        else:
            result = prepare(params, cluster, module.check_mode)
    except Refused as refused:
        module.fail_json(msg="EdgeMesh of %s is refused: %s. Nothing was changed." % (params["place"], refused))
    except client.ApiError as error:
        module.fail_json(msg="EdgeMesh of %s: %s" % (params["place"], error), exception=traceback.format_exc())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
