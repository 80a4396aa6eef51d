# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd says of a unit. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """systemd's view; ``started`` is the main process's start in monotonic seconds (0 = never)."""

    active: str = ""
    sub: str = ""
    result: str = ""
    restarts: int = 0
    started: float = 0.0
    main_pid: int = 0
