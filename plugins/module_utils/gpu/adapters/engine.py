# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's runtime in the containerd of a host: look, let the pure part decide, write what containerd itself accepts."""
from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config
from ansible_collections.edgeai.sites.plugins.module_utils.containerd.adapters.configuration import (
    LIMIT,
    Configuration,
    Missing,
    Refused,
)
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import containerd

EDGECORE = "/etc/kubeedge/config/edgecore.yaml"
TASKS = ("/run/containerd", "/run/k3s/containerd")


def refuse_in_use(host):
    """Raise Refused while containers run through NVIDIA's runtime: without its program they cannot even be stopped."""
    pods = pods_in_use(host)
    if pods:
        raise Refused(
            "Found: %d pods run through NVIDIA's runtime: %s. Wanted: none. Remedy: delete or move them first (workloads with a "
            "GPU, then gpu_resources_state=absent; on an EdgeCore node every pod); without the runtime they could not even be stopped."
            % (len(pods), ", ".join(pods[:10]) + (" and %d more" % (len(pods) - 10) if len(pods) > 10 else "")))


def pods_in_use(host):
    """Pods, by name, whose containers run through NVIDIA's runtime, as containerd's own files say."""
    found = set()
    for root in TASKS:
        place = "%s/io.containerd.runtime.v2.task/k8s.io" % root
        for name in host.names(place):
            bundle = "%s/%s" % (place, name)
            pid = (host.read(bundle + "/init.pid") or "").strip()
            if pid and not host.exists("/proc/%s" % pid):
                continue  # left by a crash
            found.add(containerd.pod_of(host.read(bundle + "/runtime"), host.read(bundle + "/config.json", LIMIT)))
    return sorted(found - {""})


class Containerd(Configuration):
    """The runtime in containerd's configuration."""

    drop_in = containerd.PATH

    def present(self):
        """Make it the runtime of all pods; raises Refused before anything is written."""
        if not self.check_mode and not self.host.exists(containerd.BINARY):
            raise Refused("Found: no %s. Wanted: the runtime that containerd is to start. Remedy: run the module nvidia_runtime first."
                          % containerd.BINARY)
        main = self.host.read(config.CONFIG, LIMIT)
        try:
            before = self.dump(main or "", {self.drop_in: None})
        except Missing:
            if not self.check_mode:
                raise
            # On a bare host the step before would have brought it.
            self.restart_reasons.append("its configuration would know the NVIDIA runtime")
            return
        systemd = self._driver(before)
        new_main = config.with_import(main, self.drop_in) if main is not None else config.created(
            config.config_version(before), self.drop_in)
        for text in containerd.drop_ins(before, main, systemd):
            bad = containerd.problems(before, self.dump(new_main, {self.drop_in: text}), systemd)
            if not bad:
                break
        else:
            raise Refused("containerd's configuration would not be what is wanted; nothing was written. %s" % "; ".join(bad))
        changed = self.write(self.drop_in, text)
        changed = self.write(config.CONFIG, new_main) or changed
        if changed:
            self.restart_reasons.append("its configuration knows the NVIDIA runtime now")
        elif self.runs_since_before():
            self.restart_reasons.append("it runs since before its configuration was written")

    def absent(self):
        """Take it out again; raises Refused while a container needs it."""
        main = self.host.read(config.CONFIG, LIMIT)
        if not self.host.exists(self.drop_in) and (main is None or config.without_import(main, self.drop_in) == main):
            return
        refuse_in_use(self.host)
        self.take_out()
        self.restart_reasons.append("the NVIDIA runtime is to be removed")

    def _driver(self, dump):
        text = self.host.read(EDGECORE)
        systemd = config.wants_systemd(dump, text)
        if systemd != config.runc_systemd(dump):
            self.warnings.append(
                "EdgeCore's cgroupDriver is %s and runc's SystemdCgroup is %s; the NVIDIA runtime follows EdgeCore. Set "
                "SystemdCgroup of runc in %s to the same." % (
                    config.edgecore_driver(text), str(config.runc_systemd(dump)).lower(), config.CONFIG))
        return systemd
