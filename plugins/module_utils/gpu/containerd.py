# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins that make the NVIDIA runtime known to a containerd of the host, for EdgeCore. Text only. Pure.

K3s needs none of this: it finds the runtime by itself whenever it starts.
"""
from __future__ import annotations

import re

PATH = "/etc/containerd/conf.d/50-edgeai-nvidia.toml"
BINARY = "/usr/bin/nvidia-container-runtime"
_PLUGINS = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}


def drop_in(version, systemd_cgroup, default):
    """The text of the drop-in for a configuration of ``version`` 2 (containerd 1.x) or 3 (2.x).

    ``default`` makes it the runtime of every pod: EdgeCore cannot resolve RuntimeClasses, so there is no other way to ask for
    it. Pods that asked for nothing still see no GPU while the environment variable counts for nothing (toolkit_config).
    """
    if version not in _PLUGINS:
        raise ValueError("containerd configuration version %r: found neither 2 nor 3; update containerd" % (version,))
    table = "plugins.'%s'.containerd" % _PLUGINS[version]
    lines = ["# Written by edgeai.sites (role nvidia_runtime); changes will be overwritten.", "version = %d" % version, ""]
    if default:
        lines += ["[%s]" % table, '  default_runtime_name = "nvidia"', ""]
    lines += [
        "[%s.runtimes.nvidia]" % table, '  runtime_type = "io.containerd.runc.v2"', "",
        "[%s.runtimes.nvidia.options]" % table, '  BinaryName = "%s"' % BINARY,
        # Two parties that drive one cgroup differently kill each other's pods.
        "  SystemdCgroup = %s" % ("true" if systemd_cgroup else "false"),
    ]
    return "\n".join(lines) + "\n"


def config_version(dump):
    """The version of a configuration as ``containerd config dump`` prints it; 0 when it says none."""
    found = re.search(r"^version = (\d+)\s*$", dump, re.MULTILINE)
    return int(found.group(1)) if found else 0


def has_runtime(text, name="nvidia"):
    """Whether a containerd configuration knows the runtime ``name``, in the quoting of any version."""
    return bool(re.search(r"^\s*\[plugins\..*\.containerd\.runtimes\.[\"']?%s[\"']?\]" % re.escape(name), text, re.MULTILINE))
