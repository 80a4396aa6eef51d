# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup and restore of CloudCore's CA, where the vault secret is: on the controller."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib
from ansible.plugins.action import ActionBase

from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_backup as backup
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_secrets
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.cluster import Cluster

_MAX_BYTES = 65536


class ActionModule(ActionBase):
    """The CA's key is only in this process and, encrypted, in the file."""

    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("kubeconfig", "place", "file", "state"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        dummy, arguments = self.validate_argument_spec(
            argument_spec=dict(
                kubeconfig=dict(type="path", required=True),
                place=dict(type="str", required=True),
                file=dict(type="path", required=True),
                state=dict(type="str", choices=["backed_up", "restored"], default="backed_up"),
            ))
        path, place = arguments["file"], arguments["place"]
        act = self._restore if arguments["state"] == "restored" else self._back_up
        try:
            cluster = Cluster(client.KubeApi.from_kubeconfig(arguments["kubeconfig"]))
            result["changed"], result["ca_sha256"] = act(cluster, path, place)
        except backup.BackupError as error:
            result.update(failed=True, msg="%s, CA of CloudCore at %s: %s" % (path, place, error))
        except (client.ApiError, AnsibleError, OSError) as error:
            result.update(failed=True, msg="CA of CloudCore at %s: %s" % (place, error))
        return result

    def _back_up(self, cluster: Cluster, path: str, place: str) -> tuple[bool, str]:
        data = cluster.secrets().get(cloud_secrets.CA_SECRET, {})
        if not data:
            raise backup.BackupError("there is none yet; start CloudCore first")
        text = backup.pack(data, place)
        current = backup.fingerprint(data)
        kept = backup.fingerprint(self._read(path)) if os.path.exists(path) else None
        needed = backup.backup_needed(current, kept)
        if needed and not self._task.check_mode:
            os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
            replace(path, self._vault().encrypt(text).decode("ascii"), 0o600)
        return needed, current

    def _restore(self, cluster: Cluster, path: str, dummy: str) -> tuple[bool, str]:
        data = self._read(path)
        wanted = backup.fingerprint(data)
        there = cluster.secrets().get(cloud_secrets.CA_SECRET)
        try:
            current = backup.fingerprint(there) if there is not None else None
        except backup.BackupError:
            current = ""
        needed = backup.restore_needed(current, wanted)
        if needed and not self._task.check_mode:
            cluster.ensure_namespace()
            cluster.keep_secret(cloud_secrets.CA_SECRET, data)
            cluster.delete_secret(cloud_secrets.CERTIFICATE_SECRET)
        return needed, wanted

    def _read(self, path: str) -> dict[str, bytes]:
        if not os.path.exists(path):
            raise backup.BackupError("there is no such file; cloudcore_ca_backup writes it")
        with open(path, "rb") as stream:
            encrypted = stream.read(_MAX_BYTES)
        if not encrypted.startswith(b"$ANSIBLE_VAULT"):
            raise backup.BackupError("it is not encrypted with Ansible Vault, so it is not one of ours")
        return backup.unpack(self._vault().decrypt(encrypted).decode("utf-8", "replace"))

    def _vault(self) -> VaultLib:
        secrets = getattr(getattr(self._loader, "_vault", None), "secrets", None)
        if not secrets:
            raise backup.BackupError("the run has no vault secret to encrypt or decrypt it with; give one: "
                                     "--vault-password-file FILE or --ask-vault-pass")
        return VaultLib(secrets)
