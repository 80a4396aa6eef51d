# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of the run of Ansible that an action is part of."""
from __future__ import annotations

import os
import socket


def this_run() -> str:
    """Return it: machine and process. Actions run in workers, which are children of the run's own process."""
    return f"{socket.gethostname()}, process {os.getppid()}"
