#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_step
short_description: Carries one wave of a rollout out, at all its sites at once
version_added: 0.2.0
description:
  - Takes the ledger of a rollout that was started, watches the API of each of its sites, and does what the plan says - looks at a target,
    asks the model that it runs, gives it the new image, asks the new model, and takes the image back where the gates say so.
  - Returns when the wave has passed, when the rollout has ended or is paused with nothing under way, when a wave waits for an approval, or
    when O(limit) is over. The next call goes on, also after this process died; what was begun is compared with the devices first.
  - Several waves may have targets under way, such as one that was offline and is back. All of that is done by whichever step runs.
  - Only one process at a time works on a ledger; others give orders with M(edgeai.sites.rollout_control), which it takes within a second.
  - Runs on the controller, once for the whole fleet. Each event is told as a line while it happens.
author: edgeai.sites contributors (@edgeai-sites)
options:
  ledger:
    description: The rollout's ledger, the path of a directory or C(configmap:<namespace>/<name>), as M(edgeai.sites.rollout_control) started it.
    type: path
    required: true
  ledger_kubeconfig:
    description: Path of the kubeconfig of the ledger's cluster, where O(ledger) is in one.
    type: path
  wave:
    description: Name of the wave to wait for, or V(catch-up).
    type: str
    required: true
  sites:
    description: The sites, how to get there and what is expected there, as the filter P(edgeai.sites.rollout_devices#filter) returns them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the site.
        type: str
        required: true
      kubeconfig:
        description: Path of the site's kubeconfig on the controller.
        type: path
        required: true
      namespace:
        description: Namespace of the workloads.
        type: str
        default: edgeai
      nodes:
        description: The nodes of the site, as in C(edge_site_nodes).
        type: list
        elements: dict
        required: true
      expected:
        description: The targets of the site.
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
  images:
    description: Digest of each image of the bundle, and the name by which nodes know it, as P(edgeai.sites.rollout_images#filter) returns them.
    type: dict
    default: {}
  adopt:
    description: >-
      Fill a ledger that nobody has started from the records that the targets carry, because the former one was lost. The
      rollout is paused then. Does nothing to a ledger that holds anything.
    type: bool
    default: false
  brought:
    description: Digests of the images that were put on each node. EdgeCore does not say which ones it has.
    type: dict
    default: {}
  not_brought:
    description: Nodes to which the images could not be brought, and why.
    type: dict
    default: {}
  golden_dir:
    description: Directory of the golden sets. The one that the release names by its digest has to be among them.
    type: path
  prometheus_url:
    description: Where the gate C(prometheus) asks, without C(/api/v1). Without it that gate has no data, and the wave does not pass.
    type: str
    default: ""
  timezone:
    description: IANA name of the time zone in which times are shown. Windows are always in their site's own.
    type: str
    default: UTC
  limit:
    description: Seconds after which to return, whatever is under way. The rollout loses nothing; the next call goes on.
    type: int
    default: 14400
  probe_timeout:
    description: Seconds that a model has for one answer.
    type: int
    default: 10
attributes:
  check_mode:
    description: Does nothing. The module M(edgeai.sites.rollout_plan) says what would be done.
    support: none
  diff_mode:
    description: The plan says what is changed; the report says what was.
    support: none
  idempotent:
    description: A wave that has passed is returned from at once.
    support: full
requirements:
  - kubernetes (Python library) >= 24.2.0
  - jmespath (Python library)
seealso:
  - module: edgeai.sites.rollout_plan
  - module: edgeai.sites.rollout_control
  - module: edgeai.sites.rollout_report
"""

EXAMPLES = r"""
- name: Carry out the waves
  edgeai.sites.rollout_step:
    ledger: ~/.edgeai/demo/rollouts/vision-2.4
    wave: "{{ item }}"
    sites: >-
      {{ groups['sites'] | map('extract', hostvars)
         | edgeai.sites.rollout_devices(edge_workloads, bundle, '~/.edgeai/demo') }}
    images: "{{ bundle | edgeai.sites.rollout_images }}"
    brought: "{{ groups['sites'] | map('extract', hostvars) | edgeai.sites.rollout_brought }}"
    golden_dir: releases/golden
  loop: "{{ planned.plan.waves | map(attribute='name') + ['catch-up'] }}"
  vars:
    bundle: "{{ edge_bundle_dir | edgeai.sites.bundle_manifest }}"
"""

RETURN = r"""
status:
  description: How the rollout stands, such as C(running), C(paused), C(done) or C(aborted).
  returned: when it ran
  type: str
  sample: running
state:
  description: How the wave stands, such as C(passed), C(running) or C(approval).
  returned: when it ran
  type: str
why:
  description: Why this step ended - C(passed), C(approval), C(limit), or the status of the rollout.
  returned: when it ran
  type: str
waiting:
  description: C(approval) where the rollout waits for a person; else empty.
  returned: when it ran
  type: str
at_wave:
  description: The wave that is the current one.
  returned: when it ran
  type: str
standing:
  description: What is under way and what is waited for, where the run ended because its time was over.
  returned: when it ran
  type: str
reason:
  description: Why the rollout is paused or was stopped.
  returned: when it ran
  type: str
events:
  description: How many events this step wrote.
  returned: when it ran
  type: int
hash:
  description: The plan's hash.
  returned: when it ran
  type: str
"""

# Its work is done by the action plugin of the same name, in the controller's own process.
