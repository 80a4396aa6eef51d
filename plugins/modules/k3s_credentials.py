#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_credentials
short_description: Fetch join token and kubeconfig of a K3s server
version_added: 0.1.0
author:
  - edgeai.sites contributors (@edgeai)
description:
  - Reads the full token that agents join with and the administrator's kubeconfig, in one call.
  - Writes the kubeconfig on the controller (mode 0600, directory 0700), with the URL by which others reach the API
    instead of 127.0.0.1, and the name of the site instead of V(default) for cluster, user and context.
  - The result is secret. Use C(no_log) on the task.
options:
  node_name:
    description: Name of the server, for messages.
    type: str
    required: true
  kubeconfig:
    description: File on the controller.
    type: path
    required: true
  site:
    description: Name of the site.
    type: str
    required: true
  api_url:
    description: URL by which the controller reaches the API.
    type: str
    required: true
attributes:
  check_mode:
    description: Writes nothing. On a host without a server it is an error outside of check mode only.
    support: full
  diff_mode:
    description: The file is a secret and never shown.
    support: none
  idempotent:
    description: A second call changes nothing.
    support: full
  action:
    description: Has a part on the controller, which writes the file.
    support: full
seealso:
  - module: edgeai.sites.k3s_service
"""

EXAMPLES = r"""
- name: Read token and kubeconfig
  edgeai.sites.k3s_credentials:
    node_name: "{{ inventory_hostname }}"
    kubeconfig: ~/.edgeai/demo/lab-factory/kubeconfig
    site: lab-factory
    api_url: https://10.0.0.11:6443
  become: true
  no_log: true
  register: credentials
"""

RETURN = r"""
token:
  description: The full token for agents, with the hash of the cluster's CA.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.k3s import paths, token
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.adapters import files


def main() -> None:
    """The part on the server: the action of this name writes what is read here."""
    module = AnsibleModule(
        argument_spec=dict(
            node_name=dict(type="str", required=True),
            kubeconfig=dict(type="path", required=True),
            site=dict(type="str", required=True),
            api_url=dict(type="str", required=True),
        ),
        supports_check_mode=True,
    )
    # without an agent token of its own, K3s lets agent-token point to the server's
    join_token = files.read(paths.SERVER + "/agent-token").strip() or files.read(paths.SERVER + "/token").strip()
    admin = files.read(paths.KUBECONFIG)
    if not module.check_mode and not (join_token and admin):
        module.fail_json(msg="%s has no token or kubeconfig: no K3s server has come up there yet"
                             % module.params["node_name"])
    if join_token and not token.parse(join_token).ca_hash:
        module.fail_json(msg="the token file of %s does not hold a full token" % module.params["node_name"])
    module.exit_json(changed=False, token=join_token, admin_kubeconfig=admin)


if __name__ == "__main__":
    main()
