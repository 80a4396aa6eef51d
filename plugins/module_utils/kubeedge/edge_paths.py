# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where EdgeCore keeps things on a node. Source: KubeEdge's defaults, and recordings of its first join."""

from __future__ import annotations

BINARY = "/usr/local/bin/edgecore"
CONFIG_DIR = "/etc/kubeedge/config"
CONFIG = CONFIG_DIR + "/edgecore.yaml"
TOKEN = "/etc/kubeedge/bootstrap-edgecore.conf"
CA_DIR = "/etc/kubeedge/ca"
CA = CA_DIR + "/rootCA.crt"
CERTIFICATES = "/etc/kubeedge/certs"
CERTIFICATE = CERTIFICATES + "/server.crt"
KEY = CERTIFICATES + "/server.key"
DATA = "/var/lib/kubeedge"
DATABASE = DATA + "/edgecore.db"
# What was proven last, for the way back from another version.
PROVEN = "/var/lib/edgeai/edgecore"
PROVEN_BINARY = "/usr/local/bin/.edgecore-proven"
KUBELET = "/var/lib/kubelet"
UNIT = "edgecore.service"
UNIT_FILE = "/etc/systemd/system/" + UNIT
STARTED = "/run/edgeai/edgecore.started"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"

# The kubelet's read-only API, and metaServer where it is switched on; plain HTTP on the loopback.
KUBELET_PORT = 10350
META_SERVER_PORT = 10550
