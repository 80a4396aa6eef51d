# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module and notes the controller's clock on both sides of it.

Only the controller knows its clock, and a connection may take longer than the difference that matters.
"""
from __future__ import annotations

import time

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        before = time.time()
        result.update(self._execute_module(task_vars=task_vars))
        if "evidence" in result:
            result["evidence"]["controller_clock"] = {"before": round(before, 1), "after": round(time.time(), 1)}
        return result
