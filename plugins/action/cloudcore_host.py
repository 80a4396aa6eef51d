# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of cloudcore_host: reads the stream server's files out of the cluster."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_secrets
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.cluster import Cluster


class ActionModule(ActionBase):
    """The private key goes from the cluster to the host without standing in a task or a variable."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        kubeconfig = arguments.get("cluster_kubeconfig")
        if kubeconfig:
            try:
                arguments["stream_files"] = self._stream_files(os.path.expanduser(str(kubeconfig)))
            except client.ApiError as error:
                result.update(failed=True, msg="the stream server's files could not be read from the cluster: %s" % error)
                return result
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result

    def _stream_files(self, kubeconfig: str) -> dict[str, str]:
        """Name -> PEM; empty in check mode before there is a cluster."""
        if self._task.check_mode and not os.path.exists(kubeconfig):
            return {}
        secrets = Cluster(client.KubeApi.from_kubeconfig(kubeconfig)).secrets()
        return {name: data.decode("ascii", "replace") for name, data in secrets.get(cloud_secrets.STREAM_SECRET, {}).items()}
