# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What EdgeMesh is known by on a host: its port, link, address and chains."""

from __future__ import annotations

PORT = 20006
LINK, ADDRESS, DNS_PORT = "edgemesh0", "169.254.96.16", 53
CLUSTER_DOMAIN = "cluster.local"
#: Chains of its proxy. kube-proxy has none of these since it stopped to work in user space.
CHAINS = ("KUBE-PORTALS-CONTAINER", "KUBE-PORTALS-HOST", "KUBE-NODEPORT-CONTAINER", "KUBE-NODEPORT-HOST", "KUBE-NODEPORT-NON-LOCAL")
