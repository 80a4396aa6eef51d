# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of edgecore_service, which its action plugin checks too."""

from __future__ import annotations

TASK_ARGS = {
    "node_name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "kubeconfig": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["started", "restarted", "kept", "restored"], "default": "started"},
    "until": {"type": "str", "choices": ["ready", "started"], "default": "ready"},
    "wait_seconds": {"type": "int", "default": 240},
    "stable_seconds": {"type": "int", "default": 60},
    "pause_image": {"type": "str", "default": ""},
    "labels": {"type": "dict"},
    "taints": {"type": "list", "elements": "dict"},
    "out_of_reach": {"type": "str", "default": ""},
}
