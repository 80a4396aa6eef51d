#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_control
short_description: Gives an order to a rollout
version_added: 0.2.0
description:
  - Starts a rollout, pauses, resumes, approves, aborts, takes back, tries again, or says how it stands.
  - An order goes into the rollout's ledger. Where another process holds the ledger, because it is carrying the rollout out, the order is
    left beside it, and that process takes it within a second.
  - An order that was given before changes nothing. One that the rollout cannot follow is an error that says how it stands.
  - Runs on the controller and touches no device.
author: edgeai.sites contributors (@edgeai-sites)
options:
  ledger:
    description: The rollout's ledger, the path of a directory or C(configmap:<namespace>/<name>). Made by the order V(start).
    type: path
    required: true
  ledger_kubeconfig:
    description: Path of the kubeconfig of the ledger's cluster, where O(ledger) is in one.
    type: path
  order:
    description:
      - V(start) begins the rollout of O(plan). One that has begun stays as it is.
      - >-
        V(adopt) makes an empty ledger for O(plan), in place of one that was lost; M(edgeai.sites.rollout_step) fills it from the
        records that the targets carry.
      - V(pause) lets nothing new begin; what is under way is finished. V(resume) goes on.
      - V(approve) lets O(wave) begin, for O(hours).
      - V(abort) ends the rollout; O(mode) says what becomes of what was updated.
      - V(rollback) takes everything back that this rollout updated.
      - V(retry) tries O(targets) again, or all that failed; V(catch_up) those that were deferred because they were offline.
      - V(status) changes nothing.
    type: str
    required: true
    choices: [start, adopt, pause, resume, approve, abort, rollback, retry, catch_up, status]
  by:
    description: Who gives the order, for the report. By default the user of this process.
    type: str
    default: ""
  reason:
    description: Why, for the report.
    type: str
    default: ""
  plan:
    description: The plan to start or adopt, as M(edgeai.sites.rollout_plan) returns it.
    type: dict
  wave:
    description: Wave to approve.
    type: str
  hash:
    description: Hash of the plan that is approved, C(sha256:) and twelve digits at least. Another plan's is refused.
    type: str
    default: ""
  hours:
    description: How long the approval holds for a wave that has not begun.
    type: int
    default: 24
  mode:
    description: Of V(abort) - V(hold) leaves each target as it is, V(rollback) takes the updated ones back.
    type: str
    choices: [hold, rollback]
    default: hold
  targets:
    description: Targets to try again, as C(site/deployment). All that failed by default.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Says whether the order would change something, and does not give it.
    support: full
  diff_mode:
    description: The report says what was ordered.
    support: none
  idempotent:
    description: An order that was given before changes nothing.
    support: full
seealso:
  - module: edgeai.sites.rollout_plan
  - module: edgeai.sites.rollout_step
"""

EXAMPLES = r"""
- name: Pause the rollout
  edgeai.sites.rollout_control:
    ledger: ~/.edgeai/demo/rollouts/vision-2.4
    order: pause
    by: Ines
    reason: the line is being cleaned

- name: Approve the wave that follows the canary
  edgeai.sites.rollout_control:
    ledger: ~/.edgeai/demo/rollouts/vision-2.4
    order: approve
    wave: fleet
    hash: sha256:0123456789ab
    by: Ines
"""

RETURN = r"""
status:
  description: How the rollout stands, such as C(running), C(paused), C(done) or C(aborted).
  returned: success
  type: str
  sample: paused
reason:
  description: Why it is paused or was stopped.
  returned: success
  type: str
wave:
  description: The current wave.
  returned: success
  type: str
hash:
  description: The plan's hash.
  returned: success
  type: str
msg:
  description: That the process which runs the rollout will take the order.
  returned: when another process holds the ledger
  type: str
"""

# Its work is done by the action plugin of the same name, in the controller's own process.
