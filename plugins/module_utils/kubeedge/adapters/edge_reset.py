# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take EdgeCore away from a host: look, let the pure part decide, carry out (I/O)."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import Any

from ansible_collections.edgeai.sites.plugins.module_utils.containerd.adapters.configuration import Configuration
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import containerd as engine
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_paths as paths
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import reset
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import mesh_host

try:
    import sqlite3
except ImportError:  # some systems split it off; then nothing is known of the database
    sqlite3 = None

KUBELET_UNITS = ("kubelet.service", "k3s.service", "k3s-agent.service", "microk8s.service", "snap.microk8s.daemon-kubelite.service",
                 "rke2-server.service", "rke2-agent.service")
CNI_RESULTS = "/var/lib/cni/results"
LIMIT = 8 * 1024 * 1024
STOP_SECONDS = 20.0


class Failed(Exception):
    """A step did not work; the text says which and why."""


class DropIn(Configuration):
    """EdgeCore's part of containerd's configuration."""

    drop_in = engine.DROP_IN


class Reset:
    """``host`` is where to read and run, see ``host.sources.LocalHost``."""

    def __init__(self, host: Any, check_mode: bool) -> None:
        self.host, self.check_mode = host, check_mode
        self.containerd = DropIn(host, check_mode)
        self.actions = []  # type: list[dict[str, str]]

    def run(self) -> list[str]:
        """Carry out the plan; what had to be left, one sentence each. Raises Failed."""
        found = self.look()
        plan = reset.plan(found)
        for step in plan.steps:
            if not self.check_mode:
                getattr(self, "_" + step.kind)(step.targets)
            self.actions.append({"kind": step.kind, "target": ", ".join(step.targets)[:300], "reason": step.reason})
        if found.unit or found.paths:
            self._mesh()
        if self.host.exists(engine.DROP_IN):
            # containerd keeps running as it is; the next start reads what is left.
            self.containerd.take_out()
            self.actions.append({"kind": "remove", "target": engine.DROP_IN, "reason": "it was for EdgeCore"})
        return plan.left

    def _mesh(self) -> None:
        """An agent of EdgeMesh was a pod of this node, and leaves rules that lead nowhere."""
        try:
            for text in mesh_host.clean(self.check_mode):
                self.actions.append({"kind": "mesh", "target": text, "reason": "left by EdgeMesh's agent"})
        except mesh_host.Failed as problem:
            raise Failed("EdgeMesh's leftovers: %s" % problem) from None

    def look(self) -> reset.Found:
        """What is there."""
        mounts = [line.split()[1] for line in (self.host.read("/proc/self/mounts", LIMIT) or "").splitlines() if len(line.split()) > 1]
        _code, listed = self.host.run("systemctl", "show", "-p", "LoadState,UnitFileState", paths.UNIT)
        return reset.Found(
            unit="LoadState=loaded" in listed, enabled="UnitFileState=enabled" in listed,
            paths=tuple(path for path in reset.FILES if self.host.exists(path)), containers=self._containers_of_pods(),
            kubelets=self._kubelets(), kubelet_files=tuple(self.host.names(paths.KUBELET)), mounts=tuple(mounts),
            links=tuple(self.host.names("/sys/class/net")), own_conflist=self.host.exists(engine.CONFLIST),
            networks=tuple(sorted(self._records())), known_pods=self._known_pods())

    def _kubelets(self) -> tuple[str, ...]:
        _code, output = self.host.run("systemctl", "show", "-p", "Id,LoadState", *KUBELET_UNITS)
        units = [block.split("Id=")[1].splitlines()[0] for block in output.split("\n\n") if "LoadState=loaded" in block and "Id=" in block]
        running = [pid for pid in self.host.names("/proc") if pid.isdigit()
                   and (self.host.read("/proc/%s/comm" % pid) or "").strip() == "kubelet"]
        return tuple(units + ["kubelet (pid %s)" % pid for pid in running])

    def _containers_of_pods(self) -> dict[str, str]:
        """``{id: namespace/pod}`` of containerd's namespace of pods; empty where containerd does not answer."""
        code, output = self._ctr("containers", "ls", "-q")
        found = {}
        for name in output.split() if code == 0 else ():
            _code, text = self._ctr("containers", "info", name)
            try:
                labels = json.loads(text).get("Labels") or {}
            except (ValueError, AttributeError):
                labels = {}
            found[name] = "%s/%s" % (labels.get("io.kubernetes.pod.namespace", ""), labels.get("io.kubernetes.pod.name", ""))
        return found

    def _known_pods(self) -> tuple[str, ...] | None:
        if sqlite3 is None or not os.path.exists(paths.DATABASE):
            return None
        try:
            connection = sqlite3.connect("file:%s?mode=ro" % paths.DATABASE, uri=True, timeout=5)
            try:
                rows = connection.execute("SELECT key FROM meta WHERE type = 'pod'").fetchall()
            finally:
                connection.close()
        except sqlite3.Error:
            return None
        return tuple(str(row[0]).replace("/pod/", "/", 1) for row in rows)

    def _records(self) -> dict[str, str]:
        """``{container id: path}`` of what libcni noted of our network."""
        found = {}
        for name in self.host.names(CNI_RESULTS):
            start, _dash, rest = name.partition("-")
            if start == engine.NETWORK and rest.rpartition("-")[0]:
                found[rest.rpartition("-")[0]] = "%s/%s" % (CNI_RESULTS, name)
        return found

    # --- steps ---------------------------------------------------------------------------------------------------------

    def _stop(self, targets: tuple[str, ...]) -> None:
        for unit in targets:
            code, output = self.host.run("systemctl", "disable", "--now", unit, timeout=120)
            if code:
                raise Failed("systemctl disable --now %s failed: %s" % (unit, output.strip()[-300:]))

    def _containers(self, targets: tuple[str, ...]) -> None:
        for name in targets:
            self._ctr("tasks", "kill", "--all", "--signal", "SIGKILL", name)
        deadline = time.monotonic() + STOP_SECONDS
        left = list(targets)
        while left and time.monotonic() < deadline:
            for name in left:
                self._ctr("tasks", "delete", "--force", name)
                self._ctr("containers", "delete", name)
            _code, output = self._ctr("containers", "ls", "-q")
            left = [name for name in left if name in output.split()]
            if left:
                time.sleep(0.5)
        if left:
            raise Failed("containers that cannot be removed: %s. Look at them with `ctr -n %s tasks ls`, then run again" % (
                ", ".join(left[:5]), engine.NAMESPACE))

    def _networks(self, targets: tuple[str, ...]) -> None:
        """Ask the plugins to give back addresses, port rules and links, as containerd would have done with a pod that ends."""
        records = self._records()
        for name in targets:
            path = records.get(name, "")
            try:
                record = json.loads(self.host.read(path) or "{}")
            except ValueError:
                record = {}
            self._cni_del(name, record)
            if path:
                self._remove((path,))

    def _cni_del(self, name: str, record: dict[str, Any]) -> None:
        network = json.loads(engine.conflist("10.244.0.0/24"))
        try:
            network = json.loads(self.host.read(engine.CONFLIST) or "")
        except ValueError:
            pass  # ours as it is by default: DEL needs the kinds and the names, not the addresses
        folder = next((path for path in engine.PLUGIN_DIRS if set(engine.PLUGINS) <= set(self.host.names(path))), "")
        namespace = "" if not record.get("netns") or not os.path.exists(str(record.get("netns"))) else str(record["netns"])
        for plugin in reversed(network["plugins"]) if folder else ():
            settings = dict(plugin, cniVersion=network["cniVersion"], name=network["name"], prevResult=record.get("result"))
            if plugin["type"] == "portmap":
                ports = list((record.get("capabilityArgs") or {}).get("portMappings") or [])
                settings["runtimeConfig"] = {"portMappings": ports}
            self.host.run(
                "env", "CNI_COMMAND=DEL", "CNI_CONTAINERID=%s" % name, "CNI_NETNS=%s" % namespace, "CNI_IFNAME=eth0",
                "CNI_PATH=%s" % folder, "sh", "-c", "exec \"$0\" <<'EDGEAI'\n%s\nEDGEAI" % json.dumps(settings),
                "%s/%s" % (folder, plugin["type"]), timeout=30)
        if namespace:
            self.host.run("umount", namespace)
            self._remove((namespace,))

    def _unmount(self, targets: tuple[str, ...]) -> None:
        for path in targets:
            code, output = self.host.run("umount", path, timeout=30)
            if code and "not mounted" not in output:
                raise Failed("umount %s failed: %s. Find who uses it with `fuser -vm %s`, then run again" % (path, output.strip()[-200:], path))

    def _remove(self, targets: tuple[str, ...]) -> None:
        for path in targets:
            real = self.host.path(path)
            if os.path.isdir(real) and not os.path.islink(real):
                self._remove_tree(real)
            elif os.path.lexists(real):
                os.unlink(real)

    @staticmethod
    def _remove_tree(path: str) -> None:
        """A directory that is a mount point itself stays, empty."""
        if not os.path.ismount(path):
            shutil.rmtree(path)
            return
        for name in os.listdir(path):
            inner = os.path.join(path, name)
            if os.path.isdir(inner) and not os.path.islink(inner):
                shutil.rmtree(inner)
            else:
                os.unlink(inner)

    def _link(self, targets: tuple[str, ...]) -> None:
        for name in targets:
            code, output = self.host.run("ip", "link", "delete", name)
            if code:
                raise Failed("ip link delete %s failed: %s" % (name, output.strip()[-200:]))

    def _reload(self, _targets: tuple[str, ...]) -> None:
        self.host.run("systemctl", "daemon-reload", timeout=60)
        self.host.run("systemctl", "reset-failed", paths.UNIT)

    def _ctr(self, *arguments: str) -> tuple[int, str]:
        code, output = self.host.run("ctr", "-n", engine.NAMESPACE, *arguments, timeout=60)
        return code, output
