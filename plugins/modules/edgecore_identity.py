#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edgecore_identity
short_description: Says which node a host is, which it could become, and what that takes
version_added: 0.3.0
description:
  - Reads, on the node, the CA, certificate and key of EdgeCore, the node that its database knows and the machine's identity, and
    tries CloudCore's ports. Its action plugin asks the cloud, from the controller, for the Node of that name.
  - Both together decide. RV(decision) is V(keep), V(enrol), V(re_enrol) (the CA changed, the certificate expired), V(delete_node_first)
    (the host lost its database while its Node is still there, and its pods would die behind a Node that stays Ready).
  - It fails, with nothing changed, when the name is taken by another machine, when this host is another node, when CloudCore cannot
    be reached and the node would have to join, or when something else answers in CloudCore's place.
  - A node that is enrolled and cannot reach its CloudCore works on by itself. That is no failure here; RV(out_of_reach) says why.
author: edgeai.sites contributors (@edgeai-sites)
options:
  node_name:
    description: Kubernetes name of the node.
    type: str
    required: true
  server:
    description: Name or address of CloudCore, as the node reaches it.
    type: str
    required: true
  ports:
    description: CloudCore's ports, by name. C(https) and the one of O(transport) are needed.
    type: dict
    required: true
  transport:
    description: How messages reach CloudCore.
    type: str
    choices: [websocket, quic]
    default: websocket
  kubeconfig:
    description: Kubeconfig, on the controller, of the cluster of CloudCore.
    type: path
    required: true
  ca_sha256:
    description: SHA-256 of CloudCore's CA, as M(edgeai.sites.cloudcore_token) returns it. Empty when it is not known.
    type: str
    default: ''
attributes:
  check_mode:
    description: Reads only, so check mode makes no difference.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
requirements:
  - kubernetes (Python library, on the controller) >= 24.2.0
seealso:
  - module: edgeai.sites.edgecore_config
  - module: edgeai.sites.cloudcore_token
"""

EXAMPLES = r"""
- name: Decide what becomes of the identity of this host
  edgeai.sites.edgecore_identity:
    node_name: line-a
    server: cloud.example.org
    ports: {https: 10002, websocket: 10000}
    kubeconfig: ~/.edgeai/factories/cloud/kubeconfig
    ca_sha256: "{{ cloudcore.ca_sha256 }}"
  become: true
  register: identity
"""

RETURN = r"""
decision:
  description: What to do - V(keep), V(enrol), V(re_enrol) or V(delete_node_first).
  returned: success
  type: str
reason:
  description: Why, for people.
  returned: success
  type: str
needs_token:
  description: Whether a token is needed to do it.
  returned: success
  type: bool
forget:
  description: Whether CA and certificates on the node have to be removed first.
  returned: success
  type: bool
start_reason:
  description: Why EdgeCore has to be started anew although its files are as wanted. Empty when it need not.
  returned: success
  type: str
expires:
  description: When the node's certificate ends, in seconds since 1970. 0 without one.
  returned: success
  type: float
out_of_reach:
  description: Why the node cannot reach its CloudCore, or the controller its cluster. Empty when both can.
  returned: success
  type: str
deferred:
  description: Whether a failure is only that CloudCore cannot be reached now.
  returned: always
  type: bool
verdicts:
  description: What was tried at CloudCore and how it came out, each with its remedy.
  returned: always
  type: list
  elements: dict
identity:
  description: What was found on the node. No secret is in it.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import edge_node, probe
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.identity_args import TASK_ARGS


def main():
    module = AnsibleModule(argument_spec=TASK_ARGS, supports_check_mode=True)
    params = module.params
    try:
        facts = edge_node.facts(module.run_command)
        reached = probe.look(params["server"], {name: int(port) for name, port in params["ports"].items()}, params["transport"])
    except (OSError, RuntimeError) as error:
        module.fail_json(msg="the identity of %s cannot be read: %s" % (params["node_name"], error), deferred=False)
    # The rest is the action plugin's: only the controller can ask the cloud.
    module.exit_json(changed=False, identity=facts, reached=reached)


if __name__ == "__main__":
    main()
