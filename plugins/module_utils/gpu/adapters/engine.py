# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containerd of a host and its containers: look, let the pure part decide, write what containerd itself accepts."""
from __future__ import annotations

import fnmatch
import glob
import os
import shutil
import tempfile
import time

from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import containerd

EDGECORE = "/etc/kubeedge/config/edgecore.yaml"
TASKS = ("/run/containerd", "/run/k3s/containerd")
SERVICE = "containerd.service"
LIMIT = 1024 * 1024


class Refused(Exception):
    """What is wanted must not be done; nothing was written."""


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


class Containerd:
    """The runtime in containerd's configuration. ``host`` is where to read and run, see ``host.sources.LocalHost``."""

    def __init__(self, host, check_mode=False, monotonic=time.monotonic):
        self.host, self.check_mode, self.monotonic = host, check_mode, monotonic
        self.diffs, self.restart_reasons, self.warnings = [], [], []

    def present(self):
        """Make it the runtime of all pods; raises Refused before anything is written."""
        if not self.check_mode and not self.host.exists(containerd.BINARY):
            raise Refused("Found: no %s. Wanted: the runtime that containerd is to start. Remedy: run the module nvidia_runtime first."
                          % containerd.BINARY)
        main = self.host.read(containerd.CONFIG, LIMIT)
        before = self._dump(main or "", None)
        systemd = self._driver(before)
        new_main = containerd.created(containerd.config_version(before)) if main is None else containerd.with_import(main)
        for text in containerd.drop_ins(before, main, systemd):
            bad = containerd.problems(before, self._dump(new_main, text), systemd)
            if not bad:
                break
        else:
            raise Refused("containerd's configuration would not be what is wanted; nothing was written. %s" % "; ".join(bad))
        changed = self._write(containerd.PATH, text)
        changed = self._write(containerd.CONFIG, new_main) or changed
        if changed:
            self._restart("its configuration knows the NVIDIA runtime now")
        elif self._runs_since_before():
            self._restart("it runs since before its configuration was written")

    def absent(self):
        """Take it out again; raises Refused while a container needs it."""
        main = self.host.read(containerd.CONFIG, LIMIT)
        there = self.host.exists(containerd.PATH)
        if not there and (main is None or containerd.without_import(main) == main):
            return
        refuse_in_use(self.host)
        if main is not None and main in (containerd.created(2), containerd.created(3)):
            self._remove(containerd.CONFIG)
        elif main is not None:
            self._write(containerd.CONFIG, containerd.without_import(main))
        if there:
            self._remove(containerd.PATH)
        self._restart("the NVIDIA runtime is to be removed")

    def _driver(self, dump):
        text = self.host.read(EDGECORE)
        systemd = containerd.wants_systemd(dump, text)
        if systemd != containerd.runc_systemd(dump):
            self.warnings.append(
                "EdgeCore's cgroupDriver is %s and runc's SystemdCgroup is %s; the NVIDIA runtime follows EdgeCore. Set "
                "SystemdCgroup of runc in %s to the same." % (
                    containerd.edgecore_driver(text), str(containerd.runc_systemd(dump)).lower(), containerd.CONFIG))
        return systemd

    def _dump(self, main, text):
        """containerd's own view of the main file with its imports, ours being ``text`` or none; asked on copies."""
        folder = tempfile.mkdtemp(prefix="edgeai-containerd-")
        try:
            ours = os.path.join(folder, "nvidia.toml")
            paths = []
            for pattern in containerd.imports(main):
                found = {path[len(self.host.path("/")) - 1:] for path in glob.glob(self.host.path(pattern))} - {containerd.PATH}
                if text is not None and fnmatch.fnmatchcase(containerd.PATH, pattern):
                    found.add(containerd.PATH)
                paths += [ours if path == containerd.PATH else self.host.path(path) for path in sorted(found)]
            config = os.path.join(folder, "config.toml")
            replace(ours, text or "", 0o600)
            replace(config, containerd.with_imports(main, paths), 0o600)
            code, output = self.host.run("containerd", "-c", config, "config", "dump", timeout=30)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if code == 127:
            raise Refused("Found: no containerd on this host. Wanted: the container engine of EdgeCore. Remedy: install containerd "
                          "first; with K3s there is nothing to do here.")
        if code:
            raise Refused("Nothing was written, because containerd refuses %s: %s" % (
                "its configuration as it is; correct it first" if text is None else "the configuration with the NVIDIA runtime",
                " / ".join(output.strip().splitlines()[-3:]).replace(folder, "")))
        # Its log comes along.
        return "".join(line for line in output.splitlines(True) if not line.startswith('time="'))

    def _runs_since_before(self):
        """After a run that died between writing and restarting. Of our file only: others' may be meant for later."""
        _code, output = self.host.run("systemctl", "show", "-p", "ActiveState,ActiveEnterTimestampMonotonic", SERVICE)
        state = dict(line.partition("=")[::2] for line in output.splitlines())
        started = state.get("ActiveEnterTimestampMonotonic", "")
        if state.get("ActiveState") != "active" or not started.isdigit():
            return False
        runs = self.monotonic() - int(started) / 1e6
        return self.host.now() - os.stat(self.host.path(containerd.PATH)).st_mtime < runs

    def _restart(self, reason):
        self.restart_reasons.append(reason)

    def _write(self, path, text):
        before = self.host.read(path, LIMIT)
        if before == text:
            return False
        self._diff(path, before or "", text)
        if not self.check_mode:
            os.makedirs(os.path.dirname(self.host.path(path)), mode=0o755, exist_ok=True)
            # Registries may have passwords; containerd is root.
            replace(self.host.path(path), text, 0o600 if path == containerd.PATH else self.host.mode(path) or 0o644)
        return True

    def _remove(self, path):
        self._diff(path, self.host.read(path, LIMIT) or "", "")
        if not self.check_mode:
            os.unlink(self.host.path(path))

    def _diff(self, path, before, after):
        self.diffs.append({"before_header": path, "after_header": path,
                           "before": containerd.shown(before), "after": containerd.shown(after)})
