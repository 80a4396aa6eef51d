# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges all hosts of a run together. An action and no module: what it needs is here already, and it reads nothing else."""
from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.edgeai.sites.plugins.module_utils.host.report import assess

ARGUMENTS = {"probes": {"type": "dict", "required": True}, "sites": {"type": "dict", "required": True}}


class ActionModule(ActionBase):
    """Compares intent and evidence of every host."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        return {**result, "changed": False, **assess(given["probes"], given["sites"])}
