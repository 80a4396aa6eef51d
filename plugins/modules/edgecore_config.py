#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edgecore_config
short_description: Unit, configuration and token of EdgeCore
version_added: 0.3.0
description:
  - Writes the systemd unit, the whole C(/etc/kubeedge/config/edgecore.yaml) (mode 0600) and, where it is needed, the token
    (mode 0600) in one call, each only when it differs, and enables the unit. It does not start EdgeCore.
  - C(edgecoreVersion) in the file is exactly the wanted version. Otherwise EdgeCore would rewrite the file, and put the token in it.
  - Where the node has to enrol anew, or its Node has to be deleted first, EdgeCore is stopped here; where O(forget), CA and
    certificates are removed. The database is kept.
  - Refuses before anything is written unknown keys, which EdgeCore ignores in silence, keys that the role decides, KubeEdge without
    its security fixes, and a token that is cut off, wrapped, expired or another CA's.
  - Compares what the running EdgeCore was started with, as its unit noted it, with what is on disk now, and returns the reasons for
    a restart. A run that was interrupted before the restart is noticed by the next one.
author: edgeai.sites contributors (@edgeai-sites)
options:
  node_name:
    description: Kubernetes name of the node.
    type: str
    required: true
  version:
    description: Exact version of the binary, such as V(v1.23.1).
    type: str
    required: true
  server:
    description: Name or address of CloudCore, as the node reaches it.
    type: str
    required: true
  ports:
    description: CloudCore's ports, by name.
    type: dict
    required: true
  transport:
    description: How messages reach CloudCore.
    type: str
    choices: [websocket, quic]
    default: websocket
  address:
    description: Address of the node. Empty lets EdgeCore choose.
    type: str
    default: ''
  cgroup_driver:
    description: Who makes the control groups of containers. containerd is told the same by M(edgeai.sites.edgecore_engine).
    type: str
    choices: [systemd, cgroupfs]
    default: systemd
  pause_image:
    description: Full name of the sandbox image.
    type: str
    default: ''
  taints:
    description: Taints with which the node registers, each with C(key), C(effect) and, if it has one, C(value).
    type: list
    elements: dict
    default: []
  config:
    description: Further keys of C(edgecore.yaml), nested as there, over EdgeCore's defaults.
    type: dict
    default: {}
  resolv_conf:
    description: Resolver file for pods, used when it exists on the node.
    type: path
    default: ''
  action:
    description: What M(edgeai.sites.edgecore_identity) decided.
    type: str
    required: true
    choices: [keep, enrol, re_enrol, delete_node_first]
  forget:
    description: Remove CA and certificates first.
    type: bool
    default: false
  needs_token:
    description: Whether the node has to enrol with O(token).
    type: bool
    default: false
  token:
    description: The token, as M(edgeai.sites.cloudcore_token) returns it.
    type: str
    default: ''
  ca_sha256:
    description: SHA-256 of CloudCore's CA, which the token has to pin.
    type: str
    default: ''
  start_reason:
    description: Why EdgeCore has to be started anew although its files are as wanted.
    type: str
    default: ''
  cloud_version:
    description: Version of CloudCore. EdgeCore has to be of the same minor version, and not newer. Empty compares nothing.
    type: str
    default: ''
  out_of_reach:
    description: Why the cloud cannot be reached. Then EdgeCore is not brought to another version, which could not be proven.
    type: str
    default: ''
  mesh:
    description: EdgeMesh's agent runs on the node. It needs EdgeCore's metaServer, and pods ask it for names.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and predicts files and restart reasons without writing.
    support: full
  diff_mode:
    description: Shows the files; the token is never shown.
    support: full
  idempotent:
    description: A second call changes nothing.
    support: full
seealso:
  - module: edgeai.sites.edgecore_identity
  - module: edgeai.sites.edgecore_service
"""

EXAMPLES = r"""
- name: Write unit and configuration
  edgeai.sites.edgecore_config:
    node_name: line-a
    version: v1.23.1
    server: cloud.example.org
    ports: {https: 10002, websocket: 10000, quic: 10001, tunnel: 10004}
    action: "{{ identity.decision }}"
    needs_token: "{{ identity.needs_token }}"
    token: "{{ cloudcore.token }}"
  become: true
"""

RETURN = r"""
restart_reasons:
  description:
    - Why the running EdgeCore must be restarted. Empty when it runs what is on disk, and when it does not run.
    - Elements are V(binary), V(config), V(unit), or a sentence.
  returned: success
  type: list
  elements: str
running:
  description: Whether EdgeCore runs now.
  returned: success
  type: bool
stopped:
  description: Whether EdgeCore was (or would be) stopped here.
  returned: success
  type: bool
written:
  description: Files that were (or would be) written or whose mode was repaired.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils import node_taints
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.edge_node import EdgeNode, Postponed, Refused


def main():
    module = AnsibleModule(
        argument_spec={
            "node_name": {"type": "str", "required": True}, "version": {"type": "str", "required": True},
            "server": {"type": "str", "required": True}, "ports": {"type": "dict", "required": True},
            "transport": {"type": "str", "choices": ["websocket", "quic"], "default": "websocket"},
            "address": {"type": "str", "default": ""},
            "cgroup_driver": {"type": "str", "choices": ["systemd", "cgroupfs"], "default": "systemd"},
            "pause_image": {"type": "str", "default": ""}, "taints": {"type": "list", "elements": "dict", "default": []},
            "config": {"type": "dict", "default": {}}, "resolv_conf": {"type": "path", "default": ""},
            "action": {"type": "str", "required": True, "choices": ["keep", "enrol", "re_enrol", "delete_node_first"]},
            "forget": {"type": "bool", "default": False}, "needs_token": {"type": "bool", "default": False},
            "token": {"type": "str", "default": "", "no_log": True}, "ca_sha256": {"type": "str", "default": ""},
            "start_reason": {"type": "str", "default": ""}, "mesh": {"type": "bool", "default": False},
            "cloud_version": {"type": "str", "default": ""}, "out_of_reach": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    params = dict(module.params, ports={name: int(port) for name, port in module.params["ports"].items()})
    problems = node_taints.check(params["taints"])
    if problems:
        module.fail_json(msg="; ".join(problems))
    try:
        node = EdgeNode(params, module.run_command)
        plan = node.plan(module.check_mode)
        if not module.check_mode:
            node.apply(plan)
    except Postponed as postponed:
        module.fail_json(msg="Deferred: %s" % postponed, deferred=True)
    except Refused as refused:
        module.fail_json(msg="EdgeCore on %s is refused: %s" % (params["node_name"], refused))
    except (OSError, RuntimeError) as error:
        module.fail_json(msg="EdgeCore on %s could not be configured: %s" % (params["node_name"], error))
    for warning in plan.warnings:
        module.warn(warning)
    module.exit_json(changed=plan.changed, restart_reasons=plan.restart_reasons, running=plan.running, stopped=plan.stop,
                     written=[change.path for change in plan.files], diff=[change.diff() for change in plan.files])


if __name__ == "__main__":
    main()
