#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_plan
short_description: Plans how a release gets to a fleet, and says what it would do
version_added: 0.2.0
description:
  - Reads a release file and plans who gets it, in which waves, within which budgets and windows, how each target is updated, and how
    long it takes at most. Mistakes in the file are told all at once, with file, line, column and key.
  - The same inputs give the same plan, whatever the order of the inventory. Its hash names it; approvals and ledgers are bound to it.
  - Runs on the controller, once for the whole fleet, and touches no device.
author: edgeai.sites contributors (@edgeai-sites)
options:
  release:
    description: Path of the release file.
    type: path
    required: true
  fleet:
    description: Name of the fleet.
    type: str
    required: true
  workloads:
    description: The fleet's workloads, as in C(edge_workloads).
    type: list
    elements: dict
    required: true
  sites:
    description: The sites with their nodes, as the filter P(edgeai.sites.rollout_sites#filter) returns them.
    type: list
    elements: dict
    required: true
  bundle:
    description: Directory of the bundle that holds the images. Without it the release file has to name their digests itself.
    type: path
  seen:
    description:
      - What is known of targets now, by target (C(site/deployment)) - RV(ignore:digest), RV(ignore:online), RV(ignore:healthy) and
        RV(ignore:quarantine) (why it is to be left alone). A target that is not here takes part.
    type: dict
    default: {}
  now:
    description: When the rollout would start, in seconds since the epoch; by default now.
    type: int
  timezone:
    description: IANA name of the time zone in which times are shown. Windows are always in their site's own.
    type: str
    default: UTC
  dest:
    description: File that receives the plan and its forecast as JSON. Not written in check mode.
    type: path
  ledger:
    description: >-
      The rollout's ledger, the path of a directory or C(configmap:<namespace>/<name>). Where a rollout of this release has begun there,
      its plan is returned instead of a new one.
    type: path
  ledger_kubeconfig:
    description: Path of the kubeconfig of the ledger's cluster, where O(ledger) is in one.
    type: path
attributes:
  check_mode:
    description: Plans and shows the same, and does not write O(dest).
    support: full
  diff_mode:
    description: A plan is no change of anything.
    support: none
  idempotent:
    description: The same inputs leave the same file; it says C(changed) when the plan in it changed.
    support: full
requirements:
  - jsonschema >= 4.17 (Python library, on the controller)
"""

EXAMPLES = r"""
- name: Plan the release
  edgeai.sites.rollout_plan:
    release: releases/vision-2.4.yml
    fleet: "{{ edge_fleet }}"
    workloads: "{{ edge_workloads }}"
    sites: "{{ groups['sites'] | map('extract', hostvars) | edgeai.sites.rollout_sites }}"
    bundle: "{{ edge_bundle_dir }}"
"""

RETURN = r"""
plan:
  description: The plan - who, in which wave, how. Its hash covers all of it.
  returned: success
  type: dict
hash:
  description: The plan's hash.
  returned: success
  type: str
forecast:
  description: How long it takes at least and at most, by wave and by site, and what stands in its way.
  returned: success
  type: dict
feasible:
  description: Whether it can be run as it is.
  returned: success
  type: bool
begun:
  description: Whether a rollout of the release has begun in O(ledger); the plan is that rollout's then.
  returned: success
  type: bool
ledger:
  description: The ledger given as O(ledger).
  returned: success
  type: str
ledger_kubeconfig:
  description: The path given as O(ledger_kubeconfig).
  returned: success
  type: str
text:
  description: The plan as people read it.
  returned: success
  type: str
"""

# Its work is done by the action plugin of the same name, in the controller's own process.
