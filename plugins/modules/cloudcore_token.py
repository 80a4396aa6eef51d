#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudcore_token
short_description: Read and check the token with which edge nodes join
version_added: 0.3.0
description:
  - Reads the token that CloudCore keeps in the secret C(kubeedge/tokensecret), and proves that CloudCore will accept it.
    It pins the CA in C(casecret), is signed by that CA's key, and does not expire within 15 minutes by the cluster's clock.
  - One token is good for any number of nodes until it expires. Whoever has it can get a certificate for any node name. The
    result is secret; use C(no_log) on the task.
attributes:
  check_mode:
    description: Reads only.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
requirements:
  - kubernetes (Python library) >= 24.2.0
options:
  kubeconfig:
    description: Path to the kubeconfig of the cluster on the controller.
    type: path
    required: true
  place:
    description: Where CloudCore runs, for messages.
    type: str
    default: cloud
author:
  - edgeai.sites contributors (@edgeai-sites)
"""

EXAMPLES = r"""
- name: Read the join token
  edgeai.sites.cloudcore_token:
    kubeconfig: ~/.edgeai/factories/cloud/kubeconfig
  delegate_to: localhost
  no_log: true
  register: cloudcore
"""

RETURN = r"""
token:
  description: The whole token, as EdgeCore wants it.
  returned: success
  type: str
ca_sha256:
  description: SHA-256 of the CA's DER form, in hexadecimal digits.
  returned: success
  type: str
expires:
  description: When the token expires, in seconds since 1970.
  returned: success
  type: float
"""

import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_secrets, token
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.cluster import Cluster


def read(cluster):
    """The token and what it pins. Raises TokenError."""
    secrets = cluster.secrets()
    ca = secrets.get(cloud_secrets.CA_SECRET, {})
    if not ca.get("cadata"):
        raise token.TokenError("the cluster has no CA of CloudCore yet (secret kubeedge/casecret); run the playbook cloudcore first")
    text = secrets.get(cloud_secrets.TOKEN_SECRET, {}).get("tokendata", b"").decode("ascii", "replace").strip()
    checked = token.verify(text, ca["cadata"], cluster.api.now(), ca.get("cakeydata"))
    return dict(token=text, ca_sha256=checked.ca_sha256, expires=checked.expires)


def main():
    module = AnsibleModule(
        argument_spec=dict(kubeconfig=dict(type="path", required=True), place=dict(type="str", default="cloud")),
        supports_check_mode=True,
    )
    if client.urllib3 is None:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    try:
        result = read(Cluster(client.KubeApi.from_kubeconfig(module.params["kubeconfig"])))
    except (client.ApiError, token.TokenError) as error:
        module.fail_json(msg="no token from CloudCore of %s: %s" % (module.params["place"], error),
                         exception=traceback.format_exc())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
