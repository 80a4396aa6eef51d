# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on a node, for both kinds of nodes."""

from __future__ import annotations

BINARY = "/usr/local/bin/k3s"
CONFIG_DIR = "/etc/rancher/k3s"
CONFIG = CONFIG_DIR + "/config.yaml"
REGISTRIES = CONFIG_DIR + "/registries.yaml"
KUBECONFIG = CONFIG_DIR + "/k3s.yaml"
DATA = "/var/lib/rancher/k3s"
AGENT = DATA + "/agent"
SERVER = DATA + "/server"
UNIT_DIR = "/etc/systemd/system"
STARTED = "/run/edgeai/k3s.started"

SUBCOMMAND = {"k3s_server": "server", "k3s_agent": "agent"}
UNITS = {"k3s_server": "k3s.service", "k3s_agent": "k3s-agent.service"}


def unit_file(runtime: str) -> str:
    """Path of the unit."""
    return "%s/%s" % (UNIT_DIR, UNITS[runtime])


def env_file(runtime: str) -> str:
    """Path of the unit's environment file."""
    return unit_file(runtime) + ".env"


def other(runtime: str) -> str:
    """The other kind of node."""
    return "k3s_agent" if runtime == "k3s_server" else "k3s_server"
