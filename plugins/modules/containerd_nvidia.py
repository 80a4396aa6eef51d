#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: containerd_nvidia
short_description: Makes the NVIDIA runtime that of all pods of a host's containerd
version_added: 0.2.0
description:
  - Writes C(/etc/containerd/conf.d/50-edgeai-nvidia.toml) with the runtime C(nvidia) as the default, and names it among the
    imports of C(/etc/containerd/config.toml). Everything else in that file stays.
  - It is for EdgeCore, which cannot resolve RuntimeClasses. K3s finds the runtime by itself and needs none of this.
  - Configuration versions 2 (containerd 1.x) and 3 (2.x) are known. containerd 1.x replaces what other files say of the CRI
    plugin by what a drop-in says, so there the drop-in repeats it, and is written anew when it changes.
  - containerd itself says what the configuration will be (C(containerd config dump), on copies) before anything is written. It is
    refused when containerd refuses it, when another file wins, or when a setting of another file would be lost.
  - containerd is not restarted here; RV(restart_reasons) says when it must be.
author: edgeai.sites contributors (@edgeai)
options:
  state:
    description:
      - V(absent) takes file and import away again. Do that before the runtime is removed.
      - It is refused while containers run through the runtime, with the names of their pods.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Says what it would do and writes nothing. The configuration is tried as well.
    support: full
  diff_mode:
    description: Shows files before and after.
    support: full
  idempotent:
    description: A second call changes nothing, unless containerd was not restarted since the first.
    support: full
seealso:
  - module: edgeai.sites.nvidia_runtime
  - module: edgeai.sites.nvidia_toolkit_config
"""

EXAMPLES = r"""
- name: Make the NVIDIA runtime that of all pods
  edgeai.sites.containerd_nvidia:
  become: true
  register: engine
  notify: Restart containerd
"""

RETURN = r"""
restart_reasons:
  description: Why containerd must be restarted, or in check mode would have to be. Empty when it need not.
  returned: success
  type: list
  elements: str
  sample: [its configuration knows the NVIDIA runtime now]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.containerd.adapters.configuration import Refused
from ansible_collections.edgeai.sites.plugins.module_utils.containerd.config import ContainerdError
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.adapters.engine import Containerd
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost


def main():
    module = AnsibleModule(
        argument_spec={"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}},
        supports_check_mode=True,
    )
    engine = Containerd(LocalHost(), module.check_mode)
    try:
        if module.params["state"] == "present":
            engine.present()
        else:
            engine.absent()
    except (Refused, ContainerdError) as error:
        module.fail_json(msg="The NVIDIA runtime in containerd is refused: %s" % error)
    except OSError as error:
        module.fail_json(msg="The NVIDIA runtime in containerd could not be brought to what is wanted: %s" % error)
    for text in engine.warnings:
        module.warn(text)
    module.exit_json(changed=bool(engine.restart_reasons), diff=engine.diffs, restart_reasons=engine.restart_reasons)


if __name__ == "__main__":
    main()
