#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edgecore_engine
short_description: Brings containerd, its network and its images to what EdgeCore needs, in one call
version_added: 0.3.0
description:
  - Packages from files on the host, containerd's configuration, a network for pods, the images in O(image_dir). Nothing is
    downloaded, and what the image of the host has already is as good as a package file.
  - Writes C(/etc/containerd/conf.d/40-edgeai-edgecore.toml) with the pause image, the cgroup driver and the directory of the CNI
    plugins, and names it among the imports of C(/etc/containerd/config.toml). Everything else in that file stays, except that
    C(cri) is taken out of C(disabled_plugins), with which EdgeCore could not work.
  - containerd itself says what the configuration will be (C(containerd config dump), on copies) before anything is written. It is
    refused when containerd refuses it, when another file wins, or when a setting of another file would be lost.
  - Images are imported into the namespace C(k8s.io), under their names and by digest, as workloads ask for them.
  - containerd is started or restarted where there is a reason, because images are imported through it. Containers run on meanwhile.
author: edgeai.sites contributors (@edgeai-sites)
options:
  packages:
    description: Packages that the host must have, at the version of their files in O(package_dir).
    type: list
    elements: str
    default: [containerd, runc, containernetworking-plugins]
  package_dir:
    description: Directory with the package files, as M(edgeai.sites.artifacts) fills it.
    type: path
    default: /var/lib/edgeai/packages
  hold:
    description: Keep the host's own upgrades from changing these packages.
    type: bool
    default: true
  image_dir:
    description: Directory with OCI archives, as M(edgeai.sites.artifacts) fills it.
    type: path
    default: /var/lib/edgeai/images
  pause_image:
    description: The sandbox image, as C(name:version) of an archive, or by its full name.
    type: str
    required: true
  cgroup_driver:
    description: Who makes the control groups of containers. EdgeCore is told the same.
    type: str
    choices: [systemd, cgroupfs]
    default: systemd
  pod_subnet:
    description:
      - Addresses for the pods of this node, behind a bridge of its own. The same on every node does no harm.
      - Empty leaves C(/etc/cni/net.d) alone, for hosts that bring a network.
    type: str
    default: 10.244.0.0/24
attributes:
  check_mode:
    description: Says what it would do and writes nothing. The configuration is tried as well.
    support: full
  diff_mode:
    description: Shows files before and after, without passwords of registries.
    support: full
  idempotent:
    description: A second call changes nothing.
    support: full
seealso:
  - module: edgeai.sites.containerd_nvidia
  - module: edgeai.sites.edgecore_config
"""

EXAMPLES = r"""
- name: Bring the container engine to what is wanted
  edgeai.sites.edgecore_engine:
    pause_image: pause:3.6
  become: true
  register: engine
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample: [{kind: install, target: containerd_1.6.20.deb, reason: containerd 1.6.20 is not installed}]
  contains:
    kind: {description: What kind of step it is., type: str}
    target: {description: "The package, file, image or unit.", type: str}
    reason: {description: Why it is needed., type: str}
pause_image:
  description: The full name of the sandbox image, for EdgeCore's configuration.
  returned: success
  type: str
  sample: docker.io/kubeedge/pause:3.6
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.containerd.adapters.configuration import Refused
from ansible_collections.edgeai.sites.plugins.module_utils.containerd.config import ContainerdError
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.engine import Engine
from ansible_collections.edgeai.sites.plugins.module_utils.packages.plan import PackagesError
from ansible_collections.edgeai.sites.plugins.module_utils.packages.tool import Failed


def main():
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": ["containerd", "runc", "containernetworking-plugins"]},
            "package_dir": {"type": "path", "default": "/var/lib/edgeai/packages"},
            "hold": {"type": "bool", "default": True},
            "image_dir": {"type": "path", "default": "/var/lib/edgeai/images"},
            "pause_image": {"type": "str", "required": True},
            "cgroup_driver": {"type": "str", "choices": ["systemd", "cgroupfs"], "default": "systemd"},
            "pod_subnet": {"type": "str", "default": "10.244.0.0/24"},
        },
        supports_check_mode=True,
    )
    engine = Engine(LocalHost(), module.params, module.check_mode)
    try:
        engine.present()
    except (Refused, ContainerdError, PackagesError, ValueError) as error:
        _fail(module, engine, "EdgeCore's container engine is refused: %s" % error)
    except (Failed, OSError) as error:
        _fail(module, engine, "EdgeCore's container engine could not be brought to what is wanted: %s" % error)
    for text in engine.warnings:
        module.warn(text)
    module.exit_json(changed=bool(engine.actions), actions=engine.actions, diff=engine.diffs, pause_image=engine.pause_image)


def _fail(module, engine, message):
    module.fail_json(msg=message, actions=engine.actions, changed=bool(engine.actions))


if __name__ == "__main__":
    main()
