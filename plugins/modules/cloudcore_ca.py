#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudcore_ca
short_description: Back up CloudCore's CA, and restore it
version_added: 0.3.0
description:
  - Every edge node pins the CA of its CloudCore. When the cluster is lost, and the CA with it, all nodes have to be enrolled
    anew; with the backup they come back by themselves.
  - The backup is one file on the controller, encrypted with Ansible Vault and the vault secret of the run
    (C(--vault-password-file) or C(--ask-vault-pass)). Nothing is written unencrypted.
  - V(restored) writes the secret C(casecret) again and deletes C(cloudcoresecret), which is of another CA. CloudCore has to be
    restarted afterwards; the role does that.
  - A file with another CA is never overwritten.
options:
  kubeconfig:
    description: Path to the kubeconfig on the controller.
    type: path
    required: true
  place:
    description: Where CloudCore runs, for messages.
    type: str
    required: true
  file:
    description: The backup on the controller.
    type: path
    required: true
  state:
    description: What to do.
    type: str
    choices: [backed_up, restored]
    default: backed_up
attributes:
  action:
    description: Runs on the controller, where the vault secret is.
    support: full
  check_mode:
    description: Compares, and writes nothing.
    support: full
  diff_mode:
    description: A CA is never shown.
    support: none
  idempotent:
    description: A second call changes nothing.
    support: full
requirements:
  - kubernetes (Python library) >= 24.2.0
author:
  - edgeai.sites contributors (@edgeai-sites)
"""

EXAMPLES = r"""
- name: Keep the CA of CloudCore
  edgeai.sites.cloudcore_ca:
    kubeconfig: ~/.edgeai/factories/cloud/kubeconfig
    place: cloud
    file: ~/.edgeai/factories/cloud/cloudcore-ca.vault
"""

RETURN = r"""
ca_sha256:
  description: SHA-256 of the CA that was kept or restored.
  returned: success
  type: str
"""

# Its work is done by the action plugin of the same name, in the controller's own process.
