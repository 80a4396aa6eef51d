# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of Ansible that an action is part of. Actions run in workers, which are children of the run's own process."""
from __future__ import annotations

import os
import socket


class ThisRun:
    """Filled by the first question, in the worker: this file may have been loaded before the fork."""

    _process = None

    @classmethod
    def name(cls) -> str:
        """Return the run's machine and process, for people."""
        return f"{socket.gethostname()}, process {cls._parent()}"

    @classmethod
    def is_gone(cls) -> bool:
        """Return whether the run's process has ended: then nobody takes what its workers find. All items of a loop share a worker."""
        return os.getppid() != cls._parent()

    @classmethod
    def _parent(cls) -> int:
        cls._process = cls._process or os.getppid()
        return cls._process
