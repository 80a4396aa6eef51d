#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_service
short_description: Start or restart K3s and prove that its node is up
version_added: 0.1.0
author:
  - edgeai.sites contributors (@edgeai)
description:
  - Starts the K3s unit without blocking and waits, until a deadline, for evidence. That is an active unit, an API that
    answers, a Ready node of the wanted version, a Lease renewed since K3s was started, no start-up taints, and the
    sandbox image that pods need.
  - When that cannot be reached any more, or at the deadline, it fails. The message has the journal lines that explain
    it, at most ten and with secrets masked, what they usually mean, and what to do.
  - Then brings the node's labels up to date. Labels that were set by this module and are no longer wanted are removed,
    labels set by others stay.
  - Uses the kubelet's own certificate, so that no administrator credentials are needed on agents.
options:
  runtime:
    description: Which kind of node this is.
    type: str
    required: true
    choices: [k3s_server, k3s_agent]
  node_name:
    description: Kubernetes name of the node.
    type: str
    required: true
  version:
    description: Version that the node must run.
    type: str
    required: true
  state:
    description: V(restarted) restarts K3s in any case, V(started) starts it when it does not run.
    type: str
    choices: [started, restarted]
    default: started
  until:
    description:
      - What to wait for. V(serving) is enough for agents to join a server, some seconds before its own node is up;
        labels are then left alone.
    type: str
    choices: [ready, serving]
    default: ready
  wait_seconds:
    description: Deadline for the node to be up.
    type: int
    default: 180
  labels:
    description: Wanted node labels. When not given, labels are left alone.
    type: dict
attributes:
  check_mode:
    description: Can run in check mode. It then neither starts nor waits.
    support: full
  diff_mode:
    description: Shows label changes.
    support: full
  idempotent:
    description: A second call with O(state=started) changes nothing and returns after one look.
    support: full
seealso:
  - module: edgeai.sites.k3s_config
"""

EXAMPLES = r"""
- name: Start K3s and wait until the node is up
  edgeai.sites.k3s_service:
    runtime: k3s_agent
    node_name: line-a
    version: v1.36.5+k3s1
    labels:
      plant.example/hall: "1"
  become: true
"""

RETURN = r"""
waited_seconds:
  description: How long it took.
  returned: always
  type: float
stages:
  description: Where the wait stood, in order, as C(stage after seconds).
  returned: always
  type: list
  elements: str
main_pid:
  description: Process id of K3s.
  returned: success
  type: int
node:
  description: The node as it reports itself.
  returned: success, outside of check mode
  type: dict
  contains:
    name: {description: Its name., type: str}
    version: {description: Version of its kubelet., type: str}
    container_runtime: {description: Its container runtime., type: str}
    kernel: {description: Its kernel., type: str}
labels:
  description: The labels that were set (or null for removed ones).
  returned: success
  type: dict
cause:
  description: Name of the known cause of a failure, or V(unknown).
  returned: failure
  type: str
remedy:
  description: What to do.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils import node_labels
from ansible_collections.edgeai.sites.plugins.module_utils.k3s import outcome
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.adapters.wait import Service


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            runtime=dict(type="str", required=True, choices=["k3s_server", "k3s_agent"]),
            node_name=dict(type="str", required=True),
            version=dict(type="str", required=True),
            state=dict(type="str", choices=["started", "restarted"], default="started"),
            until=dict(type="str", choices=["ready", "serving"], default="ready"),
            wait_seconds=dict(type="int", default=180),
            labels=dict(type="dict"),
        ),
        supports_check_mode=True,
    )
    params = module.params
    problems = node_labels.check(params["labels"] or {})
    if problems:
        module.fail_json(msg="; ".join(problems))
    service = Service(params["runtime"], params["node_name"], params["version"], module.run_command,
                      serving_only=params["until"] == "serving")
    try:
        run(module, service)
    except (OSError, RuntimeError) as error:
        module.fail_json(msg="K3s on %s: %s" % (params["node_name"], error))


def run(module: AnsibleModule, service: Service) -> None:
    params = module.params
    before = service.state()
    restart = params["state"] == "restarted"
    act = restart or before.active in ("inactive", "failed", "")
    if act and module.check_mode:
        module.exit_json(changed=True, main_pid=before.main_pid, waited_seconds=0.0, stages=[], labels={})
    if act:
        service.start(restart)
    result = service.wait(0 if module.check_mode else params["wait_seconds"])
    last = result.samples[-1]
    stages = outcome.stages(result.samples, service.wanted)
    waited = round(last.at - result.samples[0].at, 2)
    if result.verdict.state != "ready" and not module.check_mode:
        told = outcome.failure(service.unit, params["node_name"], waited, result.verdict, result.findings, result.lines)
        module.fail_json(changed=act, waited_seconds=waited, stages=stages, **told)
    patch = {}
    if last.node and params["labels"] is not None:
        patch = service.reconcile_labels(last.node, params["labels"], module.check_mode)
    changes = patch.get("metadata", {}).get("labels", {})
    module.exit_json(changed=act or bool(patch), main_pid=last.unit.main_pid, waited_seconds=waited, stages=stages,
                     labels=changes, node=outcome.summary(last.node, params["node_name"]),
                     diff=node_labels.diff(last.node, changes) if changes else {})


if __name__ == "__main__":
    main()
