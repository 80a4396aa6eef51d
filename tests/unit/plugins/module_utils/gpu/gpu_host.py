# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a GPU, a package tool and units that remember what was done to them."""
from __future__ import annotations

import shutil

from ansible_collections.edgeai.sites.plugins.module_utils.gpu import cdi
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.adapters import runtime

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu import machines

BASE = "nvidia-container-toolkit-base"
V = "1.20.0-1"
PACKAGES = "/var/lib/edgeai/packages"
LIBRARY = f"{machines.X86_LIBRARIES}/libcuda.so.%s"
SPEC = """cdiVersion: 0.5.0
containerEdits:
  hooks:
  - hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  mounts:
  - hostPath: %s
devices:
- name: "0"
- name: all
kind: nvidia.com/gpu
"""
DEFAULTS = {
    "gpu": "dgpu", "state": "present", "packages": [BASE], "package_dir": PACKAGES, "driver": "verify", "driver_packages": [],
    "hold": True, "remove_old": False,
    "nvpmodel_mode": "", "jetson_clocks": "keep"}


class GpuHost:
    """``installed`` is ``{name: (dpkg's status abbreviation, version)}``; package files are text: name, version."""

    def __init__(self, machine, version="580.95.05"):
        self.machine, self.version = machine, version
        self.installed, self.ran, self.fails, self.enabled, self.active = {}, [], {}, set(), set()
        self.makes_spec = True
        machine._run_command = self.answer
        machine.write("/usr/bin/dpkg-query", "")
        machine.write("/usr/bin/nvidia-smi", "")
        machine.write("/etc/apt/apt.conf.d/01autoremove", "")
        self.offer(BASE, V)

    def offer(self, name, version):
        self.machine.write(f"{PACKAGES}/{name}_{version.replace(':', '')}_amd64.deb", f"{name}\t{version}\tamd64\n")

    def text(self, path):
        return self.machine.read(path)

    def run(self, check_mode=False, **params):
        """``(runtime, reboot reasons)`` of one call; raises what the call raises."""
        self.ran = []
        one = runtime.Runtime(self.machine, dict(DEFAULTS, **params), check_mode)
        return one, one.present() if one.params["state"] == "present" else one.absent()

    def kinds(self, check_mode=False, **params):
        return [action["kind"] for action in self.run(check_mode, **params)[0].actions]

    def answer(self, argv, timeout):
        words = [word for word in argv if word != "env" and not word.startswith(("DEBIAN_FRONTEND=", "--force-"))]
        for start, answer in self.fails.items():
            if " ".join(words).startswith(start):
                return answer
        handler = getattr(self, "_" + words[0].replace("-", "_"), None)
        return handler(words[1:]) if handler else self.machine._answer(argv, timeout)

    def _dpkg_query(self, words):
        if words[1].startswith("--show"):
            return 0, ""
        return 1, "".join(f"{state}\t{name}\t{version}\n" for name, (state, version) in self.installed.items() if name in words)

    def _dpkg_deb(self, words):
        text = self.text(words[-1])
        return (0, text) if "\t" in text else (2, "not a Debian format archive")

    def _dpkg(self, words):
        self.ran.append("dpkg " + words[0])
        for target in words[1:]:
            if words[0] == "--install":
                name, version, _arch = self.text(target).split("\t")
                self.installed[name] = ("ii ", version)
            elif words[0] == "--configure":
                self.installed[target] = ("ii ", self.installed[target][1])
            elif words[0] == "--purge":
                del self.installed[target]
        self._files(BASE in self.installed)
        return 0, ""

    def _files(self, there):
        for path in (runtime.RUNTIME, "/usr/bin/nvidia-cdi-hook"):
            if there:
                self.machine.write(path, "")
            elif self.machine.exists(path):
                self.machine.remove(path)

    def _apt_mark(self, words):
        self.ran.append("apt-mark " + words[0])
        for name in words[1:]:
            state, version = self.installed[name]
            self.installed[name] = (("h" if words[0] == "hold" else "i") + state[1:], version)
        return 0, ""

    def _systemctl(self, words):
        if words[0] == "show":
            known = BASE in self.installed
            return 0, "\n\n".join(
                "Id=%s\nLoadState=%s\nUnitFileState=%s\nActiveState=%s" % (
                    unit, "loaded" if known else "not-found", "enabled" if unit in self.enabled else "disabled",
                    "active" if unit in self.active else "inactive") for unit in words[2:])
        self.ran.append("systemctl " + " ".join(words))
        {"enable": self.enabled, "start": self.active, "restart": set()}[words[0]].add(words[1])
        if words[0] == "restart" and self.makes_spec:
            self.machine.write(cdi.REFRESHED, SPEC % (LIBRARY % self.version))
        return 0, ""

    def reboot(self):
        """/run is empty after it."""
        shutil.rmtree(self.machine.path("/var/run"), ignore_errors=True)


def card(root, **options):
    return GpuHost(machines.card(root, "0x27b8", **options), options.get("version", "580.95.05"))
