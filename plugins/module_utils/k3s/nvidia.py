# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""K3s and the NVIDIA runtime: it looks for the runtime whenever it starts, and at no other time."""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config as containerd
from ansible_collections.edgeai.sites.plugins.module_utils.k3s import paths

REASON = "nvidia"
#: K3s looks in the first two and then in the PATH of its unit.
BINARIES = tuple("%s/nvidia-container-runtime" % place for place in (
    "/usr/local/nvidia/toolkit", "/opt/kwasm/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"))
_CONTAINERD = paths.AGENT + "/etc/containerd"
GENERATED = _CONTAINERD + "/config.toml"
TEMPLATES = (_CONTAINERD + "/config.toml.tmpl", _CONTAINERD + "/config-v3.toml.tmpl")


class Found(NamedTuple):
    """``config`` is what K3s wrote for its containerd when it started, ``written`` when that was; ``installed`` is when the
    runtime came (0 when there is none); ``template`` is a file from which K3s takes the configuration instead."""

    config: str
    written: float
    installed: float
    template: str


def restart_reason(found: Found) -> tuple[str, str]:
    """``(reason, warning)``, both empty when K3s runs with what is installed.

    A restart is worth it only when it changes something: not when a template decides, and not when K3s started
    after the runtime came and still did not find it.
    """
    if not found.config or containerd.has_runtime(found.config) == bool(found.installed):
        return "", ""
    state = "is installed and K3s does not know it" if found.installed else "is gone and K3s still counts on it"
    if found.template:
        return "", "the NVIDIA runtime %s: %s decides; put {{ template \"base\" . }} into it, or remove it" % (state, found.template)
    if found.installed and found.written > found.installed:
        return "", "the NVIDIA runtime %s, although it started later: look for PATH in the environment of its unit" % state
    return REASON, ""


def default_runtime_problem(config: dict[str, Any], installed: bool) -> str:
    """Why the user's keys must not be written; "" when they may. K3s ends itself when its default runtime is missing."""
    if config.get("default-runtime") != "nvidia" or installed:
        return ""
    return ("default-runtime: nvidia, and no nvidia-container-runtime is on this node: K3s would not start. Run the step "
            "nvidia_runtime first, or take the key out of k3s_config")
