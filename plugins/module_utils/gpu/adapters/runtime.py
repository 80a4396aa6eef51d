# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVIDIA runtime of one host: look, let the pure parts decide, act. One object, one call of the module."""
from __future__ import annotations

import glob
import os

from ansible_collections.edgeai.sites.plugins.module_utils.containerd.adapters.configuration import Refused
from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import cdi, csv, driver, packages, toolkit_config
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.adapters import jetson, system
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.adapters.engine import refuse_in_use
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.detect import DGPU, TEGRA, detect
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.verdicts import judge_gpu
from ansible_collections.edgeai.sites.plugins.module_utils.host import evidence
from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import REFUSING, failed, passed, warned
from ansible_collections.edgeai.sites.plugins.module_utils.packages import tool

RUNTIME = "/usr/bin/nvidia-container-runtime"
REFRESH = ("nvidia-cdi-refresh.path", "nvidia-cdi-refresh.service")
SOURCES = ("/etc/apt/sources.list.d", "/etc/yum.repos.d", "/etc/zypp/repos.d")
K3S_CONFIG = "/etc/rancher/k3s/config.yaml"
K3S_TEMPLATE = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl"
K3S_TEMPLATE_3 = "/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl"


class Runtime:
    """``params`` are the options of the module, ``host`` where to read and run, see ``host.sources.LocalHost``."""

    def __init__(self, host, params, check_mode=False):
        self.host, self.params, self.check_mode = host, params, check_mode
        self.actions, self.verdicts, self.diffs = [], [], []
        self.kind = tool.package_format(host)
        self.had_runtime = host.exists(RUNTIME)

    def present(self):
        """Bring everything to what is wanted; raises Refused before and tool.Failed while something is changed."""
        found = evidence.collect(self.host, only=("os", "nvidia"))
        gpu = detect(found["nvidia"])
        self._refuse(judge_gpu(found, {
            "gpu": self.params["gpu"], "gpu_driver": self.params["driver"], "gpu_driver_packages": self.params["driver_packages"]}))
        if self.params["gpu"] == TEGRA:
            self._refuse(self._csv())
            mode = self.params["nvpmodel_mode"]
            mode = jetson.wanted_mode(self.host, mode) if mode else None
        self._refuse(self._template())
        blacklisted = self.host.exists(driver.NOUVEAU_FILE)
        plan = driver.plan(gpu, self.params["driver"], self.params["driver_packages"], blacklisted)
        self._packages(list(self.params["packages"]) + list(plan.packages))
        if plan.blacklist_nouveau and self._file(driver.NOUVEAU_FILE, driver.NOUVEAU_TEXT, "nouveau must not hold the GPU"):
            self._act("initramfs", "initial file system", "nouveau is loaded from it", lambda: system.rebuild_initramfs(self.host))
        self._upgrades()
        if self.params["gpu"] == DGPU:
            gpu = self._load(gpu, plan)
            self._cdi(gpu)
        else:
            self._power(mode)
        return self._reboot_reasons(gpu)

    def absent(self):
        """Remove what ``present`` brings; the driver stays."""
        text = self.host.read(K3S_CONFIG) or ""
        if self.host.exists(RUNTIME) and any(line.split("#")[0].replace('"', "").split() == ["default-runtime:", "nvidia"]
                                             for line in text.splitlines()):
            raise Refused("default-runtime: nvidia is in %s: K3s would not start again without the runtime. Take it out of "
                          "k3s_config and run the step k3s first" % K3S_CONFIG)
        refuse_in_use(self.host)
        have = tool.installed(self.host, self.kind, self.params["packages"] + list(packages.TOOLKIT))
        self._carry_out(packages.absent(have, self.params["packages"]))
        for path, reason in ((driver.UPGRADES_FILE, "nothing is kept from upgrades any more"),
                             (toolkit_config.PATH, "its program is gone"), (cdi.REFRESHED, "nobody keeps it fresh any more")):
            self._remove(path, reason)
        return []

    @property
    def runtime_changed(self):
        """Whether the runtime appeared or disappeared: K3s looks for it only when it starts."""
        if self.check_mode:
            install = any(action["kind"] == "install" for action in self.actions)
            remove = self.params["state"] == "absent" and any(action["kind"] == "remove" for action in self.actions)
            return remove if self.had_runtime else install
        return self.host.exists(RUNTIME) != self.had_runtime

    def _refuse(self, verdicts):
        self.verdicts += verdicts
        bad = [verdict for verdict in verdicts if verdict["verdict"] in REFUSING]
        if bad:
            raise Refused(" ".join("Found: %(found)s. Wanted: %(wanted)s. Remedy: %(remedy)s" % verdict for verdict in bad))

    def _csv(self):
        files = {name: self.host.read("%s/%s" % (csv.DIRECTORY, name), 1024 * 1024) for name in csv.DEFAULT_FILES}
        present = {path for path in csv.targets(files) if glob.glob(self.host.path(path))}
        problems = csv.problems(files, present)
        if not problems:
            return [passed("gpu_csv", "%d of %d files there" % (len(present), len(csv.targets(files))), "libcuda and devices")]
        return [failed("gpu_csv", "; ".join(problems), "what a container needs of this Jetson",
                       "apt-get install --reinstall nvidia-l4t-init nvidia-l4t-core; on L4T 39 add a line 'lib, "
                       "/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1.1' to %s/drivers.csv" % csv.DIRECTORY)]

    def _template(self):
        text = self.host.read(K3S_TEMPLATE)
        if text is None or self.host.exists(K3S_TEMPLATE_3) or "nvidia" in text or 'template "base"' in text:
            return []
        return [failed("gpu_template", "%s replaces what K3s would write and does not know the runtime" % K3S_TEMPLATE,
                       "no template, or config-v3.toml.tmpl that starts with {{ template \"base\" . }}",
                       "Move it away: mv %s /root/; settings of this site belong into config-v3.toml.d/*.toml beside it" % K3S_TEMPLATE)]

    def _packages(self, wanted):
        if not self.kind:
            raise Refused("neither dpkg nor rpm is on this host. Put the toolkit into its image and set nvidia_runtime_packages: []")
        names = list(dict.fromkeys(wanted + list(packages.TOOLKIT + packages.OLD)))
        have = tool.installed(self.host, self.kind, names)
        offered = tool.files(self.host, self.kind, self.params["package_dir"])
        if self.check_mode and not offered and any(name not in have for name in wanted):
            # On a clean host the step before would have put them there.
            self._act("install", ", ".join(name for name in wanted if name not in have), "not installed", None)
        else:
            hold = self.params["hold"] and self.kind == "deb"
            self._carry_out(packages.present(have, wanted, offered, hold, self.params["remove_old"]))
        old = [path for place in SOURCES for path in packages.old_sources(self.host.names(place))]
        if old:
            self.verdicts.append(warned(
                "gpu_sources", "old package sources: %s" % ", ".join(old), "none: apt refuses two keys for one address",
                "Remove them from %s" % SOURCES[0]))

    def _carry_out(self, actions):
        for action in actions:
            names = ", ".join(os.path.basename(target) for target in action.targets)
            self._act(action.kind, names, action.reason, lambda action=action: tool.carry_out(self.host, self.kind, action))

    def _upgrades(self):
        wanted = self.params["hold"] and self.params["gpu"] == DGPU and self.host.exists(os.path.dirname(driver.UPGRADES_FILE))
        if wanted:
            self._file(driver.UPGRADES_FILE, driver.UPGRADES_TEXT, "unattended upgrades must not touch the driver")
        else:
            self._remove(driver.UPGRADES_FILE, "nothing is kept from upgrades any more")

    def _load(self, gpu, plan):
        """A driver that is installed is loaded at once where nothing stands in the way."""
        if not plan.packages:
            return gpu
        if any(action["kind"] == "install" for action in self.actions):
            if self.check_mode:
                return gpu
            gpu = detect(evidence.collect(self.host, only=("nvidia",))["nvidia"])
        if not gpu.driver.loaded and not gpu.driver.nouveau:
            self._act("load", "nvidia", "the driver is installed and not loaded", self._modprobe)
            gpu = detect(evidence.collect(self.host, only=("nvidia",))["nvidia"])
        return gpu

    def _reboot_reasons(self, gpu):
        """Only for what this role installed: verify has refused the host before, and skip does not look."""
        return driver.reboot_reasons(gpu) if self.params["driver"] == "install" else []

    def _modprobe(self):
        code, output = self.host.run("modprobe", "nvidia", timeout=120)
        if code:
            self._refuse([failed(
                "gpu", "the driver is installed, and cannot be loaded: %s" % (" / ".join(output.strip().splitlines()[-3:]) or code),
                "the NVIDIA driver loaded",
                "journalctl -k says why. A key that was rejected: take signed modules (Secure Boot). No such module for this kernel: "
                "reboot into the kernel that the packages are for. No such device: the driver does not know this GPU.")])

    def _cdi(self, gpu):
        self._stale_manual(gpu)
        state = system.units(self.host, *REFRESH)
        if any(state.get(unit, {}).get("LoadState") != "loaded" for unit in REFRESH):
            if not self.check_mode and self.params["packages"]:
                self._refuse([failed("gpu_cdi", "no %s" % " and ".join(REFRESH), "the toolkit's own units",
                                     "Take version 1.18 or later of the toolkit: before, nothing keeps the specification fresh.")])
            return
        for unit in REFRESH:
            if state[unit].get("UnitFileState") not in ("enabled", "enabled-runtime", "static"):
                self._act("enable", unit, "the specification is gone after each boot", lambda unit=unit: system.systemctl(self.host, "enable", unit))
        if state[REFRESH[0]].get("ActiveState") != "active":
            self._act("start", REFRESH[0], "it does not run", lambda: system.systemctl(self.host, "start", REFRESH[0]))
        if self._reboot_reasons(gpu):
            return  # until then the driver answers nobody, and the unit would only fail
        why = self._refresh_needed(gpu)
        if why:
            self._act("refresh", cdi.REFRESHED, why, lambda: system.systemctl(self.host, "restart", REFRESH[1]))
            why = "" if self.check_mode else self._refresh_needed(gpu)
        if why:
            self._refuse([failed("gpu_cdi", "%s: %s" % (cdi.REFRESHED, why), "every GPU of this host in it",
                                 "journalctl -u %s; nvidia-smi -L; it needs nvidia-smi and a loaded driver." % REFRESH[1])])
        else:
            spec = cdi.parse(self.host.read(cdi.REFRESHED, 1024 * 1024) or "")
            self.verdicts.append(passed("gpu_cdi", "devices %s" % (", ".join(spec.devices) or "to be made"), "every GPU of this host"))

    def _power(self, mode):
        if mode:
            self.verdicts.append(jetson.set_mode(self.host, self._act, mode, self.check_mode))
        if self.params["jetson_clocks"] != "keep":
            self.verdicts.append(jetson.set_clocks(self.host, self._act, self.params["jetson_clocks"] == "lock"))

    def _refresh_needed(self, gpu):
        text = self.host.read(cdi.REFRESHED, 1024 * 1024)
        if text is None:
            return "there is none"
        spec = cdi.parse(text)
        lacking = cdi.lacks(spec, len(gpu.devices))
        if lacking:
            return "it lacks %d of %d devices" % (lacking, len(gpu.devices))
        return cdi.stale_because(spec, self._missing(spec), gpu.driver.loaded)

    def _stale_manual(self, gpu):
        text = self.host.read(cdi.MANUAL, 1024 * 1024)
        spec = cdi.parse(text or "")
        why = cdi.stale_because(spec, self._missing(spec), gpu.driver.loaded) if text is not None else ""
        if not why:
            return
        if cdi.may_be_removed(spec):
            self._remove(cdi.MANUAL, why)
        else:
            self.verdicts.append(warned(
                "gpu_cdi", "%s is stale: %s" % (cdi.MANUAL, why), "what fits this host",
                "Somebody wrote it by hand: correct it, or remove it; %s is kept fresh by itself." % cdi.REFRESHED))

    def _missing(self, spec):
        return [path for path in spec.paths if not os.path.exists(self.host.path(path))]

    def _file(self, path, text, reason):
        before = self.host.read(path)
        if before == text:
            return False
        self.diffs.append({"before_header": path, "after_header": path, "before": before or "", "after": text})
        self._act("write", path, reason, lambda: self._write(path, text))
        return True

    def _write(self, path, text):
        os.makedirs(os.path.dirname(self.host.path(path)), mode=0o755, exist_ok=True)
        replace(self.host.path(path), text, 0o644)

    def _remove(self, path, reason):
        before = self.host.read(path, 1024 * 1024)
        if before is None:
            return
        self.diffs.append({"before_header": path, "after_header": path, "before": before, "after": ""})
        self._act("remove_file", path, reason, lambda: os.unlink(self.host.path(path)))

    def _act(self, kind, target, reason, do):
        if do and not self.check_mode:
            do()
        self.actions.append({"kind": kind, "target": target, "reason": reason})
