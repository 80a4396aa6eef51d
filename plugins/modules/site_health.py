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
  - Looks at the API of one site, and watches it where one look is not enough, until every expected model is proven
    healthy, until what is wrong is certain, or until the deadline, and returns a verdict with its evidence. One call per
    site, run on the controller; nothing is changed.
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
    description: The nodes that have to be in the cluster and alive.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the node.
        type: str
        required: true
      version:
        description: Version of K3s, or of KubeEdge, that it has to run; not compared when empty.
        type: str
        default: ""
      runtime:
        description: Runtime of the node. Models on V(edgecore) nodes are not asked here, see O(answers).
        type: str
        default: ""
  answers:
    description:
      - What models on C(edgecore) nodes answered to their nodes, by name of the target, as M(edgeai.sites.model_answers)
        returns it.
    type: dict
    default: {}
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
    nodes: "{{ edge_site_nodes | edgeai.sites.inference_nodes('v1.36.5+k3s1') }}"
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
  description: >-
    Per node name, version, engine, ready, lease_age (seconds), state, verdict and reasons; of an EdgeCore node also
    logs, whether C(kubectl logs) and C(exec) work there (V(works)) or why not. That is told, and fails nothing.
  returned: always
  type: list
  elements: dict
verdicts:
  description: Rows of check, verdict (pass, warn, fail, inconclusive), found, wanted, remedy, host and target.
  returned: always
  type: list
  elements: dict
"""

# Its work is done by the action plugin of the same name, in the controller's own process.
