#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_health
short_description: Says whether the GPU of a running node is healthy, without changing anything
version_added: 0.2.0
description:
  - Looks, in one call on the node, whether the GPU is there, whether kernel module and libraries are of one version, whether the
    CDI specification names every card, and what the kernel log of this boot and the sensors say - Xid errors, memory errors,
    temperature, slowed clocks.
  - Fails when one of its verdicts is V(fail), and names those in its message. A source that cannot be read makes a verdict
    V(inconclusive), never V(pass), and does not fail.
  - Runs C(journalctl) or C(dmesg), C(nvidia-smi), C(modinfo), C(ldconfig -p) and C(dpkg-query -W) or C(rpm -qa), each with a
    deadline.
  - Whether pods are offered the GPU and can compute on it is the business of M(edgeai.sites.gpu_proof).
author: edgeai.sites contributors (@edgeai-sites)
options:
  gpu:
    description: Kind of GPU that the host has.
    type: str
    required: true
    choices: [dgpu, tegra]
attributes:
  check_mode:
    description: Reads only, so check mode makes no difference.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
notes:
  - Needs root to read the kernel log.
seealso:
  - module: edgeai.sites.gpu_proof
  - module: edgeai.sites.site_health
"""

EXAMPLES = r"""
- name: Judge the GPU
  edgeai.sites.gpu_health:
    gpu: "{{ edge_gpu }}"
  become: true
"""

RETURN = r"""
healthy:
  description: Whether no verdict is V(fail).
  returned: always
  type: bool
gpu:
  description: The option O(gpu).
  returned: always
  type: str
found:
  description: The GPU in words.
  returned: always
  type: str
  sample: NVIDIA L4 (10de:27b8, ada)
verdicts:
  description: >-
    Rows of check (V(gpu_present), V(gpu_driver), V(gpu_cdi), V(gpu_errors), V(gpu_memory), V(gpu_temperature)), verdict
    (V(pass), V(warn), V(fail), V(inconclusive)), found, wanted and remedy.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import evidence, health
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.adapters import sensors
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.detect import describe, detect
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost


def check(host, kind):
    """Return the module's result and a message."""
    found = evidence.collect(host)
    verdicts = health.judge_health(
        {"nvidia": found}, {"gpu": kind}, kernel_log=sensors.kernel_log(host), readings=sensors.readings(host, kind))
    words = describe(detect(found))
    result = dict(healthy=health.healthy(verdicts), gpu=kind, found=words, verdicts=verdicts)
    return result, health.message(words, verdicts)


def main():
    module = AnsibleModule({"gpu": {"type": "str", "required": True, "choices": ["dgpu", "tegra"]}}, supports_check_mode=True)
    try:
        result, msg = check(LocalHost(), module.params["gpu"])
    except OSError as error:
        module.fail_json(msg="The GPU could not be looked at: %s. Run it as root (become: true)" % error)
    if not result["healthy"]:
        module.fail_json(msg=msg, **result)
    module.exit_json(changed=False, msg=msg, **result)


if __name__ == "__main__":
    main()
