#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edgecore_reset
short_description: Removes everything that EdgeCore left on a host
version_added: 0.3.0
description:
  - Stops EdgeCore, ends its pods, gives back their addresses and port rules, unmounts their volumes, removes program, unit,
    configuration, certificates, database, logs, the network for its pods, and its part of containerd's configuration.
  - containerd itself, its packages and its images stay, and so do containers of other namespaces (Docker's).
  - Where another kubelet is on the host, only the pods of EdgeCore's database are ended, and C(/var/lib/kubelet) stays; RV(left) says so.
  - The Node object is the caller's business, and comes afterwards.
author: edgeai.sites contributors (@edgeai-sites)
options:
  node_name:
    description: Name of the node, for messages.
    type: str
    required: true
attributes:
  check_mode:
    description: Says what it would do and removes nothing.
    support: full
  diff_mode:
    description: Shows containerd's configuration before and after.
    support: full
  idempotent:
    description: A second call finds nothing to do.
    support: full
seealso:
  - module: edgeai.sites.edgecore_config
"""

EXAMPLES = r"""
- name: Remove EdgeCore
  edgeai.sites.edgecore_reset:
    node_name: line-a
  become: true
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
left:
  description: What had to stay, with the reason.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.edge_reset import Failed, Reset


def main():
    module = AnsibleModule(argument_spec={"node_name": {"type": "str", "required": True}}, supports_check_mode=True)
    reset = Reset(LocalHost(), module.check_mode)
    try:
        left = reset.run()
    except (Failed, OSError) as error:
        module.fail_json(msg="EdgeCore on %s is not removed yet: %s" % (module.params["node_name"], error), actions=reset.actions,
                         changed=bool(reset.actions))
    for text in left:
        module.warn("left on %s: %s" % (module.params["node_name"], text))
    module.exit_json(changed=bool(reset.actions), actions=reset.actions, left=left, diff=reset.containerd.diffs)


if __name__ == "__main__":
    main()
