#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edgecore_service
short_description: Start or restart EdgeCore and prove that its node is up
version_added: 0.3.0
description:
  - Starts the unit and waits, until a deadline, for evidence, because each sign alone was seen green on broken nodes. On the node
    that is a process that lives for O(stable_seconds), certificates, no certificate errors in its journal since it connected, a
    kubelet whose loop is ok, a containerd that serves CRI, a network for pods, the pause image, no pod whose sandbox fails.
  - Then its action plugin asks the cloud, from the controller. The Node is Ready, reports the wanted version, its heartbeat is newer
    than the start and its lease fresh, the pods that the cloud bound to it are those that the node knows, and one that is Ready
    answers on its port.
  - When that cannot be reached any more, or at the deadline, it fails. The message has the journal lines that explain it, at most
    ten and without tokens, what they usually mean, and what to do.
  - What was proven is kept - binary, configuration and version. When the unit is then started in another O(version), the database of
    the EdgeCore that was stopped for it is set aside. When that version is not up at the deadline, all three are put back, EdgeCore
    is started and proven in its former version, and the task fails with RV(rolled_back). A cloud that cannot be asked undoes nothing.
  - Removes the token from the node when the wait ends, however it ends.
  - Then brings labels and taints of the Node up to date, through the API. EdgeCore itself sets them once, when it registers. Those
    that were set by this module and are no longer wanted are removed, those set by others stay.
author: edgeai.sites contributors (@edgeai-sites)
options:
  node_name:
    description: Kubernetes name of the node.
    type: str
    required: true
  version:
    description: Version that the node must run.
    type: str
    required: true
  kubeconfig:
    description: Kubeconfig, on the controller, of the cluster of CloudCore.
    type: path
    required: true
  state:
    description:
      - V(restarted) restarts EdgeCore in any case, V(started) starts it when it does not run.
      - V(kept) and V(restored) are for its action plugin. The former keeps what was proven, the latter puts it back.
    type: str
    choices: [started, restarted, kept, restored]
    default: started
  until:
    description: V(started) only starts it, V(ready) waits for all the evidence.
    type: str
    choices: [ready, started]
    default: ready
  wait_seconds:
    description: Deadline for the node to be up.
    type: int
    default: 240
  stable_seconds:
    description: How long the process has to live. The longest known crash loop takes 38 seconds.
    type: int
    default: 60
  pause_image:
    description: Full name of the sandbox image. Empty does not look for it.
    type: str
    default: ''
  labels:
    description: Wanted node labels. When not given, labels are left alone.
    type: dict
  taints:
    description: Wanted taints, each with C(key), C(effect) and, if it has one, C(value). When not given, taints are left alone.
    type: list
    elements: dict
  out_of_reach:
    description:
      - Why the cloud cannot be reached, as M(edgeai.sites.edgecore_identity) found. Then only the node itself is proved, and the
        result is a failure with RV(deferred), because that the node serves is all that is known.
    type: str
    default: ''
attributes:
  check_mode:
    description: Can run in check mode. It then neither starts nor waits.
    support: full
  diff_mode:
    description: Shows changes of labels and taints.
    support: full
  idempotent:
    description: A second call with O(state=started) changes nothing and returns after one look.
    support: full
requirements:
  - kubernetes (Python library, on the controller) >= 24.2.0
seealso:
  - module: edgeai.sites.edgecore_config
"""

EXAMPLES = r"""
- name: Start EdgeCore and wait until the node is up
  edgeai.sites.edgecore_service:
    node_name: line-a
    version: v1.23.1
    kubeconfig: ~/.edgeai/factories/cloud/kubeconfig
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
node:
  description: The node as the cloud sees it.
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
pods:
  description: How many pods the node and the cloud agree on.
  returned: success, outside of check mode
  type: int
repaired:
  description: What was found out of order and mended, such as a lease that EdgeCore had lost.
  returned: when something was
  type: str
rolled_back:
  description: Whether another version was tried, and the former one put back.
  returned: failure of another version
  type: bool
restored:
  description: The version that was put back.
  returned: failure of another version
  type: str
deferred:
  description: Whether a failure is only that the cloud cannot be reached now.
  returned: failure
  type: bool
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
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_journal, health, outcome, upgrade
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import edge_proven
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.edge_service import EdgeService
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.service_args import TASK_ARGS


def main():
    module = AnsibleModule(argument_spec=TASK_ARGS, supports_check_mode=True)
    params = module.params
    kept = edge_proven.kept()
    version = kept.version if params["state"] == "restored" else params["version"]
    wanted = health.Wanted(params["node_name"], version, float(params["stable_seconds"]))
    try:
        if params["state"] == "kept":
            edge_proven.keep(params["version"])
            module.exit_json(changed=False)
        run(module, EdgeService(wanted, params["pause_image"], module.run_command), kept)
    except (OSError, RuntimeError) as error:
        module.fail_json(msg="EdgeCore on %s: %s" % (params["node_name"], error), deferred=False)


def run(module, service, kept):
    params = module.params
    before = service.state()
    restart = params["state"] in ("restarted", "restored")
    act = restart or before.active in ("inactive", "failed", "")
    if module.check_mode or params["until"] == "started":
        if act and not module.check_mode:
            start(service, restart, kept, params)
        module.exit_json(changed=act, waited_seconds=0.0, stages=[])
    if act:
        start(service, restart, kept, params)
    result = service.wait(params["wait_seconds"])
    forgotten = service.forget_token()
    facts = {"changed": act or forgotten, "stages": result.stages, "waited_seconds": result.waited,
             "kept": dict(edge_proven.kept()._asdict()), "kept_is_current": edge_proven.is_current(service.wanted.version)}
    if result.verdict.state != health.READY:
        module.fail_json(**dict(facts, deferred=False, **outcome.failure(
            params["node_name"], facts["waited_seconds"], result.verdict, result.findings, result.lines)))
    # The action plugin goes on with it: only the controller can ask the cloud.
    module.exit_json(local=health.to_facts(result.local), excerpt=edge_journal.READER.excerpt(service.explain()), **facts)


def start(service, restart, kept, params):
    """Start it; between two versions it is stopped for as long as its database is copied."""
    if params["state"] == "restored":
        service.stop()
        edge_proven.put_back()
        restart = False
    elif upgrade.pending(kept, params["version"]):
        service.stop()
        edge_proven.set_database_aside()
        restart = False
    service.start(restart)


if __name__ == "__main__":
    main()
