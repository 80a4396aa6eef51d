#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_answers
short_description: Ask the models on an EdgeCore node, from the node itself
version_added: 0.1.0
description:
  - The API server has no way to the pods of an EdgeCore node, so the node asks them - for their health and for
    inferences whose answers are known - as soon as its own kubelet says that the wanted images run and are ready.
  - What came back is not judged here. M(edgeai.sites.site_health) does that, and takes an answer only for the very
    start of the container that gave it.
  - One call per node. It reads only, and works while the node's link to the cloud is down.
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
    description: Namespace of the workloads.
    type: str
    required: true
  expected:
    description: What has to run on this node, as the filter P(edgeai.sites.inference_targets#filter) returns it.
    type: list
    elements: dict
    required: true
  deadline:
    description: How long to wait for the models of this node, in seconds.
    type: int
    default: 300
  grace:
    description: How long a failure has to last before it is believed, in seconds.
    type: int
    default: 30
  probe_timeout:
    description: How long one request may take, in seconds.
    type: int
    default: 10
seealso:
  - module: edgeai.sites.site_health
author:
  - edgeai.sites contributors (@edgeai-sites)
"""

EXAMPLES = r"""
- name: Ask the models of the node
  edgeai.sites.model_answers:
    namespace: edgeai-izmir
    expected: "{{ targets | selectattr('node', 'equalto', inventory_hostname) }}"
  register: answers
"""

RETURN = r"""
answers:
  description: >-
    Per target pod, container_id, health (document), answers (to the golden request), latency_ms (median of 3 inferences
    after one to warm up, measured on the node), error (why there is no answer, or empty) and log (last lines of a
    container that crashed).
  returned: always
  type: dict
seconds:
  description: How long it took.
  returned: always
  type: float
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.health.adapters import local_pods
from ansible_collections.edgeai.sites.plugins.module_utils.health.node_answers import find_place
from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import container_id, crashed

LOG_LINES = 10
PAUSE_SECONDS = 1.0


class Asking:
    """The targets of a node and what they said so far."""

    def __init__(self, params):
        self.params = params
        self.begun = time.monotonic()
        self.waiting = {item["name"]: item for item in params["expected"]}
        self.bad_since = {}
        self.answers = {}

    def elapsed(self):
        return time.monotonic() - self.begun

    def run(self):
        """Look and ask until every target has answered, or cannot be expected to."""
        while True:
            late = self.elapsed() >= self.params["deadline"]
            try:
                pods, problem = local_pods.pods(), ""
            except local_pods.LocalError as error:
                pods, problem = [], "EdgeCore does not say what runs here: %s" % error
            for name, target in sorted(self.waiting.items()):
                self.look(name, target, pods, problem, late)
            for name in self.answers:
                self.waiting.pop(name, None)
            if not self.waiting:
                return self.answers
            time.sleep(PAUSE_SECONDS)

    def look(self, name, target, pods, problem, late):
        place = find_place(pods, self.params["namespace"], name, target["digest"], time.time())
        problem = problem or place.problem
        answer = dict(pod=place.pod["metadata"]["name"] if place.pod else "",
                      container_id=container_id(place.pod) if place.pod else "")
        bad = place.settled
        if not problem:
            try:
                said = local_pods.ask(place.address, plain(target), self.params["probe_timeout"])
                self.answers[name] = dict(answer, error="", health=said.health, answers=list(said.inferences),
                                          latency_ms=said.latency_ms, log=[])
                return
            except local_pods.LocalError as error:
                problem, bad = str(error), True
        since = self.bad_since.setdefault(name, self.elapsed()) if bad else self.bad_since.pop(name, self.elapsed())
        if late or (bad and self.elapsed() - since >= self.params["grace"]):
            log = local_pods.log(place.pod, LOG_LINES) if place.pod and crashed(place.pod) else []
            self.answers[name] = dict(answer, error=problem, health=None, answers=[], latency_ms=None, log=log)


def plain(target):
    return dict(port=int(target["port"]), model=target["model"], health_path=target["health"]["path"],
                request=target["golden"]["request"])


def main():
    module = AnsibleModule(
        dict(
            namespace=dict(type="str", required=True),
            expected=dict(type="list", elements="dict", required=True),
            deadline=dict(type="int", default=300),
            grace=dict(type="int", default=30),
            probe_timeout=dict(type="int", default=10),
        ),
        supports_check_mode=True,
    )
    asking = Asking(module.params)
    answers = asking.run()
    wrong = sorted(name for name in answers if answers[name]["error"])
    module.exit_json(changed=False, answers=answers, seconds=round(asking.elapsed(), 1),
                     msg="%d of %d models answered" % (len(answers) - len(wrong), len(answers)))


if __name__ == "__main__":
    main()
