# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a kubeconfig says, where it says it plainly: a server, its CA, and a client certificate or a token. Pure.

Format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/. Logins by programs, proxies, switched-off checks and
everything else are for the kubernetes library, which takes longer to import than a check on a site takes.
"""

from __future__ import annotations

import base64
import os.path
from dataclasses import dataclass
from typing import Any, Dict, Optional

CLUSTER = {"server", "certificate-authority", "certificate-authority-data", "tls-server-name"}
USER = {"client-certificate", "client-certificate-data", "client-key", "client-key-data", "token"}


@dataclass(frozen=True)
class Pem:
    """A certificate or a key in PEM: its bytes, or the path of the file that has them."""

    data: bytes = b""
    path: str = ""


@dataclass(frozen=True)
class Access:
    """server: URL; server_name: in its certificate, "" for that of the URL; token: of the header Authorization, "" for none."""

    server: str
    authority: Optional[Pem] = None
    certificate: Optional[Pem] = None
    key: Optional[Pem] = None
    token: str = ""
    server_name: str = ""


def plain_access(document: Any, directory: str) -> Optional[Access]:
    """Return the access of the current context, or None where it is not plain. directory: of the file, for relative paths."""
    if not isinstance(document, dict):
        return None
    context = _named(document, "contexts", "context", document.get("current-context"))
    cluster = _named(document, "clusters", "cluster", (context or {}).get("cluster"))
    user = _named(document, "users", "user", (context or {}).get("user"))
    if cluster is None or user is None or set(cluster) - CLUSTER or set(user) - USER:
        return None
    if not all(isinstance(value, str) and value for value in [*cluster.values(), *user.values()]):
        return None
    if not cluster.get("server", "").startswith(("https://", "http://")):
        return None
    try:
        certificate, key = _pem(user, "client-certificate", directory), _pem(user, "client-key", directory)
        if (certificate is None) != (key is None):
            return None
        return Access(cluster["server"].rstrip("/"), _pem(cluster, "certificate-authority", directory), certificate, key,
                      user.get("token", ""), cluster.get("tls-server-name", ""))
    except ValueError:
        return None


def _named(document: Dict[str, Any], section: str, key: str, name: Any) -> Optional[Dict[str, Any]]:
    """The only element of a section that has this name; None where there is none, or more than one."""
    rows = document.get(section)
    found = [row.get(key) for row in rows if isinstance(row, dict) and row.get("name") == name] if isinstance(rows, list) else []
    return found[0] if len(found) == 1 and isinstance(found[0], dict) else None


def _pem(section: Dict[str, str], key: str, directory: str) -> Optional[Pem]:
    """The inline form wins, as in kubectl. Raises ValueError for what is not base64."""
    if key + "-data" in section:
        return Pem(data=base64.b64decode(section[key + "-data"], validate=True))
    return Pem(path=os.path.join(directory, section[key])) if key in section else None
