# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions of KubeEdge and Kubernetes go together, and which KubeEdge is too old to be safe.

Sources: KubeEdge's support matrix in its README (exact, and older API servers marked "+"), and the advisories of
2026-07-15 (CVE-2026-62371, -62182, -62370: command injection and denial of service in CloudCore and EdgeCore).
"""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Tuple

Version = Tuple[int, int, int]

# Minor of KubeEdge: (oldest, newest) minor of Kubernetes, those with fewer features on the older ones included.
MATRIX: Dict[Tuple[int, int], Tuple[int, int]] = {
    (1, 19): (27, 29),
    (1, 20): (27, 30),
    (1, 21): (27, 30),
    (1, 22): (27, 31),
    (1, 23): (27, 32),
}
# First patch release with the fixes; older minors have none.
SAFE: Dict[Tuple[int, int], int] = {(1, 21): 2, (1, 22): 2, (1, 23): 1}

_VERSION = re.compile(r"^v?(\d+)\.(\d+)\.(\d+)")


def parse(text: str) -> Optional[Version]:
    """``v1.23.1``, ``1.36.3+k3s1`` -> (1, 23, 1), (1, 36, 3); None for what is no version."""
    found = _VERSION.match(text)
    return (int(found.group(1)), int(found.group(2)), int(found.group(3))) if found else None


def problems(kubeedge: str, kubernetes: str = "", unsupported: bool = False) -> List[str]:
    """What speaks against this pair, empty for nothing. Without ``kubernetes`` only KubeEdge itself is judged.

    ``unsupported``: the operator knows that the pair is outside the matrix. Missing security fixes are never let pass.
    """
    edge = parse(kubeedge)
    if edge is None:
        return ["KubeEdge %r is not a version; write it like v1.23.1" % kubeedge]
    found = _unsafe(kubeedge, edge)
    cluster = parse(kubernetes)
    if kubernetes and cluster is None:
        found.append("Kubernetes %r is not a version" % kubernetes)
    if cluster is not None and not unsupported:
        found += _unmatched(edge, cluster)
    return found


def skew(edge: str, cloud: str) -> List[str]:
    """What speaks against this EdgeCore with that CloudCore; nothing is said of a version that is not known."""
    node, core = parse(edge), parse(cloud)
    if node is None or core is None or (node[:2] == core[:2] and node <= core):
        return []
    if node > core:
        return ["EdgeCore %s is newer than CloudCore %s: bring CloudCore to it first (cloudcore_version, cloudcore step)" % (edge, cloud)]
    return ["EdgeCore %s and CloudCore %s are of different minor versions, which are not tested together: bring EdgeCore to %d.%d "
            "(edgecore_version)" % ((edge, cloud) + core[:2])]


def node_version(text: str) -> str:
    """KubeEdge's version out of a Node's kubeletVersion (``v1.32.10-kubeedge-v1.23.1``); empty for other nodes."""
    return text.partition("-kubeedge-")[2]


def _unsafe(text: str, edge: Version) -> List[str]:
    patch = SAFE.get(edge[:2])
    newest = max(SAFE)
    if (patch is not None and edge[2] >= patch) or edge[:2] > newest:
        return []
    safe = ", ".join("v%d.%d.%d" % (minor + (SAFE[minor],)) for minor in sorted(SAFE))
    return ["KubeEdge %s lacks the security fixes of July 2026 (CVE-2026-62371 and others); use one of %s or later" % (text, safe)]


def _unmatched(edge: Version, cluster: Version) -> List[str]:
    known = MATRIX.get(edge[:2])
    pair = "KubeEdge %d.%d with Kubernetes %d.%d" % (edge[:2] + cluster[:2])
    if known is None:
        return ["%s is in no matrix known here; if you have tested it, say so with unsupported_kubernetes: true" % pair]
    if cluster[0] == 1 and known[0] <= cluster[1] <= known[1]:
        return []
    return ["%s is outside KubeEdge's matrix (1.%d to 1.%d); use one of those, or, if you have tested it, say so with "
            "unsupported_kubernetes: true" % (pair, known[0], known[1])]
