# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs an action that works on the controller as a task would, without a play around it."""

from __future__ import annotations

import types

from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task


def act(plugin, arguments, check_mode=False):
    """Return the result of the action ``plugin`` (its module) with ``arguments``."""
    task = Task()
    task.args, task.check_mode = dict(arguments), check_mode
    here = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None))
    action = plugin.ActionModule(task, here, PlayContext(), DataLoader(), None, None)
    return action.run(task_vars={})
