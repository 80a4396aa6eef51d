#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_health
short_description: Prove that the models of a site run, answer and are right
version_added: 0.1.0
description:
  - Watches the API of one site until every expected model is proven healthy, until what is wrong is certain, or until
    the deadline, and returns a verdict with its evidence. One call per site, run on the controller; nothing is changed.
  - A target is healthy when its Deployment's change has been seen and all its pods are updated, ready and available,
    no older pod is left, the container that runs has the wanted digest, its node is Ready with a lease renewed within
    40 seconds, its health document satisfies the workload's expression, and real inferences are answered right.
  - Nothing out of nothing is not healthy, and what could not be seen is never reported as healthy.
attributes:
  check_mode:
    description: Runs the same in check mode, because it only reads.
    support: full
  diff_mode:
    description: There is nothing to show, because nothing is changed.
    support: none
  idempotent:
    description: Never changes anything.
    support: full
requirements:
  - kubernetes (Python library) >= 24.2.0
  - jmespath (Python library)
options:
  kubeconfig:
    description: Path to the site's kubeconfig on the controller.
    type: path
    required: true
  site:
    description: Name of the site, for messages.
    type: str
    required: true
  namespace:
    description: Namespace of the workloads.
    type: str
    default: edgeai
  expected:
    description: What has to run, as the filter P(edgeai.sites.inference_targets#filter) returns it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the Deployment.
        type: str
        required: true
      workload:
        description: Name of the workload.
        type: str
        required: true
      node:
        description: Node that the target is bound to.
        type: str
        required: true
      line:
        description: Camera line that the target serves.
        type: str
        default: ""
      image:
        description: Short name of the image, for the report.
        type: str
        default: ""
      digest:
        description: Digest that the running container must have, V(sha256:) and 64 hexadecimal digits.
        type: str
        required: true
      replicas:
        description: Number of pods.
        type: int
        default: 1
      strategy:
        description: How the target is updated (V(surge) or V(replace)), for the report.
        type: str
        default: ""
      strategy_reason:
        description: Why, for the report.
        type: str
        default: ""
      port:
        description: Port that the model answers on.
        type: int
        required: true
      model:
        description: Name of the model in the Open Inference Protocol.
        type: str
        required: true
      health:
        description: Where the model tells its health, and what it has to say.
        type: dict
        required: true
        suboptions:
          path:
            description: Path of the health document.
            type: str
            default: /health
          expression:
            description: JMESPath expression over that document; only the boolean true passes.
            type: str
            required: true
      golden:
        description: An inference whose right answer is known.
        type: dict
        required: true
        suboptions:
          request:
            description: Body of the inference request.
            type: dict
            required: true
          expect:
            description: JMESPath expression over the answer; only the boolean true passes.
            type: str
            required: true
  nodes:
    description: Names of the nodes that have to be in the cluster and alive.
    type: list
    elements: str
    default: []
  k3s_version:
    description: Version that each of O(nodes) has to run; not compared when empty.
    type: str
    default: ""
  deadline:
    description: Seconds after which to stop looking.
    type: int
    default: 300
  grace:
    description: >-
      Seconds that a failure has to last before it is believed, because some mend themselves: an image that is still
      being imported, a node that restarts.
    type: int
    default: 30
  settle:
    description: Seconds that all has to stay well, after which each model is asked once more.
    type: int
    default: 0
  probe_timeout:
    description: Seconds that a model has for one answer.
    type: int
    default: 10
author:
  - edgeai.sites contributors (@edgeai-sites)
"""

EXAMPLES = r"""
- name: Verify the site
  edgeai.sites.site_health:
    kubeconfig: ~/.edgeai/demo/lab-factory/kubeconfig
    site: lab-factory
    expected: "{{ edge_workloads | edgeai.sites.inference_targets(edge_site_nodes, bundle) }}"
    nodes: [hall1-server, camera-a, camera-b]
    k3s_version: v1.36.5+k3s1
  delegate_to: localhost
  vars:
    bundle: "{{ edge_bundle_dir | edgeai.sites.bundle_manifest }}"
"""

RETURN = r"""
healthy:
  description: Whether everything is as wanted.
  returned: always
  type: bool
outcome:
  description: Why looking ended; V(healthy), V(failed) (more waiting would tell nothing new) or V(deadline).
  returned: always
  type: str
seconds:
  description: How long it took.
  returned: always
  type: float
targets:
  description: >-
    Per target name, workload, line, node, image, wanted_digest, digest (of the running container), pod, restarts,
    ready, health (document), answer (to the golden request), latency_ms (median of 3 inferences after one to warm up,
    measured through the API server's proxy), strategy, strategy_reason, state, verdict, reasons and log (last lines of
    a container that crashed).
  returned: always
  type: list
  elements: dict
nodes:
  description: Per node name, version, engine, ready, lease_age (seconds), state, verdict and reasons.
  returned: always
  type: list
  elements: dict
verdicts:
  description: Rows of check, verdict (pass, warn, fail, inconclusive), found, wanted, remedy, host and target.
  returned: always
  type: list
  elements: dict
"""

import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.edgeai.sites.plugins.module_utils.health import expression
from ansible_collections.edgeai.sites.plugins.module_utils.health.decide import WELL, Limits
from ansible_collections.edgeai.sites.plugins.module_utils.health.model import ExpectedNode, ExpectedTarget
from ansible_collections.edgeai.sites.plugins.module_utils.health.observe import observe
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import crashed
from ansible_collections.edgeai.sites.plugins.module_utils.health.report import describe, message
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.ask import Asker
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.watch import Watcher

LOG_LINES = 10


def text(**more):
    return dict(type="str", **more)


ARGUMENTS = dict(
    kubeconfig=dict(type="path", required=True),
    site=text(required=True),
    namespace=text(default="edgeai"),
    expected=dict(type="list", elements="dict", required=True, options=dict(
        name=text(required=True),
        workload=text(required=True),
        node=text(required=True),
        line=text(default=""),
        image=text(default=""),
        digest=text(required=True),
        replicas=dict(type="int", default=1),
        strategy=text(default=""),
        strategy_reason=text(default=""),
        port=dict(type="int", required=True),
        model=text(required=True),
        health=dict(type="dict", required=True, options=dict(
            path=text(default="/health"), expression=text(required=True))),
        golden=dict(type="dict", required=True, options=dict(
            request=dict(type="dict", required=True), expect=text(required=True))),
    )),
    nodes=dict(type="list", elements="str", default=[]),
    k3s_version=text(default=""),
    deadline=dict(type="int", default=300),
    grace=dict(type="int", default=30),
    settle=dict(type="int", default=0),
    probe_timeout=dict(type="int", default=10),
)


def expected_target(item):
    """Turn one element of ``expected`` into an ExpectedTarget; its expressions are compiled here, before any wait."""
    expression.check_expression(item["health"]["expression"])
    expression.check_expression(item["golden"]["expect"])
    plain = {key: item[key] for key in ("name", "workload", "node", "line", "image", "digest", "replicas", "port",
                                        "model", "strategy", "strategy_reason")}
    return ExpectedTarget(
        health_path=item["health"]["path"], health_expression=item["health"]["expression"],
        golden_request=item["golden"]["request"], golden_expect=item["golden"]["expect"], **plain)


def check(params, api):
    """Observe the site to a conclusion; return the module's result and a message."""
    targets = [expected_target(item) for item in params["expected"]]
    nodes = [ExpectedNode(name, params["k3s_version"]) for name in params["nodes"]]
    limits = Limits(deadline=params["deadline"], grace=params["grace"], settle=params["settle"])
    with Watcher(api, params["namespace"]) as watcher:
        asker = Asker(api, params["namespace"], params["probe_timeout"], watcher.wake)
        site, conclusion = observe(watcher, asker, targets, nodes, limits)
        elapsed = watcher.elapsed()
    logs = {target.name: asker.log(target.pod, LOG_LINES)
            for target in site.targets if target.pod is not None and crashed(target.pod) and conclusion != WELL}
    result = describe(site, conclusion, targets, logs)
    return dict(result, seconds=round(elapsed, 1)), message(params["site"], site, conclusion, elapsed)


def main():
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    if client.urllib3 is None:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    if expression.jmespath is None:
        module.fail_json(msg=missing_required_lib("jmespath"))
    try:
        result, msg = check(module.params, client.KubeApi.from_kubeconfig(module.params["kubeconfig"]))
    except (client.ApiError, expression.ExpressionError) as error:
        module.fail_json(msg="site %s: %s" % (module.params["site"], error), exception=traceback.format_exc())
    if not result["healthy"]:
        module.fail_json(msg=msg, **result)
    module.exit_json(changed=False, msg=msg, **result)


if __name__ == "__main__":
    main()
