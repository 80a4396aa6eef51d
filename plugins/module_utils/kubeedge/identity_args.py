# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of edgecore_identity, which its action plugin checks too."""

from __future__ import annotations

TASK_ARGS = {
    "node_name": {"type": "str", "required": True},
    "server": {"type": "str", "required": True},
    "ports": {"type": "dict", "required": True},
    "transport": {"type": "str", "choices": ["websocket", "quic"], "default": "websocket"},
    "kubeconfig": {"type": "path", "required": True},
    "ca_sha256": {"type": "str", "default": ""},
}
