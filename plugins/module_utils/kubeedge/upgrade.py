# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EdgeCore in another version, and the way back: may it be tried, and what follows when it is not up. Pure.

What was proven last is kept: its binary, its configuration and, from the moment it was stopped, its database. KubeEdge's own
NodeUpgradeJob is not used: it takes a version for good that starts, and a crash loop for a success.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import matrix


class Kept(NamedTuple):
    """What was proven last on this node. ``version`` is "" when nothing is kept; ``database``: whether one was set aside."""

    version: str = ""
    database: bool = False


def pending(kept: Kept, wanted: str) -> bool:
    """Whether a start in the wanted version is a change of version, with a way back."""
    return bool(kept.version) and kept.version != wanted


def refusals(kept: Kept, wanted: str, cloud: str) -> list[str]:
    """What speaks against this version, one sentence each. ``cloud``: version of CloudCore, "" when it is not said."""
    problems = matrix.skew(wanted, cloud)
    edge, before = matrix.parse(wanted), matrix.parse(kept.version)
    if edge and before and pending(kept, wanted) and edge[:2] < before[:2]:
        problems.append("EdgeCore %s would read the database of %s, a newer minor version: reset the node and join it again, or stay"
                        % (wanted, kept.version))
    return problems


def postponed(kept: Kept, wanted: str, out_of_reach: str) -> str:
    """Why a change of version has to wait, "" when it has not: without the cloud the new one could not be proven."""
    if not (out_of_reach and pending(kept, wanted)):
        return ""
    return "EdgeCore stays at %s and is not brought to %s while the cloud cannot be reached: %s" % (kept.version, wanted, out_of_reach)


def goes_back(kept: Kept, wanted: str, result: dict[str, Any]) -> bool:
    """Whether a start that ended like this is undone. A cloud that cannot be asked says nothing against the new version."""
    return bool(result.get("failed")) and not result.get("deferred") and pending(kept, wanted)


def told(result: dict[str, Any], kept: Kept, wanted: str, problem: str) -> dict[str, Any]:
    """Message and facts of an upgrade that was undone. ``problem``: why what was put back is not up, "" when it is."""
    parts = "binary, configuration and database" if kept.database else "binary and configuration (the database stayed as it was)"
    head = "EdgeCore %s is not up and was taken back; " % wanted
    head += "%s was put back (%s)" % (kept.version, parts)
    head += " and is not up either: %s" % problem if problem else " and is up again"
    return dict(result, failed=True, rolled_back=True, restored=kept.version, changed=True,
                msg="%s. What was wrong with %s: %s" % (head, wanted, result.get("msg", "")))
