#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_toolkit_config
short_description: Sets values in the configuration of the NVIDIA container runtime
version_added: 0.2.0
description:
  - Compares the values that C(config.toml) sets with the wanted ones, and writes those that differ. Other keys, comments and
    their order stay.
  - A file that cannot be read with certainty is refused with its line and left as it is.
  - The runtime reads the file for each container, so nothing needs a restart.
author: edgeai.sites contributors (@edgeai)
options:
  gpu:
    description:
      - Kind of GPU, which decides the settings that O(settings) does not name.
      - Whatever the kind, the variable C(NVIDIA_VISIBLE_DEVICES) of an image counts for nothing. Most CUDA images say C(all) in
        it, and a pod that asked for nothing would see every GPU.
      - On V(dgpu) the mode is V(cdi). On V(tegra) it is V(csv), with devices as volume mounts, which only the kubelet adds.
    type: str
    required: true
    choices: [dgpu, tegra]
  volume_mounts:
    description:
      - Take the devices of a card from volume mounts too. A Jetson's always come that way.
      - For EdgeCore, whose kubelet hands them over like that because containerd 1.6 takes no CDI names from it.
    type: bool
    default: false
    version_added: 0.3.0
  settings:
    description:
      - More settings, or others than the defaults, by their dotted name such as C(nvidia-container-runtime.log-level).
      - A null value takes the key out of the file. Keys that the toolkit does not know are refused.
    type: dict
    default: {}
  path:
    description: The file.
    type: path
    default: /etc/nvidia-container-runtime/config.toml
attributes:
  check_mode:
    description: Says what it would do and writes nothing.
    support: full
  diff_mode:
    description: Shows the file before and after.
    support: full
  idempotent:
    description: Values that are right already are left as they are written.
    support: full
seealso:
  - module: edgeai.sites.nvidia_runtime
"""

EXAMPLES = r"""
- name: Configure the runtime of a card
  edgeai.sites.nvidia_toolkit_config:
    gpu: dgpu
    settings:
      nvidia-container-runtime.log-level: debug
  become: true
"""

RETURN = r"""
changes:
  description: The keys that were (or would be) set, with the value before and after. A value of null is a key that is not there.
  returned: success
  type: dict
  sample: {nvidia-container-runtime.mode: {before: auto, after: cdi}}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import toolkit_config
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost

LIMIT = 1024 * 1024


def main():
    module = AnsibleModule(
        argument_spec={
            "gpu": {"type": "str", "required": True, "choices": ["dgpu", "tegra"]},
            "volume_mounts": {"type": "bool", "default": False},
            "settings": {"type": "dict", "default": {}},
            "path": {"type": "path", "default": toolkit_config.PATH},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    wanted = dict(toolkit_config.defaults(module.params["gpu"], module.params["volume_mounts"]), **module.params["settings"])
    problems = toolkit_config.check(wanted)
    if problems:
        module.fail_json(msg="nvidia_runtime_config: " + "; ".join(problems))
    try:
        before = LocalHost().read(path, LIMIT)
        text, changes = toolkit_config.apply(toolkit_config.HEADER if before is None else before, wanted)
        if changes and not module.check_mode:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            replace(path, text, 0o644)
    except toolkit_config.ConfigError as error:
        module.fail_json(msg="%s: %s" % (path, error))
    except OSError as error:
        module.fail_json(msg="%s could not be written: %s" % (path, error))
    diff = [{"before_header": path, "after_header": path, "before": before or "", "after": text}] if changes else []
    module.exit_json(changed=bool(changes), diff=diff,
                     changes={name: {"before": old, "after": new} for name, (old, new) in changes.items()})


if __name__ == "__main__":
    main()
