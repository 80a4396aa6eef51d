# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the GPU of a host agree with the inventory, and can its driver be worked with? Pure.

Intent keys that are looked at, all of which may be missing: ``gpu`` (``none``, ``dgpu``, ``tegra``; empty: the inventory does not
say), ``gpu_driver`` (``verify``, ``install``, ``skip``), ``gpu_driver_packages`` (what ``install`` would install).
"""
from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.gpu import generations
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.detect import DGPU, NONE, TEGRA, describe, detect
from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import failed, inconclusive, passed, warned

CHECK = "gpu"
KINDS = (NONE, DGPU, TEGRA)
POLICIES = ("verify", "install", "skip")
#: What the policy install repairs by itself.
INSTALLABLE = frozenset((
    "nouveau", "driver_missing", "driver_not_loaded", "driver_unfit", "userspace_missing", "userspace_unknown",
    "userspace_mismatch"))
WANTED_DRIVER = "the NVIDIA driver loaded, its libraries of the same version"


def judge_gpu(evidence, intent):
    """Verdicts on hardware and driver; the shape is that of ``host.verdict``.

    :param evidence: of ``host_probe``, with the part ``nvidia``.
    :return: a list with at least one verdict, or an empty one where there is no GPU and the inventory does not say either.
    """
    gpu, wanted = detect(evidence["nvidia"]), intent.get("gpu") or ""
    disagreement = _hardware(gpu, evidence["nvidia"], wanted)
    if disagreement:
        return disagreement
    if gpu.kind == NONE:
        return [passed(CHECK, describe(gpu), "gpu: none")] if wanted else []
    if not wanted:
        return [passed(CHECK, f"{describe(gpu)}; the inventory does not say gpu", "nothing: the GPU is left alone")]
    verdicts = _tegra(gpu) if wanted == TEGRA else _driver(gpu, evidence, intent)
    return verdicts or [passed(CHECK, f"{describe(gpu)}{_state(gpu)}", f"gpu: {wanted}")]


def _state(gpu):
    driver = gpu.driver
    return f", driver {driver.loaded} ({driver.module})" if driver.loaded and driver.module else ""


def _hardware(gpu, nvidia, wanted):
    if wanted and wanted not in KINDS:
        return [failed(CHECK, f"gpu: {wanted}", f"gpu: {', '.join(KINDS)}", "Correct gpu of this node in the inventory.")]
    if wanted in ("", *gpu.kinds) or wanted == gpu.kind:
        return []
    found = describe(gpu)
    if wanted == NONE:
        return [warned(CHECK, found, "gpu: none, as the inventory says",
                       f"Set gpu: {gpu.kind} for this node in the inventory, or leave the GPU unused.")]
    if gpu.kind == NONE:
        audio = [entry["slot"] for entry in nvidia.get("pci", ()) if entry["class"].startswith("0x0403")]
        if audio:
            found += f"; only the sound function of one ({audio[0]}): the GPU itself is off or passed on"
        look = "lspci -nn -d 10de:" if wanted == DGPU else "cat /etc/nv_tegra_release /proc/device-tree/model"
        cause = "the card's seat and power, and that the firmware does not switch it off" if wanted == DGPU else \
            "that the address is that of the Jetson, and that its system is Jetson Linux"
        return [failed(CHECK, found, f"gpu: {wanted}, as the inventory says",
                       f"Set gpu: none for this node in the inventory; or find out where the GPU is ({look}): check {cause}.")]
    return [failed(CHECK, found, f"gpu: {wanted}, as the inventory says",
                   f"Set gpu: {gpu.kind} for this node in the inventory, or correct its address.")]


# --- cards -----------------------------------------------------------------------------------------------------------


def _driver(gpu, evidence, intent):
    policy = intent.get("gpu_driver") or "verify"
    if policy not in POLICIES:
        return [failed(CHECK, f"nvidia_runtime_driver: {policy}", ", ".join(POLICIES), "Correct nvidia_runtime_driver.")]
    if policy == "skip":
        return [passed(CHECK, f"{describe(gpu)}; its driver is not looked at", "nvidia_runtime_driver: skip")]
    if policy == "install":
        return _install(gpu, intent)
    verdicts = [_VERIFY[problem](gpu, evidence) for problem in gpu.problems if problem in _VERIFY]
    # While the kernel's own driver holds the card, that the other is not loaded needs no line of its own.
    return verdicts[:1] if "nouveau" in gpu.problems else verdicts


def _install(gpu, intent):
    packages = intent.get("gpu_driver_packages") or []
    dkms = sorted(name for name in packages if generations.builds_module(name))
    needed = set(gpu.problems) & INSTALLABLE
    if needed and gpu.driver.secure_boot and (dkms or (gpu.driver.dkms and not packages)):
        what = ", ".join(dkms) or "the DKMS packages that are installed"
        return [failed(CHECK, f"Secure Boot is on, and {what} would build an unsigned kernel module", "a module that boots",
                       "Take the distribution's signed modules (Ubuntu: linux-modules-nvidia-<branch>-server-open-generic) "
                       "in nvidia_runtime_driver_packages, or switch Secure Boot off in the firmware: a key can only be "
                       "enrolled at the console.")]
    if needed:
        reboot = "; nouveau gives way after a reboot" if "nouveau" in gpu.problems else ""
        return [passed(CHECK, f"{describe(gpu)}; the driver will be installed{reboot}", "nvidia_runtime_driver: install")]
    if "reboot_pending" in gpu.problems:
        return [warned(CHECK, _pending(gpu), WANTED_DRIVER, "The step nvidia_runtime reboots the host where it is allowed to; "
                       "by hand: systemctl reboot")]
    return []


def _nouveau(gpu, _evidence):
    return failed(
        CHECK, "nouveau is loaded and holds the GPU", WANTED_DRIVER,
        "printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' > /etc/modprobe.d/nouveau-off.conf; update-initramfs -u "
        "(RHEL: dracut --force); install the driver; systemctl reboot. Or set nvidia_runtime_driver: install.")


def _missing(gpu, evidence):
    return failed(CHECK, f"{describe(gpu)} without a driver", WANTED_DRIVER,
                  f"{_how_to_install(gpu, evidence)}; systemctl reboot. Or set nvidia_runtime_driver: install.")


def _how_to_install(gpu, evidence):
    """The command for this system and this generation: the packages with signed modules where there are such."""
    release = evidence.get("os", {})
    family = f"{release.get('id', '')} {release.get('id_like', '')}".split()
    old = bool(gpu.generation) and not generations.takes_open(gpu.generation)
    if "ubuntu" in family:
        flavour = "580-server" if old else "580-server-open"
        return (f"apt-get install nvidia-headless-no-dkms-{flavour} linux-modules-nvidia-{flavour}-generic "
                f"nvidia-utils-580-server")
    if "debian" in family:
        return "apt-get install linux-headers-$(uname -r) nvidia-driver nvidia-smi (component non-free)" + \
            ("; Blackwell needs branch 570 or later with open modules, from NVIDIA's repository" if
             generations.needs_open(gpu.generation) else "")
    if "rhel" in family or "fedora" in family:
        stream = "580-dkms" if old else "open-dkms"
        return f"dnf module install nvidia-driver:{stream} (RHEL 10: dnf install nvidia-driver-cuda kmod-nvidia-open-dkms)"
    return f"Install the NVIDIA driver, {'branch 580, proprietary modules' if old else 'branch 580 or later, open modules'}"


def _not_loaded(gpu, _evidence):
    secure = " Secure Boot is on: a module without a signature is refused (dmesg: Key was rejected by service); take signed " \
             "modules or enrol the key at the console." if gpu.driver.secure_boot else ""
    return failed(CHECK, f"the driver {gpu.driver.installed} is installed and not loaded", WANTED_DRIVER,
                  f"modprobe nvidia; if it refuses, dmesg says why.{secure}")


def _unfit(gpu, _evidence):
    branch = generations.branch_of(gpu.driver.loaded or gpu.driver.installed)
    reasons = (generations.unfit(device.generation, branch, gpu.driver.module) for device in gpu.devices)
    reason = next(text for text in reasons if text)
    return failed(CHECK, reason, "a driver for this GPU",
                  "Install one that fits: branch 580 with proprietary modules for Maxwell, Pascal and Volta; open modules from "
                  "branch 570 on for Blackwell; hold it (apt-mark hold) so that no upgrade takes it away.")


def _pending(gpu):
    return f"the driver {gpu.driver.loaded} runs, {gpu.driver.installed} is installed: a reboot is pending"


def _reboot(gpu, _evidence):
    return failed(CHECK, _pending(gpu), WANTED_DRIVER,
                  "systemctl reboot; and keep unattended upgrades off the driver: apt-mark hold $(dpkg-query -W "
                  "-f '${Package} ' 'nvidia-*' 'libnvidia-*')")


def _no_userspace(gpu, evidence):
    branch = generations.branch_of(gpu.driver.loaded or gpu.driver.installed)
    ubuntu = "ubuntu" in evidence.get("os", {}).get("id", "")
    command = f"apt-get install nvidia-utils-{branch}-server libnvidia-compute-{branch}-server" if ubuntu else \
        "Install the driver's libraries (Debian: nvidia-smi libcuda1; RHEL: nvidia-driver-cuda)"
    return failed(CHECK, "the driver's libraries are missing (no libnvidia-ml.so.1)", WANTED_DRIVER, f"{command}; ldconfig")


def _userspace_unknown(_gpu, _evidence):
    return inconclusive(CHECK, "ldconfig did not answer, and no libnvidia-ml.so.1 lies where it usually does", WANTED_DRIVER,
                        "On the host: ldconfig -p | grep libnvidia-ml.so.1")


def _userspace_differs(gpu, _evidence):
    kernel = gpu.driver.installed or gpu.driver.loaded
    return failed(CHECK, f"kernel module {kernel}, libraries {gpu.driver.userspace}", WANTED_DRIVER,
                  f"Install both at one version (apt-get install --fix-broken; apt list --installed '*nvidia*' shows what "
                  f"differs from {kernel}), then systemctl reboot. A driver of a .run file beside packages has to go: "
                  f"nvidia-uninstall")


_VERIFY = {
    "nouveau": _nouveau, "driver_missing": _missing, "driver_not_loaded": _not_loaded, "driver_unfit": _unfit,
    "reboot_pending": _reboot, "userspace_missing": _no_userspace, "userspace_unknown": _userspace_unknown,
    "userspace_mismatch": _userspace_differs,
}


# --- Tegra -----------------------------------------------------------------------------------------------------------


def _tegra(gpu):
    """A Jetson's driver is part of its system: whatever the policy, it is looked at and never touched."""
    return [_TEGRA[problem](gpu) for problem in gpu.problems if problem in _TEGRA]


