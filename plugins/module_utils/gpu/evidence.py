# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw signs of NVIDIA hardware and software on a host, without a word on what they mean; ``detect`` says that.

All reading goes through the ``host`` argument (``host.sources.LocalHost`` or a fake). Programs run only where something of
NVIDIA is there: all other hosts are done after a few small files.
"""
from __future__ import annotations

import posixpath
import re

from ansible_collections.edgeai.sites.plugins.module_utils.gpu import cdi, csv

VENDOR = "0x10de"
LARGE_FILE = 8 * 1024 * 1024
PCI = "/sys/bus/pci/devices"
#: The second is the same tree where /proc/device-tree cannot be had.
DEVICE_TREES = ("/proc/device-tree", "/sys/firmware/devicetree/base")
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
PROGRAMS = (
    "nvidia-smi", "nvidia-ctk", "nvidia-cdi-hook", "nvidia-container-runtime", "nvidia-container-runtime.cdi",
    "nvidia-container-cli", "nvidia-container-runtime-hook", "nvidia-persistenced",
)
LIBRARIES = ("libcuda.so.1", "libnvidia-ml.so.1")
#: Where the libraries lie, for hosts whose ldconfig cannot be asked.
LIBRARY_DIRECTORIES = (
    "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/aarch64-linux-gnu/tegra",
)
MODULES = ("nvidia", "nvidia_uvm", "nouveau", "nvgpu")
PACKAGES = ("nvidia-*", "libnvidia-*", "cuda-drivers*", "linux-modules-nvidia-*", "linux-objects-nvidia-*", "kmod-nvidia*")
MAX_PACKAGES = 300
MAX_MISSING = 20


def collect(host):
    """Evidence of one host. All keys are always there; those that programs tell are empty on hosts without NVIDIA.

    ``pci`` ``[{"slot", "class", "device", "driver"?, "model"?}]`` all functions of the vendor; ``driver`` first line of what the
    loaded driver says of itself; ``driver_version`` the same from sysfs; ``tegra_release`` ``tegra_compatible`` ``tegra_model``
    ``soc_family``; ``container_runtime``; ``modules`` ``[names]`` of ``MODULES`` that are loaded; ``installed``
    ``{"version", "license", "name"}`` of the kernel module on disk; ``libraries`` ``{name: {"path", "target", "present"}}`` and
    ``libraries_known`` (False when an empty answer means nothing); ``secure_boot`` True, False or None; ``packages``
    ``[{"name", "version", "state"}]``; ``programs`` ``[names]``; ``cdi`` ``[{"path"} + cdi.summary]``; ``csv``
    ``{"files", "missing", "missing_count"}``; ``device_nodes`` ``[names]``.
    """
    evidence = _signs(host)
    evidence.update({
        "modules": [], "installed": {"version": "", "license": "", "name": ""}, "libraries": {}, "libraries_known": False,
        "secure_boot": None, "packages": [], "cdi": [], "csv": {"files": [], "missing": [], "missing_count": 0},
        "device_nodes": [],
    })
    if has_signs(evidence):
        evidence.update(_details(host))
    return evidence


def has_signs(evidence):
    """True when hardware or software of NVIDIA is there. A sound function (class 04) alone is none."""
    return bool(
        any(entry["class"].startswith("0x03") for entry in evidence["pci"]) or evidence["driver"]
        or evidence["driver_version"] or evidence["tegra_release"] or evidence["tegra_compatible"] or evidence["programs"]
        or evidence["soc_family"].lower().startswith("tegra"))


def _signs(host):
    devices = []
    for name in host.names(PCI, 4096):
        if _line(host, f"{PCI}/{name}/vendor") == VENDOR:
            device = {"slot": name, "class": _line(host, f"{PCI}/{name}/class"), "device": _line(host, f"{PCI}/{name}/device")}
            bound = posixpath.basename(host.readlink(f"{PCI}/{name}/driver") or "")
            model = re.search(r"(?m)^Model:\s*(.+?)\s*$", host.read(f"/proc/driver/nvidia/gpus/{name}/information", 8192) or "")
            if bound:
                device["driver"] = bound
            if model:
                device["model"] = model.group(1)
            devices.append(device)
    return {
        "pci": devices,
        "driver": _line(host, "/proc/driver/nvidia/version"),
        "driver_version": _line(host, "/sys/module/nvidia/version"),
        "tegra_release": _line(host, "/etc/nv_tegra_release"),
        "tegra_compatible": [word for word in _tree(host, "compatible").split("\0") if word.startswith("nvidia,")],
        "tegra_model": _tree(host, "model").strip("\0\n "),
        "soc_family": _line(host, "/sys/devices/soc0/family"),
        "programs": [name for name in PROGRAMS if host.exists(f"/usr/bin/{name}")],
        "container_runtime": host.exists("/usr/bin/nvidia-container-runtime"),
    }


def _line(host, path):
    return (host.read(path) or "").partition("\n")[0].strip()


def _tree(host, name):
    texts = (host.read(f"{base}/{name}") for base in DEVICE_TREES)
    return next((text for text in texts if text), "")


def _details(host):
    libraries, known = _libraries(host)
    loaded = {line.partition(" ")[0] for line in (host.read("/proc/modules", LARGE_FILE) or "").splitlines()}
    return {
        # Not every kernel has the list.
        "modules": [name for name in MODULES if name in loaded or host.exists(f"/sys/module/{name}")],
        "installed": _installed(host),
        "libraries": libraries,
        "libraries_known": known,
        "secure_boot": _secure_boot(host),
        "packages": _packages(host),
        "cdi": _cdi(host),
        "csv": _csv(host),
        "device_nodes": [name for name in host.names("/dev") if re.match(r"nvidia(\d+|ctl|-uvm)$|nvgpu$|nvhost-gpu$", name)][:64],
    }


def _installed(host):
    """The kernel module that the next boot would load. Debian calls it by another name and renames it while loading."""
    for name in ("nvidia", "nvidia-current"):
        code, version = host.run("modinfo", "-F", "version", name)
        if code == 0 and version.strip():
            _code, licence = host.run("modinfo", "-F", "license", name)
            return {"version": version.split()[0], "license": licence.strip()[:40], "name": name}
    return {"version": "", "license": "", "name": ""}


def _libraries(host):
    code, output = host.run("ldconfig", "-p")
    found = {}
    for name, words, path in re.findall(r"(?m)^\s*(\S+) \(([^)]*)\) => (\S+)$", output if code == 0 else ""):
        # A 32-bit library may stand beside the one that counts.
        if name in LIBRARIES and ("64" in words or name not in found):
            found[name] = path
    for name in LIBRARIES if code != 0 else ():
        paths = [f"{directory}/{name}" for directory in LIBRARY_DIRECTORIES if host.exists(f"{directory}/{name}")]
        found.update({name: path for path in paths[:1]})
    return {name: _library(host, path) for name, path in found.items()}, code == 0


def _library(host, path):
    """Follows the links of a library by name: its last one carries the version."""
    place = path
    for _step in range(8):
        target = host.readlink(place)
        if not target:
            break
        place = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
    return {"path": path, "target": place, "present": host.exists(place)}


def _secure_boot(host):
    """True, False, or None when the firmware does not say."""
    if not host.exists("/sys/firmware/efi"):
        return False
    try:
        content = host.read_bytes(SECURE_BOOT, 16)
    except OSError:
        return None
    # Four bytes of attributes come before the value.
    return content[4] == 1 if content is not None and len(content) > 4 else None


def _packages(host):
    if host.exists("/usr/bin/dpkg-query"):
        _code, output = host.run("dpkg-query", "-W", "--showformat=${Package} ${Version} ${db:Status-Abbrev}\n", *PACKAGES)
    elif host.exists("/usr/bin/rpm"):
        _code, output = host.run("rpm", "-qa", "--queryformat=%{NAME} %{VERSION}-%{RELEASE} ii\n", *PACKAGES)
    else:
        return []
    # A pattern without a match makes dpkg-query complain between the lines, and end with 1.
    rows = [line.split() for line in output.splitlines() if not line.startswith("dpkg-query:")]
    return [{"name": row[0], "version": row[1], "state": row[2]} for row in rows if len(row) == 3][:MAX_PACKAGES]


def _cdi(host):
    specifications = []
    for directory in cdi.DIRECTORIES:
        for name in host.names(directory, 64):
            if name.endswith((".yaml", ".json")):
                text = host.read(f"{directory}/{name}", 1024 * 1024) or ""
                if "nvidia.com/" in text:
                    specifications.append(dict({"path": f"{directory}/{name}"}, **cdi.summary(text)))
    return specifications


def _csv(host):
    files, missing = [], []
    for name in csv.DEFAULT_FILES:
        text = host.read(f"{csv.DIRECTORY}/{name}", 1024 * 1024)
        if text is not None:
            files.append(name)
            missing += [path for _kind, path in csv.entries(text) if "*" not in path and not host.exists(path)]
    return {"files": files, "missing": missing[:MAX_MISSING], "missing_count": len(missing)}
