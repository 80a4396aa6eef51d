#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: artifacts
short_description: Put what a node needs from a bundle in place
version_added: 0.1.0
author:
  - edgeai.sites contributors (@edgeai)
description:
  - Compares a node with a bundle on the controller, sends the pieces that are missing, verifies them and moves
    complete files to their places.
  - A node that has everything costs one module execution and no transfer.
  - A lost link costs at most one piece of 16 MiB; what arrived stays in O(state_dir) and is used by the next run.
  - Image archives and packages that this module put in place and that are not wanted any more are removed. Files
    that it did not put there are never touched.
attributes:
  check_mode:
    support: full
    description: Reports what would be sent; writes and sends nothing.
  diff_mode:
    support: full
    description: Shows path, SHA-256 and mode before and after.
  idempotent:
    support: full
    description: Files with the right bytes, mode and owner are left alone.
options:
  bundle:
    description: Bundle directory on the controller, as M(edgeai.sites.bundle) builds it.
    type: str
    required: true
  runtime:
    description: What the node runs. A node that runs EdgeCore gets nothing of K3s.
    type: str
    required: true
    choices: [k3s_server, k3s_agent, edgecore]
  arch:
    description: Architecture of the node. It is compared with what the node says about itself.
    type: str
    required: true
    choices: [amd64, arm64, arm]
  images:
    description: Images that the node needs beside those of K3s, each as C(name:version).
    type: list
    elements: str
    default: []
  packages:
    description:
      - Packages that the node needs, each as C(name) or C(name=version). They are put below C(packages) in
        O(state_dir) and installed by whoever needs them, such as M(edgeai.sites.nvidia_runtime).
      - Of a package that the bundle has as .deb and as .rpm, the node gets the one for its own package tool.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  binaries:
    description:
      - Programs that the node needs beside K3s, each as C(name) or C(name=version), put into O(bin_dir).
      - Without a version the bundle must hold exactly one.
    type: list
    elements: str
    default: []
    version_added: 0.3.0
  k3s_version:
    description: Version of K3s. May be empty while the bundle holds exactly one.
    type: str
    default: ""
  bin_dir:
    description: Directory for programs.
    type: path
    default: /usr/local/bin
  data_dir:
    description:
      - Data directory of K3s. Images go to C(agent/images) below it, those of a node that runs EdgeCore to C(images)
        below O(state_dir).
    type: path
    default: /var/lib/rancher/k3s
  state_dir:
    description: Directory for packages, for staged pieces and for the memory of what was hashed.
    type: path
    default: /var/lib/edgeai
  verify:
    description:
      - V(changed) reads a file again only if its size, times or inode differ from what was remembered.
      - V(always) reads every file.
    type: str
    default: changed
    choices: [changed, always]
  placements:
    description: What goes where. Filled in by the action plugin from the bundle; not for tasks.
    type: list
    elements: dict
    suboptions:
      kind:
        description: Kind of the artifact.
        type: str
        required: true
      name:
        description: Name of the artifact.
        type: str
        required: true
      version:
        description: Version of the artifact.
        type: str
        required: true
      arch:
        description: Architecture of the artifact.
        type: str
        required: true
      sha256:
        description: SHA-256 of the file.
        type: str
        required: true
      size:
        description: Size in bytes.
        type: int
        required: true
      path:
        description: Where the file belongs.
        type: path
        required: true
      mode:
        description: Mode of the file.
        type: str
        required: true
  login_user:
    description: User who may write staged pieces. Filled in by the action plugin; not for tasks.
    type: str
  assemble:
    description: All pieces were sent. Filled in by the action plugin; not for tasks.
    type: bool
    default: false
notes:
  - Needs root on the node, see C(become).
  - The bundle is read by the action plugin on the controller.
seealso:
  - module: edgeai.sites.bundle
"""

EXAMPLES = r"""
- name: Put K3s and the vision model in place
  edgeai.sites.artifacts:
    bundle: "{{ edge_bundle_dir }}"
    runtime: "{{ edge_runtime }}"
    arch: "{{ edge_arch }}"
    images: ["vision:1"]
  become: true

- name: Read every file again after a power cut
  edgeai.sites.artifacts:
    bundle: "{{ edge_bundle_dir }}"
    runtime: k3s_agent
    arch: arm64
    verify: always
  become: true
"""

RETURN = r"""
placed:
  description: Files that were (in check mode - would be) put in place or corrected.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path of the file.
      type: str
    sha256:
      description: SHA-256 that it has now.
      type: str
    reason:
      description: Why - C(absent), C(content) or C(mode).
      type: str
  sample: [{path: /usr/local/bin/k3s, reason: absent, sha256: 8f6c0b0e}]
present:
  description: Paths that were right already.
  returned: success
  type: list
  elements: str
removed:
  description: Image archives and packages that are not wanted any more.
  returned: success
  type: list
  elements: str
bytes_sent:
  description: Bytes that went over the wire.
  returned: success
  type: int
bytes_to_send:
  description: Bytes that would go over the wire.
  returned: check mode
  type: int
"""

import os
import platform

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.artifacts_args import MODULE_ARGS
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.node import Node, check_machine
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.packages import of_format
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.placement import images_dir


def describe(node):
    """Return what is to do on the node as the part of the result that people read."""
    placed = [dict(path=p["path"], sha256=p["sha256"], reason=node.reason(p)) for p in node.absent() + node.drifted()]
    touched = [item["path"] for item in placed]
    return dict(
        placed=placed,
        present=[p["path"] for p in node.placements if p["path"] not in touched],
        removed=node.former,
        diff=dict(before=node.text_before(), after=node.text_after()),
        changed=bool(placed or node.former),
    )


def run(module):
    """Look; ask the action plugin for what is absent, or put in place what it sent."""
    params = module.params
    check_machine(platform.machine(), params["arch"])
    # As the module nvidia_runtime chooses.
    tool = "deb" if os.path.exists("/usr/bin/dpkg-query") else "rpm" if os.path.exists("/usr/bin/rpm") else ""
    node = Node(
        of_format(params["placements"], tool), images_dir(params["runtime"], params["data_dir"], params["state_dir"]),
        params["state_dir"], params["verify"], params["login_user"],
    )
    result = describe(node)
    if node.absent() and (module.check_mode or not params["assemble"]):
        node.check_space()
        if not module.check_mode:
            node.staging.prepare()
            node.remember()
        return dict(result, requests=node.requests(), staging=node.staging.path)
    if module.check_mode:
        return result
    damaged = node.apply()
    return dict(result, damaged=[p["path"] for p in damaged])


def main():
    module = AnsibleModule(argument_spec=MODULE_ARGS, supports_check_mode=True)
    if module.params["placements"] is None:
        module.fail_json(msg="edgeai.sites.artifacts works through its action plugin only; use it as a task")
    try:
        module.exit_json(**run(module))
    except BundleError as error:
        module.fail_json(msg=error.text())
    except OSError as error:
        module.fail_json(msg="cannot put artifacts in place: %s. Nothing half-done is in use; correct the cause and run again." % error)


if __name__ == "__main__":
    main()