def _l4t_unknown(gpu):
    return failed(CHECK, f"{gpu.model or 'a Tegra'} without /etc/nv_tegra_release", "the release of Jetson Linux",
                  "apt-get install --reinstall nvidia-l4t-core; a system that is not Jetson Linux has no driver for this GPU: "
                  "flash the board with JetPack.")


def _l4t_too_old(gpu):
    return failed(CHECK, f"L4T {gpu.l4t}", f"L4T {'.'.join(str(part) for part in generations.OLDEST_L4T)} or later",
                  "Flash the board with the newest JetPack that it takes (Nano, TX2: 4.6.6; Xavier: 5.1.5; Orin: 6.2 or later).")


def _l4t_old(gpu):
    return warned(CHECK, f"{describe(gpu)}: no longer maintained, with cgroup v1 and its CUDA inside the system",
                  "L4T 35 or later where the board takes it",
                  "Xavier: flash JetPack 5.1.5. Nano and TX2 end here: use images built for this L4T release, and K3s 1.34.")


def _libcuda_missing(gpu):
    return failed(CHECK, f"L4T {gpu.l4t or '?'} without libcuda.so.1", "the driver's library where the linker finds it",
                  "apt-get install --reinstall nvidia-l4t-cuda nvidia-l4t-core; ldconfig; then: ldconfig -p | grep libcuda.so.1 "
                  "(L4T 39 keeps it in /usr/lib/aarch64-linux-gnu/nvidia)")


def _libcuda_dangling(gpu):
    return failed(CHECK, f"L4T {gpu.l4t or '?'}: libcuda.so.1 is a link to a file that is not there",
                  "the driver's library where the linker finds it", "apt-get install --reinstall nvidia-l4t-cuda; ldconfig")


_TEGRA = {
    "l4t_unknown": _l4t_unknown, "l4t_too_old": _l4t_too_old, "l4t_old": _l4t_old, "libcuda_missing": _libcuda_missing,
    "libcuda_dangling": _libcuda_dangling,
}
