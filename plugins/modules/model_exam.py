#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_exam
short_description: Ask one model on an EdgeCore node what a rollout wants to know, from the node itself
version_added: 0.1.0
description:
  - The API server has no way to the pods of an EdgeCore node. M(edgeai.sites.rollout_step) runs this on the node, whenever
    a gate needs answers of its model.
  - Asks at once, once, and waits for nothing. The node's own kubelet says which pod runs the image, and the answers carry
    the start of the container that gave them.
  - What came back is not judged here.
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
options:
  namespace:
    description: Namespace of the workload.
    type: str
    required: true
  target:
    description: Name of the model's Deployment.
    type: str
    required: true
  digest:
    description: Digest of the image whose container is asked; one of another image is not.
    type: str
    required: true
  port:
    description: Port that the model answers on.
    type: int
    required: true
  model:
    description: Name of the model in the Open Inference Protocol.
    type: str
    required: true
  health_path:
    description: Path of the health document.
    type: str
    default: /health
  http_path:
    description: Another path to read, C(http_turns) times.
    type: str
    default: ""
  http_turns:
    description: How often.
    type: int
    default: 0
  warm_ups:
    description: How often the first request is sent before its answers count.
    type: int
    default: 1
  requests:
    description: Bodies of inference requests, in their order.
    type: list
    elements: dict
    required: true
  counter:
    description: The counter of the model's outputs to read before all requests, if it is of interest.
    type: dict
    suboptions:
      output:
        description: Which output. Series that have a label C(output) count only if it is this one.
        type: str
        required: true
      metric:
        description: Name of the metric, as its series have it.
        type: str
        required: true
      label:
        description: Label that names the bin; with V(le) the buckets of a histogram are counted.
        type: str
        required: true
      path:
        description: Path of the metrics in Prometheus' text format.
        type: str
        required: true
      port:
        description: Port of the metrics; V(0) for O(port).
        type: int
        default: 0
  probe_timeout:
    description: How long one request may take, in seconds.
    type: int
    default: 10
seealso:
  - module: edgeai.sites.model_answers
  - module: edgeai.sites.rollout_step
author:
  - edgeai.sites contributors (@edgeai-sites)
"""

EXAMPLES = r"""
- name: Ask the model of line A
  edgeai.sites.model_exam:
    namespace: edgeai-izmir
    target: vision-line-a
    digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    port: 8080
    model: vision
    requests:
      - inputs: [{name: seed, shape: [1], datatype: INT64, data: [7]}]
"""

RETURN = r"""
error:
  description: Why there are no answers, or no more; empty when there are all.
  returned: always
  type: str
container_id:
  description: The start of the container that was asked.
  returned: always
  type: str
health:
  description: The health document.
  returned: when there are all answers
  type: raw
http:
  description: What the other path said, each time.
  returned: when there are all answers
  type: list
  elements: raw
answers:
  description: The answer to each request.
  returned: when there are all answers
  type: list
  elements: raw
times:
  description: How long each took, in milliseconds, as measured on the node.
  returned: when there are all answers
  type: list
  elements: float
outputs:
  description: How often the model gave each output since its start, C({bins, problem}).
  returned: when there are all answers and O(counter) is given
  type: dict
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.health.adapters import local_pods
from ansible_collections.edgeai.sites.plugins.module_utils.health.node_answers import find_place
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import container_id
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import MAX_BYTES, Counter
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import Exam, examine


def ask(params):
    """Return the module's result."""
    where, seconds = params["port"], params["probe_timeout"]
    exam = Exam(params["health_path"], tuple(params["requests"]), params["warm_ups"], params["http_path"], params["http_turns"],
                Counter(**params["counter"]) if params["counter"] else None)
    found = dict(error="", container_id="")
    try:
        place = find_place(local_pods.pods(), params["namespace"], params["target"], params["digest"], time.time())
        found["container_id"] = container_id(place.pod) if place.pod else ""
        if place.problem:
            return dict(found, error=place.problem)
        said = examine(exam, lambda path: local_pods.fetch(place.address, where, path, seconds),
                       lambda request: local_pods.infer(place.address, where, params["model"], request, seconds),
                       lambda counter: local_pods.text(place.address, counter.port or where, counter.path, MAX_BYTES, seconds),
                       time.perf_counter, found["container_id"], int(time.time()))
    except local_pods.LocalError as error:
        return dict(found, error=str(error))
    counted = dict(outputs=said.outputs.row()) if said.outputs else {}
    return dict(found, health=said.health, http=list(said.http), answers=list(said.answers), times=list(said.times), **counted)


def main():
    module = AnsibleModule(
        dict(
            namespace=dict(type="str", required=True),
            target=dict(type="str", required=True),
            digest=dict(type="str", required=True),
            port=dict(type="int", required=True),
            model=dict(type="str", required=True),
            health_path=dict(type="str", default="/health"),
            http_path=dict(type="str", default=""),
            http_turns=dict(type="int", default=0),
            warm_ups=dict(type="int", default=1),
            requests=dict(type="list", elements="dict", required=True),
            counter=dict(type="dict", options=dict(
                output=dict(type="str", required=True),
                metric=dict(type="str", required=True),
                label=dict(type="str", required=True),
                path=dict(type="str", required=True),
                port=dict(type="int", default=0),
            )),
            probe_timeout=dict(type="int", default=10),
        ),
        supports_check_mode=True,
    )
    if not module.params["requests"]:
        module.fail_json(msg="found no request; wanted one at least (requests)")
    module.exit_json(changed=False, **ask(module.params))


if __name__ == "__main__":
    main()
