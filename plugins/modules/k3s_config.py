#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_config
short_description: Unit, environment file and configuration of a K3s server or agent
version_added: 0.1.0
author:
  - edgeai.sites contributors (@edgeai)
description:
  - Writes the systemd unit, its environment file and C(/etc/rancher/k3s/config.yaml) of one node in one call, each only
    when it differs, and enables the unit. It does not start K3s.
  - Refuses before anything is written what would not start or would lose data. That is unknown keys and keys of the
    other kind of node, a token that is not the one of an existing datastore, a server that shall become an agent, an
    agent that shall join another cluster, an unreachable server, a refused token, a missing binary or another version.
  - Compares what the running K3s was started with, as its unit noted it, with what is on disk now, and returns the
    reasons for a restart. A run that was interrupted before the restart is noticed by the next one.
options:
  runtime:
    description: Which kind of node this is.
    type: str
    required: true
    choices: [k3s_server, k3s_agent]
  version:
    description: Exact version that the installed binary must have.
    type: str
    required: true
  node_name:
    description: Kubernetes name of the node.
    type: str
    required: true
  node_ip:
    description: Address of the node within the site. Empty lets K3s choose.
    type: str
    default: ''
  server_url:
    description: URL of the server to join. Needed by agents.
    type: str
    default: ''
  api_url:
    description: URL by which others reach a server's API. Its host gets into the server's certificate.
    type: str
    default: ''
  token:
    description:
      - For an agent the full join token. Empty keeps the one on disk.
      - For a server the secret to create the cluster with. Empty lets K3s make one.
    type: str
    default: ''
  config:
    description: Further keys of config.yaml, which override the defaults.
    type: dict
    default: {}
  secret_config:
    description: Further keys of config.yaml whose values must not be shown or logged.
    type: dict
    default: {}
  new_server_config:
    description: Keys that are set on a server that has no datastore yet, and kept on those that have them.
    type: dict
    default: {}
  env:
    description: Environment variables of K3s, such as C(NO_PROXY).
    type: dict
    default: {}
  secret_env:
    description: Environment variables whose values must not be shown or logged.
    type: dict
    default: {}
  labels:
    description: Wanted node labels. They are only checked here, and applied by M(edgeai.sites.k3s_service).
    type: dict
    default: {}
  resolv_conf:
    description: Resolver file for pods, used when it exists on the node.
    type: path
    default: ''
  verify_join:
    description: Try server and token before anything is written, on nodes that have not joined with them yet.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode and predicts files and restart reasons without writing.
    support: full
  diff_mode:
    description: Shows the files with secrets masked.
    support: full
  idempotent:
    description: A second call changes nothing.
    support: full
seealso:
  - module: edgeai.sites.k3s_service
"""

EXAMPLES = r"""
- name: Configure an agent
  edgeai.sites.k3s_config:
    runtime: k3s_agent
    version: v1.36.5+k3s1
    node_name: line-a
    node_ip: 10.0.0.12
    server_url: https://10.0.0.11:6443
    token: "{{ join_token }}"
    config:
      kubelet-arg: ["max-pods=40"]
  become: true
  register: k3s
"""

RETURN = r"""
restart_reasons:
  description:
    - Why the running K3s must be restarted. Empty when it runs what is on disk, and when it does not run.
    - Elements are V(binary), V(config), V(registries), V(env), V(unit), V(containerd), V(kubelet), or a sentence.
    - V(nvidia) means that the NVIDIA runtime has appeared, or is gone, since K3s started and looked for it.
  returned: success
  type: list
  elements: str
running:
  description: Whether systemd calls the unit active. A server is, once its API has answered.
  returned: success
  type: bool
written:
  description: Files that were (or would be) written or whose mode was repaired.
  returned: success
  type: list
  elements: str
joined:
  description: Whether this node already has credentials of its cluster.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.adapters.node import Node, Refused


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            runtime=dict(type="str", required=True, choices=["k3s_server", "k3s_agent"]),
            version=dict(type="str", required=True),
            node_name=dict(type="str", required=True),
            node_ip=dict(type="str", default=""),
            server_url=dict(type="str", default=""),
            api_url=dict(type="str", default=""),
            token=dict(type="str", default="", no_log=True),
            config=dict(type="dict", default={}),
            secret_config=dict(type="dict", default={}, no_log=True),
            new_server_config=dict(type="dict", default={}),
            env=dict(type="dict", default={}),
            secret_env=dict(type="dict", default={}, no_log=True),
            labels=dict(type="dict", default={}),
            resolv_conf=dict(type="path", default=""),
            verify_join=dict(type="bool", default=True),
        ),
        supports_check_mode=True,
    )
    node = Node(module.params, module.run_command)
    try:
        plan = node.plan(module.check_mode)
        if not module.check_mode:
            node.apply(plan)
    except Refused as refused:
        module.fail_json(msg="K3s on %s is refused: %s" % (module.params["node_name"], refused))
    except (OSError, RuntimeError) as error:
        module.fail_json(msg="K3s on %s could not be configured: %s" % (module.params["node_name"], error))
    for warning in plan.warnings:
        module.warn(warning)
    module.exit_json(changed=plan.changed, restart_reasons=plan.restart_reasons, running=plan.running,
                     written=[change.path for change in plan.files], joined=plan.joined,
                     diff=[change.diff() for change in plan.files])


if __name__ == "__main__":
    main()
