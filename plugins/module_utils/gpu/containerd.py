# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVIDIA runtime in a containerd of the host, for EdgeCore: the text of its drop-in, and whether it would work. Pure.

K3s needs none of this: it finds the runtime by itself whenever it starts.
"""
from __future__ import annotations

import json
import os

from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config

PATH = "/etc/containerd/conf.d/50-edgeai-nvidia.toml"
BINARY = "/usr/bin/nvidia-container-runtime"
HEADER = "# Written by edgeai.sites (role nvidia_runtime); changes will be overwritten.\n"


def drop_ins(dump, main, systemd_cgroup):
    """Texts of the drop-in, the best first, for a containerd whose configuration without it is ``dump``, with the file ``main``.

    It makes the runtime that of every pod: EdgeCore cannot resolve RuntimeClasses, so there is no other way to ask for it.
    Pods that asked for nothing still see no GPU while the environment variable counts for nothing (toolkit_config).
    """
    return [_text(version, dump, systemd_cgroup) for version in config.versions(dump, main)]


def _text(version, dump, systemd_cgroup):
    default = {"containerd": {"default_runtime_name": '"nvidia"'}}
    merged = config.config_version(dump) == 3
    lines = config.tables(version, default)[1:] if merged else config.section(dump, default, without="nvidia")
    return "\n".join([HEADER + "version = %d" % version, ""] + lines + [
        "", config.header(version, "containerd.runtimes.nvidia"), '  runtime_type = "io.containerd.runc.v2"',
        "", config.header(version, "containerd.runtimes.nvidia.options"), '  BinaryName = "%s"' % BINARY,
        # Two parties that drive one cgroup differently kill each other's pods.
        "  SystemdCgroup = %s" % ("true" if systemd_cgroup else "false"),
    ]) + "\n"


def problems(before, after, systemd_cgroup):
    """What is not as wanted in the dump ``after`` of a configuration with the drop-in; ``before`` is without. One text each."""
    disabled = config.cri_disabled(after)
    if disabled:
        return ["it has %s, so no kubelet can use it. Take cri out of that list in %s" % (disabled, config.CONFIG)]
    wanted = {
        ("containerd", "default_runtime_name"): "nvidia",
        ("containerd.runtimes.nvidia", "runtime_type"): "io.containerd.runc.v2",
        ("containerd.runtimes.nvidia.options", "BinaryName"): BINARY,
        ("containerd.runtimes.nvidia.options", "SystemdCgroup"): "true" if systemd_cgroup else "false",
    }
    found = ["%s would be %s, wanted %s: a file that is imported later says so, or %s has no line 'version = 2'" % (
        key, value or "nothing", wanted[table, key], config.CONFIG)
        for (table, key), value in ((place, config.value(after, *place)) for place in wanted) if value != wanted[table, key]]
    lost = lost_keys(before, after)
    return found + (["it would lose what other files say: %s" % ", ".join(lost[:5])] if lost else [])


def lost_keys(before, after):
    """Keys of the dump ``before`` that ``after`` has not, or with another value, apart from what the drop-in is there for."""
    return config.lost_keys(
        before, after, lambda table, key: key == "default_runtime_name" or config.of_runtime(table, "nvidia"))


def pod_of(runtime, config):
    """``namespace/pod`` of a container that runs through NVIDIA's runtime, else "". From the two files of its bundle."""
    if os.path.basename((runtime or "").strip()) not in ("nvidia-container-runtime", "nvidia-container-runtime.cdi"):
        return ""
    try:
        notes = json.loads(config or "{}").get("annotations") or {}
    except ValueError:
        notes = {}
    names = [notes.get("io.kubernetes.cri.sandbox-%s" % part, "") for part in ("namespace", "name")]
    return "/".join(filter(None, names)) or "a container without a pod"
