# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudCore as a service of a host: its files as text, what a restart depends on, and what forbids a start."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_config import STREAM_DIR
from ansible_collections.edgeai.sites.plugins.module_utils.started import Watched

UNIT = "cloudcore.service"
BINARY = "/usr/local/bin/cloudcore"
CONFIG = "/etc/kubeedge/config/cloudcore.yaml"
UNIT_FILE = "/etc/systemd/system/" + UNIT
SOCKET = "/var/lib/kubeedge/kubeedge.sock"
# Removed with the service where nothing else is left in them.
DIRECTORIES = ("/etc/kubeedge/config", STREAM_DIR, "/etc/kubeedge", "/var/lib/kubeedge")
STREAM_FILES = ("streamCA.crt", "stream.crt", "stream.key")
# Written by the unit before each start, gone after a reboot.
STARTED = "/run/edgeai/cloudcore.started"
HEADER = "# Written by edgeai.sites (role cloudcore). Changes made here are undone by the next run.\n"

WATCHED = Watched(STARTED, BINARY, {"config": [CONFIG], "unit": [UNIT_FILE, UNIT_FILE + ".d/*.conf"],
                                    "stream certificate": [STREAM_DIR + "/*"]})


class File(NamedTuple):
    """A wanted file. ``secret``: its text is not shown."""

    path: str
    text: str
    mode: int
    secret: bool = False


def wanted_files(config: str, stream: Dict[str, str]) -> List[File]:
    """Every file of the service. ``stream``: name -> PEM, empty without a stream server."""
    pairs = [File("%s/%s" % (STREAM_DIR, name), stream[name], 0o600 if name.endswith(".key") else 0o644, name.endswith(".key"))
             for name in STREAM_FILES if name in stream]
    # 0600: it names the cluster's administrator file, and extra keys may be secrets.
    return [File(CONFIG, HEADER + config, 0o600)] + pairs + [File(UNIT_FILE, unit(), 0o644)]


def unit() -> str:
    """The systemd unit. It notes first what it starts with: a later run sees whether a restart is due."""
    return HEADER + """[Unit]
Description=KubeEdge CloudCore
Documentation=https://kubeedge.io/docs/
Wants=network-online.target
After=network-online.target k3s.service

[Service]
Type=simple
StateDirectory=kubeedge
StateDirectoryMode=0700
ExecStartPre=-/bin/sh -c "{record}"
ExecStart={binary} --config {config}
Restart=always
RestartSec=10s
LimitNOFILE=1048576
NoNewPrivileges=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
""".format(record=WATCHED.command().replace("%", "%%"), binary=BINARY, config=CONFIG)


def check(binary_exists: bool, kubeconfig_exists: bool, kubeconfig: str, others: Tuple[str, ...]) -> List[str]:
    """Why CloudCore must not be started on this host. ``others``: active units that do not go with it."""
    problems = []
    if not binary_exists:
        problems.append("%s is missing; run the playbook artifacts, which puts it there from the bundle" % BINARY)
    if not kubeconfig_exists:
        problems.append("the kubeconfig %s is missing on the host; run the playbook k3s first, or set cloudcore_host_kubeconfig"
                        % kubeconfig)
    if others:
        problems.append("%s runs on the host: EdgeCore and CloudCore share paths and would break each other; give one of them "
                        "another host" % " and ".join(others))
    return problems
