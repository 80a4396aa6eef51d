# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: deployed_targets
short_description: List the inference targets that a site has
version_added: 0.1.0
author:
  - edgeai.sites contributors (@edgeai-sites)
description:
  - Asks the API of a site for the Deployments that this collection made, whatever the inventory says of them now.
requirements:
  - kubernetes
options:
  _terms:
    description: Path of the kubeconfig of the site; one list of names for each.
    type: list
    elements: path
    required: true
  namespace:
    description: Namespace of the workloads.
    type: str
    default: edgeai
"""

EXAMPLES = r"""
- name: Name what runs and is not wanted any more
  ansible.builtin.debug:
    msg: >-
      {{ lookup('edgeai.sites.deployed_targets', inference_kubeconfig, namespace='edgeai')
         | difference(wanted_targets) }}
"""

RETURN = r"""
_value:
  description: For each site the names of its Deployments, sorted. With one site, C(lookup) returns its list.
  type: list
  elements: list
"""

import os

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import MANAGED_BY, MANAGED_BY_LABEL


def names(kubeconfig, namespace):
    """Names of the Deployments of ours, sorted; AnsibleLookupError when the API does not say."""
    try:
        found = KubeApi.from_kubeconfig(kubeconfig).get(
            "/apis/apps/v1/namespaces/%s/deployments" % namespace,
            {"labelSelector": "%s=%s" % (MANAGED_BY_LABEL, MANAGED_BY)})
    except ApiError as error:
        raise AnsibleLookupError("the workloads of the site cannot be listed: %s" % error) from error
    return sorted(item["metadata"]["name"] for item in found["items"])


class LookupModule(LookupBase):
    """One list of names for each kubeconfig."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        return [names(os.path.expanduser(str(path)), self.get_option("namespace")) for path in terms]
