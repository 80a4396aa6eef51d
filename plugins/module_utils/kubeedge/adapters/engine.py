# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of an edge node, brought to what is wanted in one go: packages, containerd, network, images (I/O)."""

from __future__ import annotations

import os
import tarfile
import time
from typing import Any, Callable

from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config
from ansible_collections.edgeai.sites.plugins.module_utils.containerd.adapters.configuration import (
    LIMIT, SERVICE, Configuration, Refused,
)
from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import containerd as nvidia
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.adapters.engine import Containerd as Nvidia
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import containerd as engine
from ansible_collections.edgeai.sites.plugins.module_utils.packages import plan, tool

CNI_DIR = "/etc/cni/net.d"
READY_SECONDS = 30.0  # for containerd to answer after a start
IMPORT_SECONDS = 900


class Engine(Configuration):
    """``params`` are the options of the module; ``actions`` what was, or in check mode would be, done, in order."""

    drop_in = engine.DROP_IN

    def __init__(self, host: Any, params: dict[str, Any], check_mode: bool = False,
                 monotonic: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        super().__init__(host, check_mode, monotonic)
        self.params, self._sleep = params, sleep
        self.actions: list[dict[str, str]] = []
        self.pause_image = ""

    def present(self) -> None:
        """Bring it to what is wanted. Raises Refused and PackagesError before, tool.Failed while something is changed."""
        self._packages()
        archives = self._archives()
        self.pause_image = engine.chosen_pause(self.params["pause_image"], archives)
        self._network()
        if not self._has_containerd():
            return  # check mode: an earlier step would have brought the packages
        self._configure()
        self._run_it()
        self._images(archives)

    def _packages(self) -> None:
        wanted = list(self.params["packages"])
        kind = tool.package_format(self.host)
        if not wanted or not kind:
            return
        have = tool.installed(self.host, kind, wanted)
        offered = tool.files(self.host, kind, self.params["package_dir"])
        names = {file.name for file in offered}
        # What the image of the host has, and the bundle has not, is as good.
        missing = [name for name in wanted if name in names or getattr(have.get(name), "state", "") != "installed"]
        if self.check_mode and not offered and any(name not in have for name in missing):
            self._act("install", ", ".join(name for name in missing if name not in have), "not installed")
            return
        chosen = plan.choose(missing, offered, "its version in the lock file")
        for action in plan.present(have, chosen, self.params["hold"] and kind == "deb"):
            if not self.check_mode:
                tool.carry_out(self.host, kind, action)
            self._act(action.kind, ", ".join(os.path.basename(target) for target in action.targets), action.reason)

    def _has_containerd(self) -> bool:
        code, output = self.host.run("containerd", "--version")
        if code != 127:
            return True
        if self.check_mode:
            return False
        raise Refused("Found: no containerd on this host (%s). Wanted: EdgeCore's container engine. Remedy: put containerd into the "
                      "lock file and edgecore_packages, or into the image of this host" % output.strip()[:100])

    def _configure(self) -> None:
        main = self.host.read(config.CONFIG, LIMIT)
        enabled = config.with_cri(main or "")
        before = self.dump(enabled, {self.drop_in: None, nvidia.PATH: None})
        systemd = self.params["cgroup_driver"] == "systemd"
        plugin_dir = self._plugin_dir(engine.plugin_dirs(before))
        new_main = config.with_import(enabled, self.drop_in) if main is not None else config.created(
            config.config_version(before), self.drop_in)
        bad = ["containerd has no known configuration"]
        for text in engine.drop_ins(before, main, self.pause_image, systemd, plugin_dir):
            after = self.dump(new_main, {self.drop_in: text, nvidia.PATH: None})
            bad = engine.problems(before, after, self.pause_image, systemd, plugin_dir)
            if not bad:
                break
        else:
            raise Refused("containerd's configuration would not be what is wanted; nothing was written to it. %s" % "; ".join(bad))
        changed = self.write(self.drop_in, text)
        changed = self.write(config.CONFIG, new_main) or changed
        if changed:
            self.restart_reasons.append("its configuration was changed for EdgeCore")
            self._act("write", self.drop_in, "pause image, cgroup driver and CNI plugins as EdgeCore wants them")
        elif self.runs_since_before():
            self.restart_reasons.append("it runs since before its configuration was written")
        self._nvidia_again()

    def _nvidia_again(self) -> None:
        """NVIDIA's drop-in repeats what ours says where containerd does not merge (1.x)."""
        if not self.host.exists(nvidia.PATH) or self.check_mode:
            return
        again = Nvidia(self.host, self.check_mode, self.monotonic)
        again.present()
        self.diffs += again.diffs
        self.restart_reasons += again.restart_reasons if again.diffs else []

    def _plugin_dir(self, configured: list[str]) -> str:
        for path in list(configured) + list(engine.PLUGIN_DIRS):
            if set(engine.PLUGINS) <= set(self.host.names(path)):
                return path
        if self.check_mode:
            return configured[0]
        raise Refused("Found: no directory with the CNI plugins %s (looked into %s). Wanted: one. Remedy: put "
                      "containernetworking-plugins into the lock file and edgecore_packages, or into the image of this host" % (
                          ", ".join(engine.PLUGINS), ", ".join(dict.fromkeys(list(configured) + list(engine.PLUGIN_DIRS)))))

    def _network(self) -> None:
        if self.params["pod_subnet"]:
            self._file(engine.CONFLIST, engine.conflist(self.params["pod_subnet"]), "without a network no pod starts")
        names = [name for name in self.host.names(CNI_DIR) if name.endswith((".conf", ".conflist", ".json"))]
        first = sorted(names + ([os.path.basename(engine.CONFLIST)] if self.params["pod_subnet"] else []))[:1]
        if self.params["pod_subnet"] and first != [os.path.basename(engine.CONFLIST)]:
            raise Refused("Found: %s/%s, which containerd takes before %s. Wanted: one network for pods. Remedy: remove that file; or, "
                          "if it is the wanted one, set edgecore_pod_subnet: \"\" and this role leaves the network alone" % (
                              CNI_DIR, first[0], engine.CONFLIST))

    def _run_it(self) -> None:
        active = self._unit().get("ActiveState") == "active"
        if self._unit().get("UnitFileState") not in ("enabled", "enabled-runtime", "static", "alias"):
            self._systemctl("enable", "it would not run after a reboot")
        if not active:
            self.restart_reasons[:] = []
            self._systemctl("start", "it does not run")
        elif self.restart_reasons:
            self._systemctl("restart", "; ".join(self.restart_reasons))
        if not self.check_mode:
            self._wait()

    def _systemctl(self, verb: str, reason: str) -> None:
        if not self.check_mode:
            self.host.run("systemctl", "reset-failed", SERVICE)  # many starts of a broken one end in a limit
            code, output = self.host.run("systemctl", verb, SERVICE, timeout=120)
            if code:
                raise tool.Failed("systemctl %s containerd failed: %s" % (verb, output.strip()[-500:] or "no output"))
        self._act(verb, "containerd", reason)

    def _unit(self) -> dict[str, str]:
        _code, output = self.host.run("systemctl", "show", "-p", "ActiveState,UnitFileState", SERVICE)
        return dict(line.partition("=")[::2] for line in output.splitlines())

    def _wait(self) -> None:
        deadline = self.monotonic() + READY_SECONDS
        while True:
            code, output = self.host.run("ctr", "plugins", "ls", timeout=20)
            status = engine.plugin_status(output) if code == 0 else ""
            if status == "ok":
                return
            if self.monotonic() >= deadline:
                raise tool.Failed("containerd serves no CRI after %d s (plugin cri: %s). %s" % (
                    READY_SECONDS, status or "not there", self._journal()))
            self._sleep(0.5)

    def _journal(self) -> str:
        _code, output = self.host.run("journalctl", "--no-pager", "-q", "-n", "5", "-p", "warning", "-o", "cat", "-u", SERVICE)
        return "Its journal: " + " / ".join(output.strip().splitlines()[-5:])

    # --- images --------------------------------------------------------------------------------------------------------

    def _archives(self) -> dict[str, list[engine.Image]]:
        folder = self.params["image_dir"]
        found = {}
        for name in self.host.names(folder):
            path = "%s/%s" % (folder, name)
            if name.endswith(".tar"):
                try:
                    found[path] = engine.images_of(_index(self.host.path(path)))
                except (OSError, tarfile.TarError, ValueError, KeyError) as error:
                    raise Refused("%s is no image archive: %s. Run the artifacts step with artifacts_verify: always" % (path, error))
        return found

    def _images(self, archives: dict[str, list[engine.Image]]) -> None:
        there = self._listed()
        for path in engine.to_import(archives, there):
            names = ", ".join(image.name for image in archives[path])
            if not self.check_mode:
                self._ctr("images", "import", path)
                for image in archives[path]:
                    self._ctr("images", "tag", "--force", image.name, image.pinned)
            self._act("import", names, "containerd does not have it")
        if self.check_mode:
            return
        there = self._listed()
        left = engine.to_import(archives, there)
        if left:
            raise tool.Failed("containerd has imported %s and does not list what is in it. Free disk space (df /var/lib/containerd) and "
                              "run again; if it stays, run the artifacts step with artifacts_verify: always" % ", ".join(left))
        if self.pause_image not in there:
            raise Refused("Found: no pause image %s on this host. Wanted: it, because no pod starts without. Remedy: put it into the "
                          "lock file and run bundle.yml and the artifacts step, or correct edgecore_pause_image" % self.pause_image)

    def _listed(self) -> dict[str, str]:
        return engine.parse_images(self._ctr("images", "ls"))

    def _ctr(self, *arguments: str) -> str:
        code, output = self.host.run("ctr", "-n", engine.NAMESPACE, *arguments, timeout=IMPORT_SECONDS)
        if code:
            raise tool.Failed("ctr %s failed: %s" % (" ".join(arguments), output.strip()[-500:] or "no output"))
        return str(output)

    # --- files ---------------------------------------------------------------------------------------------------------

    def _file(self, path: str, text: str, reason: str) -> None:
        before = self.host.read(path)
        if before == text:
            return
        self.diffs.append({"before_header": path, "after_header": path, "before": before or "", "after": text})
        if not self.check_mode:
            os.makedirs(os.path.dirname(self.host.path(path)), mode=0o755, exist_ok=True)
            replace(self.host.path(path), text, 0o644)
        self._act("write", path, reason)

    def _act(self, kind: str, target: str, reason: str) -> None:
        self.actions.append({"kind": kind, "target": target, "reason": reason})


def _index(path: str) -> str:
    """``index.json`` of an archive; layers are passed over without being read."""
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.name in ("index.json", "./index.json") and member.size < LIMIT:
                stream = archive.extractfile(member)
                return stream.read().decode("utf-8") if stream else ""
    raise ValueError("it has no index.json")
