# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much CloudCore gets for the number of its edge nodes.

Fixed points: 80 to 84 MB were seen with one to three nodes, and upstream's chart gives 512 MiB to 1 GiB for 1000. Between
them the numbers are a straight line, which is an assumption and no measurement.
"""

from __future__ import annotations

from typing import Any, Dict

_STEP = 500


def node_limit(nodes: int) -> int:
    """cloudHub.nodeLimit, above which CloudCore turns nodes away; it also sizes its workers and its API rate."""
    wanted = nodes + nodes // 4
    return max(_STEP, -(-wanted // _STEP) * _STEP)


def resources(nodes: int) -> Dict[str, Any]:
    """Requests and limits of the container. No CPU limit: a throttled CloudCore misses heartbeats, and nodes go unknown."""
    return {
        "requests": {"cpu": "%dm" % (100 + nodes // 5), "memory": "%dMi" % (128 + nodes * 3 // 8)},
        "limits": {"memory": "%dMi" % (384 + nodes * 5 // 8)},
    }
