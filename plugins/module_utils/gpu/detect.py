# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From signs to a statement: what GPU is in this host, and what state its driver is in. Pure.

The statement has no opinion on what the inventory wants; ``verdicts`` compares the two.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.gpu import generations

NONE = "none"
DGPU = "dgpu"
TEGRA = "tegra"

#: The problems that a ``Gpu`` can name, worst first. See ``_driver_problems`` and ``_tegra_problems``.
PROBLEMS = (
    "nouveau", "driver_missing", "driver_not_loaded", "driver_unfit", "reboot_pending", "userspace_missing",
    "userspace_unknown", "userspace_mismatch", "l4t_unknown", "l4t_too_old", "l4t_old", "libcuda_missing", "libcuda_dangling",
)


@dataclass(frozen=True)
class Device:
    """A PCI function that is a GPU: display (0x0300) or compute (0x0302)."""

    slot: str
    device: str
    generation: str
    model: str
    bound: str


@dataclass(frozen=True)
class Driver:
    """Versions are empty where there is none, or none that can be seen.

    loaded:     of the kernel module that runs now.
    installed:  of the kernel module that the next boot loads.
    userspace:  of the libraries.
    module:     ``open``, ``proprietary``, ``nvgpu`` (Tegra) or empty; of the loaded module, else of the installed one.
    nouveau:    the kernel's own driver is loaded and holds the card.
    secure_boot: True, False, or None when it is not known.
    dkms:       the module is built on this host at each kernel update, so nobody has signed it.
    """

    loaded: str = ""
    installed: str = ""
    userspace: str = ""
    module: str = ""
    nouveau: bool = False
    secure_boot: Optional[bool] = None
    dkms: bool = False


@dataclass(frozen=True)
class Gpu:
    """What ``detect`` found.

    kind:       ``none``, ``dgpu`` or ``tegra``; a Tegra with a card in its slot is ``tegra``, and has both in ``kinds``.
    devices:    the cards, in the order of their slots. A Tegra's own GPU is none.
    model:      what the board or the first card calls itself; empty when nothing says so.
    l4t:        release of a Tegra's system, such as ``36.4.3``; jetpack and cuda follow from it.
    generation: of the first card, or of the Tegra; empty when not known.
    problems:   names out of ``PROBLEMS``, in their order.
    """

    kind: str = NONE
    kinds: Tuple[str, ...] = ()
    devices: Tuple[Device, ...] = ()
    model: str = ""
    soc: str = ""
    l4t: str = ""
    jetpack: str = ""
    cuda: str = ""
    generation: str = ""
    driver: Driver = Driver()
    problems: Tuple[str, ...] = ()


def detect(nvidia):
    """Say what GPU a host has.

    :param nvidia: the part ``nvidia`` of ``host_probe``'s evidence; keys that an older probe did not send count as empty.
    :return: a ``Gpu``.
    """
    cards = [entry for entry in nvidia.get("pci", ()) if entry["class"].startswith("0x03")]
    tegra = bool(
        nvidia.get("tegra_release") or generations.soc_of(nvidia.get("tegra_compatible", ()))
        or nvidia.get("soc_family", "").lower().startswith("tegra"))
    devices = tuple(_device(entry) for entry in cards if not (tegra and generations.is_of_tegra(entry["device"])))
    kinds = ((TEGRA,) if tegra else ()) + ((DGPU,) if devices else ())
    if not kinds:
        return Gpu()
    driver = _driver(nvidia, tegra)
    soc = generations.soc_of(nvidia.get("tegra_compatible", ()))
    l4t = generations.l4t_release(nvidia.get("tegra_release", ""))
    jetpack, cuda = generations.jetpack_of(l4t)
    problems = set(_tegra_problems(nvidia, l4t) if tegra else ())
    problems.update(_card_problems(nvidia, devices, driver) if devices else ())
    return Gpu(
        kind=kinds[0], kinds=kinds, devices=devices, soc=soc, l4t=l4t, jetpack=jetpack, cuda=cuda, driver=driver,
        model=nvidia.get("tegra_model", "") if tegra else devices[0].model,
        generation=generations.SOCS.get(soc, ("", ""))[1] if tegra else devices[0].generation,
        problems=tuple(name for name in PROBLEMS if name in problems))


