# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's kubeconfig, made fit for another machine that knows many sites."""

from __future__ import annotations

from typing import Any


def for_site(document: Any, site: str, api: str) -> dict[str, Any]:
    """K3s's kubeconfig with ``api`` as the server's URL and ``site`` as the name of cluster, user and context.

    K3s writes 127.0.0.1 and calls everything ``default``, so that two of them cannot be merged or told apart.
    ValueError when it is not a kubeconfig of one cluster with one user.
    """
    try:
        (cluster,), (user,) = document["clusters"], document["users"]
        return {
            "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": site,
            "clusters": [{"name": site, "cluster": dict(cluster["cluster"], server=api)}],
            "users": [{"name": site, "user": dict(user["user"])}],
            "contexts": [{"name": site, "context": {"cluster": site, "user": site}}],
        }
    except (KeyError, TypeError, ValueError):
        raise ValueError("this is not the kubeconfig of a K3s server: wanted one cluster and one user") from None
