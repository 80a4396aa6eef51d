#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_proof
short_description: Prove that the GPUs of a site compute in pods
version_added: 0.2.0
description:
  - Watches the API of one site until every node offers the GPUs that the inventory expects, then runs one Job on each node
    that asks for a GPU and has to compute on it, and one that does not ask and must not see any. One call per site, run
    on the controller.
  - Where running pods hold all devices of a node, no proof can run there; that is told (check C(gpu.in_use)), not waited for.
  - All Jobs are deleted at the end, also after a failure, and so are those of an earlier run that was killed.
  - On simulated hardware the proof passes and says V(simulated).
attributes:
  check_mode:
    description: Does nothing in check mode, because a proof needs Jobs.
    support: partial
    details: Returns at once with RV(nodes) empty.
  diff_mode:
    description: There is nothing to show, because nothing is left behind.
    support: none
  idempotent:
    description: Leaves the site as it found it.
    support: full
requirements:
  - kubernetes (Python library) >= 24.2.0
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
    description: Namespace of the device plugin, where the Jobs run too.
    type: str
    default: edgeai-gpu
  nodes:
    description: The nodes with GPUs, as the filter P(edgeai.sites.gpu_nodes#filter) returns them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node.
        type: str
        required: true
      kind:
        description: A discrete card or a Jetson.
        type: str
        choices: [dgpu, tegra]
        required: true
      runtime:
        description: Runtime of the node; EdgeCore cannot look up a runtime class, and its pods get none.
        type: str
        default: ""
      arch:
        description: Architecture of the node; it chooses the image.
        type: str
        choices: [amd64, arm64]
        default: amd64
      count:
        description: Number of GPUs, or of MIG instances. A Jetson has one.
        type: int
        default: 1
      replicas:
        description: Pods that share one GPU.
        type: int
        default: 1
      sharing:
        description: How they share it. By default V(time-slicing) where O(nodes[].replicas) is more than 1.
        type: str
        choices: [none, time-slicing, mps]
      mig:
        description: MIG strategy of the device plugin.
        type: str
        choices: [none, single, mixed]
        default: none
      resource:
        description: Name of the resource that the node offers.
        type: str
        default: nvidia.com/gpu
  images:
    description: The proof image by digest, for each architecture of O(nodes).
    type: dict
    default: {}
  prove:
    description: Whether to run the Jobs. Without them only what the nodes offer is compared.
    type: bool
    default: true
  runtime_class:
    description: Runtime class of the Job that asks for a GPU; empty for engines that cannot resolve runtime classes.
    type: str
    default: nvidia
  deadline:
    description: Seconds for all of it.
    type: int
    default: 180
  grace:
    description: Seconds that a failure has to last before it is believed.
    type: int
    default: 30
author:
  - edgeai.sites contributors (@edgeai-sites)
"""

EXAMPLES = r"""
- name: Prove the GPUs of the site
  edgeai.sites.gpu_proof:
    kubeconfig: ~/.edgeai/demo/lab-factory/kubeconfig
    site: lab-factory
    nodes:
      - {name: camera-a, kind: dgpu, arch: amd64}
      - {name: camera-b, kind: tegra, arch: arm64, replicas: 2}
    images:
      amd64: "{{ 'gpu-proof:1' | edgeai.sites.bundle_image(bundle, arch='amd64') }}"
      arm64: "{{ 'gpu-proof:1' | edgeai.sites.bundle_image(bundle, arch='arm64') }}"
  delegate_to: localhost
  vars:
    bundle: "{{ edge_bundle_dir | edgeai.sites.bundle_manifest }}"
"""

RETURN = r"""
healthy:
  description: Whether every node offers what is expected and no proof failed.
  returned: when not in check mode
  type: bool
seconds:
  description: How long it took.
  returned: when not in check mode
  type: float
nodes:
  description: >-
    Per node name, kind, resource, expected, allocatable, sharing, proof (V(pass), V(simulated), V(fail), V(in use) or
    V(not run)), isolation (the same for the pod that did not ask), evidence (what the proof printed) and good.
  returned: always
  type: list
  elements: dict
left:
  description: Jobs that could not be deleted; the cluster does it after their deadline.
  returned: when not in check mode
  type: list
  elements: str
verdicts:
  description: Rows of check, verdict (pass, fail, inconclusive), found, wanted, remedy and host.
  returned: always
  type: list
  elements: dict
"""

# Its work is done by the action plugin of the same name, in the controller's own process.
