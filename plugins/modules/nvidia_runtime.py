#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_runtime
short_description: Brings the NVIDIA container runtime of a host to what is wanted, in one call
version_added: 0.2.0
description:
  - Packages of the NVIDIA Container Toolkit, and where wanted of the driver, from files on the host; their holds; the units that
    keep the CDI specification fresh; a stale specification; and on a Jetson the CSV files by which it is described.
  - Nothing is downloaded. An installation that was interrupted is finished.
  - The GPU must be the one that the caller expects, with a driver that can be worked with, before anything is changed.
  - The driver of a Jetson is part of its system and is never touched.
author: edgeai.sites contributors (@edgeai)
options:
  gpu:
    description: Kind of GPU that the host has.
    type: str
    required: true
    choices: [dgpu, tegra]
  state:
    description: V(absent) removes the packages in O(packages) and what belongs to them. The driver stays.
    type: str
    choices: [present, absent]
    default: present
  packages:
    description: Packages of the toolkit, all at the version of their files. Empty where the image of the host has them.
    type: list
    elements: str
    default: [nvidia-container-toolkit-base]
  package_dir:
    description: Directory with the package files, as M(edgeai.sites.artifacts) fills it.
    type: path
    default: /var/lib/edgeai/packages
  driver:
    description:
      - V(verify) refuses a host whose driver is missing, waits for a reboot, or does not fit its libraries or its GPU.
      - V(install) installs O(driver_packages) and keeps nouveau from holding the GPU. V(skip) does not look.
    type: str
    choices: [verify, install, skip]
    default: verify
  driver_packages:
    description: Packages of the driver, for V(install). Their files are in O(package_dir) too.
    type: list
    elements: str
    default: []
  hold:
    description:
      - Keep the host's own upgrades from changing the toolkit (C(apt-mark hold)) and the driver (unattended upgrades).
      - Does nothing on hosts with rpm, which has no hold.
    type: bool
    default: true
  remove_old:
    description: Remove packages from before the NVIDIA Container Toolkit, such as C(nvidia-docker2), instead of refusing.
    type: bool
    default: false
  nvpmodel_mode:
    description:
      - Power mode of a Jetson, by its number or name in C(/etc/nvpmodel.conf). Empty leaves it as it is. Not for cards.
      - A mode that can be set with a reboot only is a warning; C(nvpmodel) is never told to reboot.
    type: str
    default: ""
  jetson_clocks:
    description:
      - V(lock) holds the clocks of a Jetson at their highest, V(free) gives them back, V(keep) leaves them. Not for cards.
      - A reboot gives them back; the next call locks them again.
    type: str
    choices: [keep, lock, free]
    default: keep
attributes:
  check_mode:
    description: Says what it would do and writes nothing.
    support: full
  diff_mode:
    description: Shows files before and after.
    support: full
  idempotent:
    description: A second call changes nothing, also after a reboot, which O(jetson_clocks) alone does not survive.
    support: full
seealso:
  - module: edgeai.sites.nvidia_toolkit_config
  - module: edgeai.sites.artifacts
"""

EXAMPLES = r"""
- name: Install the runtime for a card
  edgeai.sites.nvidia_runtime:
    gpu: dgpu
  become: true
  register: runtime

- name: Take it away again
  edgeai.sites.nvidia_runtime:
    gpu: dgpu
    state: absent
  become: true
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample: [{kind: install, target: nvidia-container-toolkit-base_1.20.0-1_amd64.deb, reason: not installed}]
  contains:
    kind:
      description: What kind of step it is.
      type: str
    target:
      description: The package, file or unit.
      type: str
    reason:
      description: Why it is needed.
      type: str
verdicts:
  description: What was looked at and how it came out, each with its remedy.
  returned: always
  type: list
  elements: dict
runtime_changed:
  description: Whether the runtime appeared or disappeared, which K3s notices only when it starts.
  returned: success
  type: bool
reboot_reasons:
  description: Why the host must be rebooted before its GPU can be used. Empty when it need not.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import driver
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.adapters.runtime import Refused, Runtime
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost
from ansible_collections.edgeai.sites.plugins.module_utils.packages.plan import PackagesError
from ansible_collections.edgeai.sites.plugins.module_utils.packages.tool import Failed

ARGUMENTS = {
    "gpu": {"type": "str", "required": True, "choices": ["dgpu", "tegra"]},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "packages": {"type": "list", "elements": "str", "default": ["nvidia-container-toolkit-base"]},
    "package_dir": {"type": "path", "default": "/var/lib/edgeai/packages"},
    "driver": {"type": "str", "choices": ["verify", "install", "skip"], "default": "verify"},
    "driver_packages": {"type": "list", "elements": "str", "default": []},
    "hold": {"type": "bool", "default": True},
    "remove_old": {"type": "bool", "default": False},
    "nvpmodel_mode": {"type": "str", "default": ""},
    "jetson_clocks": {"type": "str", "choices": ["keep", "lock", "free"], "default": "keep"},
}


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    runtime = Runtime(LocalHost(), module.params, module.check_mode)
    try:
        reboot = runtime.present() if module.params["state"] == "present" else runtime.absent()
    except (Refused, PackagesError, driver.Refused) as error:
        _fail(module, runtime, "The NVIDIA runtime is refused: %s" % error)
    except (Failed, OSError) as error:
        _fail(module, runtime, "The NVIDIA runtime could not be brought to what is wanted: %s" % error)
    for verdict in runtime.verdicts:
        if verdict["verdict"] == "warn":
            module.warn("%(found)s; wanted: %(wanted)s. %(remedy)s" % verdict)
    module.exit_json(changed=bool(runtime.actions), actions=runtime.actions, verdicts=runtime.verdicts, diff=runtime.diffs,
                     runtime_changed=runtime.runtime_changed, reboot_reasons=reboot)


def _fail(module, runtime, message):
    module.fail_json(msg=message, actions=runtime.actions, verdicts=runtime.verdicts, changed=bool(runtime.actions))


if __name__ == "__main__":
    main()
