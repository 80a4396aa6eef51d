# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ansible tells a callback about one task on one host, whichever version tells it."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple


class Seen(NamedTuple):
    host: str
    task: str  # its name, without that of its role
    action: str  # without its collection
    data: Mapping[str, Any]


def seen(result: Any) -> Seen:
    """The public attributes came with ansible-core 2.19; those of before are announced to go with 2.23."""
    if hasattr(result, "result"):
        host, task, data = result.host, result.task, result.result
    else:
        host, task, data = result._host, result._task, result._result
    return Seen(host.get_name(), task_name(task), str(task.action).rpartition(".")[2], data)


def task_name(task: Any) -> str:
    """Ansible says `role : task`."""
    return task.get_name().rpartition(" : ")[2]
