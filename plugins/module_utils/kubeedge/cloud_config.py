# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cloudcore.yaml, as data. Every key that matters is written: the defaults of another version must not decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_size

STREAM_DIR = "/etc/kubeedge/stream"
SOCKET = "unix:///var/lib/kubeedge/kubeedge.sock"


@dataclass(frozen=True)
class Settings:
    """What one CloudCore is told. ``kubeconfig``: absolute path on its host; empty in a cluster. ``nodes``: edge nodes."""

    addresses: List[str]
    ports: Dict[str, int]
    names: List[str] = field(default_factory=list)
    kubeconfig: str = ""
    nodes: int = 0
    quic: bool = False
    stream: bool = True
    extra: Dict[str, Any] = field(default_factory=dict)


def document(settings: Settings) -> Dict[str, Any]:
    """The configuration; ``settings.extra`` is laid over it key by key."""
    ports, limit = settings.ports, cloud_size.node_limit(settings.nodes)
    base = {
        "apiVersion": "cloudcore.config.kubeedge.io/v1alpha2",
        "kind": "CloudCore",
        "kubeAPIConfig": {"kubeConfig": settings.kubeconfig, "master": "", "qps": 5 * limit, "burst": 10 * limit},
        "modules": {
            "cloudHub": {
                "advertiseAddress": list(settings.addresses),
                "dnsNames": list(settings.names),
                "nodeLimit": limit,
                # No files: with one of a pair CloudCore ends, and with both the secrets, which are backed up, lose.
                "tlsCAFile": "",
                "tlsCAKeyFile": "",
                "tlsCertFile": "",
                "tlsPrivateKeyFile": "",
                "websocket": _listener(ports["websocket"]),
                "quic": dict(_listener(ports["quic"]), enable=settings.quic),
                "https": _listener(ports["https"]),
                "unixsocket": {"enable": True, "address": SOCKET},
            },
            "cloudStream": {
                "enable": settings.stream,
                "streamPort": ports["stream"],
                "tunnelPort": ports["tunnel"],
                "tlsStreamCAFile": STREAM_DIR + "/streamCA.crt",
                "tlsStreamCertFile": STREAM_DIR + "/stream.crt",
                "tlsStreamPrivateKeyFile": STREAM_DIR + "/stream.key",
            },
            # The metaServer of edge nodes lists nothing without it.
            "dynamicController": {"enable": True},
            # It rewrites the host's NAT rules, for kubectl logs and exec; a mode has to be there all the same.
            "iptablesManager": {"enable": False, "mode": "internal"},
            "router": {"enable": False},
            "taskManager": {"enable": False},
        },
    }
    return merge(base, settings.extra)


def lists_for_edge(extra: Dict[str, Any]) -> bool:
    """Whether the metaServer of edge nodes lists anything with these keys laid over."""
    module = (extra.get("modules") or {}).get("dynamicController") or {}
    return module.get("enable", True) is True


def merge(base: Dict[str, Any], extra: Dict[str, Any]) -> Dict[str, Any]:
    """``extra`` over ``base``, mappings key by key, everything else whole; neither is changed."""
    merged = dict(base)
    for key, value in extra.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _listener(port: int) -> Dict[str, Any]:
    return {"enable": True, "address": "0.0.0.0", "port": port}
