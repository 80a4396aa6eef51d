# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments of edgeai.sites.artifacts, shared by the module and its action plugin."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.naming import ARCHITECTURES
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.placement import RUNTIMES

PLACEMENT = dict(
    kind=dict(type="str", required=True),
    name=dict(type="str", required=True),
    version=dict(type="str", required=True),
    arch=dict(type="str", required=True),
    sha256=dict(type="str", required=True),
    size=dict(type="int", required=True),
    path=dict(type="path", required=True),
    mode=dict(type="str", required=True),
)

TASK_ARGS = dict(
    bundle=dict(type="str", required=True),
    runtime=dict(type="str", required=True, choices=list(RUNTIMES)),
    arch=dict(type="str", required=True, choices=list(ARCHITECTURES)),
    images=dict(type="list", elements="str", default=[]),
    packages=dict(type="list", elements="str", default=[]),
    binaries=dict(type="list", elements="str", default=[]),
    k3s_version=dict(type="str", default=""),
    bin_dir=dict(type="path", default="/usr/local/bin"),
    data_dir=dict(type="path", default="/var/lib/rancher/k3s"),
    state_dir=dict(type="path", default="/var/lib/edgeai"),
    verify=dict(type="str", default="changed", choices=["changed", "always"]),
)

MODULE_ARGS = dict(
    TASK_ARGS,
    placements=dict(type="list", elements="dict", options=PLACEMENT),
    login_user=dict(type="str"),
    assemble=dict(type="bool", default=False),
)
