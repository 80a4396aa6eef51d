# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of k3s_credentials: like fetch, it writes here what was read there."""

from __future__ import annotations

import os
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.k3s import kubeconfig
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.adapters import files


class ActionModule(ActionBase):
    """Runs the module on the server and keeps the kubeconfig. The private key never passes through a task's
    arguments or a temporary file of another module."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        result.update(self._execute_module(module_args=self._task.args, task_vars=task_vars))
        text = result.pop("admin_kubeconfig", "")
        if result.get("failed") or not text:
            return result
        try:
            result["changed"] = self._keep(str(text))
        except (OSError, ValueError, yaml.YAMLError) as error:
            # a YAML error quotes the text, which holds a private key
            reason = "K3s's file is not YAML" if isinstance(error, yaml.YAMLError) else str(error)
            result.update(failed=True, msg="the kubeconfig could not be kept on the controller: %s" % reason)
        return result

    def _keep(self, text: str) -> bool:
        """Write the kubeconfig if it differs, and say whether it did (or would, in check mode)."""
        path = os.path.expanduser(str(self._task.args["kubeconfig"]))
        document = kubeconfig.for_site(yaml.safe_load(text), str(self._task.args["site"]),
                                       str(self._task.args["api_url"]))
        wanted = yaml.safe_dump(document)
        if files.read(path) == wanted and files.mode(path) == 0o600:
            return False
        if not self._task.check_mode:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            replace(path, wanted, 0o600)
        return True