def describe(gpu):
    """The hardware in a few words, for the column "found" of a verdict."""
    if gpu.kind == NONE:
        return "no NVIDIA GPU"
    parts = []
    if TEGRA in gpu.kinds:
        release = f"L4T {gpu.l4t}" if gpu.l4t else "unknown L4T release"
        jetpack = f", JetPack {gpu.jetpack}" if gpu.jetpack else ""
        parts.append(f"{gpu.model or 'a Tegra'} ({release}{jetpack})")
    for device in gpu.devices:
        generation = f", {device.generation}" if device.generation else ""
        parts.append(f"{device.model or 'NVIDIA GPU'} (10de:{device.device.replace('0x', '')}{generation})")
    return " and ".join(parts)


def _device(entry):
    return Device(
        slot=entry["slot"], device=entry["device"], generation=generations.of_device(entry["device"]),
        model=entry.get("model", ""), bound=entry.get("driver", ""))


def _driver(nvidia, tegra):
    installed, modules = nvidia.get("installed") or {}, nvidia.get("modules", ())
    text = nvidia.get("driver", "")
    match = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", text)
    module = ""
    if text:
        module = "open" if "Open Kernel Module" in text else "proprietary"
    elif tegra:
        module = "nvgpu"
    elif installed.get("version"):
        module = "open" if "GPL" in installed.get("license", "") else "proprietary"
    bound = {entry.get("driver", "") for entry in nvidia.get("pci", ())}
    return Driver(
        loaded=match.group(1) if match else nvidia.get("driver_version", ""),
        installed=installed.get("version", ""),
        userspace=_userspace(nvidia),
        module=module,
        nouveau="nouveau" in modules or "nouveau" in bound,
        secure_boot=nvidia.get("secure_boot"),
        dkms=any(generations.builds_module(entry["name"]) and entry["state"].startswith(("i", "h")) for entry in nvidia.get("packages", ())))


def _userspace(nvidia):
    for name in ("libnvidia-ml.so.1", "libcuda.so.1"):
        library = nvidia.get("libraries", {}).get(name, {})
        match = re.search(r"\.so\.(\d{3,}\.\d+(?:\.\d+)?)$", library.get("target", ""))
        if match and library.get("present"):
            return match.group(1)
    return ""


def _card_problems(nvidia, devices, driver):
    if driver.nouveau and not driver.loaded:
        yield "nouveau"
    if not driver.loaded and not driver.installed:
        yield "driver_missing"
        return
    if not driver.loaded:
        yield "driver_not_loaded"
    branch = generations.branch_of(driver.loaded or driver.installed)
    if any(generations.unfit(device.generation, branch, driver.module) for device in devices):
        yield "driver_unfit"
    pending = driver.loaded and driver.installed and driver.loaded != driver.installed
    if pending:
        yield "reboot_pending"
    if not driver.userspace:
        yield "userspace_missing" if nvidia.get("libraries_known") else "userspace_unknown"
    elif driver.userspace != (driver.installed if pending else driver.loaded or driver.installed):
        # After the pending reboot the libraries meet the installed module; only what then still differs is a mismatch.
        yield "userspace_mismatch"


def _tegra_problems(nvidia, l4t):
    release = generations.numbers(l4t)
    if not release:
        yield "l4t_unknown"
    elif release < generations.OLDEST_L4T:
        yield "l4t_too_old"
    elif release[0] < 35:
        yield "l4t_old"
    library = nvidia.get("libraries", {}).get("libcuda.so.1")
    if library and not library["present"]:
        yield "libcuda_dangling"
    elif not library and nvidia.get("libraries_known"):
        yield "libcuda_missing"
