# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the GPU of a running node healthy? Pure: what the driver, the kernel log and the sensors said goes in, verdicts come out.

Nothing that was not looked at counts as healthy: a source that is missing is ``inconclusive``.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from ansible_collections.edgeai.sites.plugins.module_utils.gpu.detect import DGPU, NONE, TEGRA, describe, detect
from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import (
    REFUSING, failed, inconclusive, make, passed, warned)

#: ``nvidia-smi --query-gpu=<SMI_QUERY> --format=csv,noheader,nounits`` is what ``parse_smi`` reads.
SMI_QUERY = (
    "pci.bus_id,name,temperature.gpu,clocks_throttle_reasons.active,ecc.errors.uncorrected.volatile.total,"
    "ecc.errors.corrected.volatile.total")

#: Without a limit that the device tells. Cards slow down at 83 to 95 degrees, Tegras at 95 to 99.
HOT_CELSIUS = {DGPU: 85, TEGRA: 90}
#: Bits of the reasons for slower clocks that mean trouble; idle, power cap and settings of people do not.
THERMAL_BITS = 0x20 | 0x40
POWER_BITS = 0x8 | 0x80

_REBOOT = "Drain the node and reboot it (systemctl reboot). "
_APP = "An error of the workload more often than of the card: look at the pod named there, update or roll back its model. "
_REPLACE = "If it comes back, replace the card."
#: code -> (what it means, warn or fail, what to do). Others are warnings.
XIDS = {
    13: ("exception in a running kernel", "warn", _APP),
    31: ("memory page fault", "warn", _APP),
    32: ("corrupted command stream", "warn", f"{_APP}Then check the PCIe seat."),
    43: ("the work of one process was stopped", "warn", _APP),
    45: ("the work of one process was removed", "warn", "Follows another error or an end; look at the line before."),
    48: ("double bit error in memory", "fail", f"{_REBOOT}{_REPLACE}"),
    61: ("the card's power controller stopped", "fail", f"{_REBOOT}{_REPLACE}"),
    62: ("the card's power controller halted", "fail", f"{_REBOOT}{_REPLACE}"),
    63: ("a bad memory page or row is marked for replacement", "warn", "Reboot in the next window: only then is it replaced."),
    64: ("a bad memory page or row could not be replaced", "fail", "Replace the card."),
    69: ("class error in a running kernel", "warn", _APP),
    74: ("error on an NVLink", "fail", f"{_REBOOT}Check the bridge between the cards. {_REPLACE}"),
    79: ("the card has fallen off the bus", "fail",
         "Power the host off and on; check the card's power cable, seat and cooling, and PCIe power management "
         f"(kernel argument pcie_aspm=off). {_REPLACE}"),
    92: ("many single bit errors in memory", "warn", _REPLACE),
    94: ("memory error, contained: only the process that met it was stopped", "warn",
         "Restart the workload, and reboot in the next window so that the row is replaced."),
    95: ("memory error, not contained: every process on the card is hit", "fail", f"{_REBOOT}{_REPLACE}"),
    109: ("a context did not give way in time", "warn", _APP),
    110: ("security fault in the card", "fail", f"{_REBOOT}{_REPLACE}"),
    119: ("the card's GSP did not answer in time", "fail",
          f"{_REBOOT}If it comes back, move to another driver release of the same branch."),
    120: ("error in the card's GSP", "fail", f"{_REBOOT}If it comes back, move to another driver release of the same branch."),
    140: ("memory error that could not be corrected", "fail", f"{_REBOOT}{_REPLACE}"),
    143: ("the card could not be initialised", "fail", f"{_REBOOT}{_REPLACE}"),
    154: ("the driver asks for a recovery", "fail", _REBOOT),
    157: ("a bad part could not be retired", "fail", "Replace the card."),
    158: ("the card did not answer in time", "fail", f"{_REBOOT}{_REPLACE}"),
    171: ("memory error in DRAM that could not be corrected", "fail", f"{_REBOOT}{_REPLACE}"),
    172: ("memory error in SRAM that could not be corrected", "fail", f"{_REBOOT}{_REPLACE}"),
}
CATALOG = "Look the number up in NVIDIA's Xid catalog (docs.nvidia.com/deploy/xid-errors)."
#: Errors that a Tegra's driver writes instead of Xids.
_NVGPU = re.compile(r"nvgpu: .*?\b(gk20a|gv11b|ga10b|gb10b|gr|mmu|fifo)\w*.*?\b(fault|timeout|error|exception)\b", re.I)
_XID = re.compile(r"NVRM: Xid \(([^)]*)\): (\d+),?\s*(.*)")


@dataclass(frozen=True)
class Xid:
    """One line of the kernel log. ``device`` is ``PCI:0000:01:00`` and the like."""

    code: int
    device: str
    text: str


@dataclass(frozen=True)
class Reading:
    """What sensors say of one GPU; None where they do not.

    slot:        PCI slot, or the name of a Tegra's thermal zone.
    celsius:     temperature.
    limit:       temperature at which the device slows down, when it tells.
    throttle:    bits of the reasons for slower clocks, as NVML has them.
    uncorrected: memory errors since the driver was loaded that could not be corrected.
    corrected:   those that could.
    """

    slot: str
    celsius: Optional[float] = None
    limit: Optional[float] = None
    throttle: Optional[int] = None
    uncorrected: Optional[int] = None
    corrected: Optional[int] = None


def parse_xids(log):
    """The Xids of a kernel log (``journalctl -k -b`` or ``dmesg``), in its order."""
    return [Xid(int(match.group(2)), match.group(1), match.group(3).strip()) for match in _XID.finditer(log)]


def parse_smi(text):
    """Readings out of the answer of ``nvidia-smi`` to ``SMI_QUERY``; lines of another shape are left out."""
    readings = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 6 and re.match(r"[0-9A-Fa-f]+:[0-9A-Fa-f]{2}:", fields[0]):
            readings.append(Reading(
                slot=fields[0].lower(), celsius=_number(fields[2]), throttle=_number(fields[3]),
                uncorrected=_number(fields[4]), corrected=_number(fields[5])))
    return readings


def parse_thermal(zones):
    """Readings of a Tegra out of ``[(type, temp)]`` of /sys/class/thermal, in thousandths of a degree; only GPU zones.

    An engine that is switched off says -256 degrees or nothing.
    """
    readings = []
    for name, value in zones:
        number = _number(str(value).strip())
        if "gpu" in name.lower() and number is not None and number > -100000:
            readings.append(Reading(slot=name, celsius=number / 1000.0))
    return readings


def _number(text):
    """A number of decimal or hexadecimal text; None for ``[N/A]`` and the like."""
    try:
        return int(text, 0)
    except ValueError:
        return None


def judge_health(evidence, intent, kernel_log=None, readings=None, allocatable=None):
    """Verdicts on the GPU of one node.

    :param evidence: of ``host_probe``, with the part ``nvidia``.
    :param intent: ``gpu`` as in ``verdicts``; a node that is to have none is not looked at.
    :param kernel_log: text of the kernel log since the boot; None when it could not be read.
    :param readings: list of ``Reading``; None when no sensor could be asked.
    :param allocatable: ``nvidia.com/gpu`` that the node offers; None where nobody asked the cluster.
    :return: verdicts with the checks ``gpu_present``, ``gpu_driver``, ``gpu_cdi``, ``gpu_errors``, ``gpu_memory``,
        ``gpu_temperature``, ``gpu_allocatable``.
    """
    wanted = intent.get("gpu") or NONE
    if wanted == NONE:
        return []
    gpu = detect(evidence["nvidia"])
    if wanted not in gpu.kinds:
        return [failed("gpu_present", describe(gpu), f"gpu: {wanted}",
                       "Look at the kernel log for Xid 79 (fallen off the bus), power the host off and on, check the card's seat "
                       "and power.")]
    verdicts = [passed("gpu_present", describe(gpu), f"gpu: {wanted}")]
    if wanted == DGPU:
        verdicts += [_driver(gpu), _cdi(gpu, evidence["nvidia"])]
    verdicts += _errors(kernel_log, wanted) + _sensors(readings, wanted)
    if allocatable is not None:
        verdicts.append(_allocatable(allocatable))
    return verdicts


def healthy(verdicts):
    """Whether nothing is known to be wrong. What could not be seen is no failure, and no verdict at all is no health."""
    return bool(verdicts) and not any(entry["verdict"] in REFUSING for entry in verdicts)


def message(words, verdicts):
    """One line when all is well, and what is wrong verdict by verdict when not. ``words`` say which GPU it is."""
    bad = [entry for entry in verdicts if entry["verdict"] in REFUSING]
    if not bad:
        return f"{words}: nothing is wrong, as far as could be seen"
    lines = [f"{words}: not healthy ({', '.join(sorted({entry['check'] for entry in bad}))})"]
    return "\n".join(lines + [f"  {entry['check']}: found {entry['found']}, wanted {entry['wanted']}. To do: {entry['remedy']}"
                              for entry in bad])


def _driver(gpu):
    driver, wanted = gpu.driver, "kernel module and libraries of one version"
    found = f"kernel module {driver.loaded or 'not loaded'}, libraries {driver.userspace or 'not found'}"
    if driver.loaded and driver.loaded == driver.userspace:
        if driver.installed in ("", driver.loaded):
            return passed("gpu_driver", found, wanted)
        return warned("gpu_driver", f"{found}; {driver.installed} is installed", wanted,
                      "Reboot in the next window: systemctl reboot")
    return failed("gpu_driver", found, wanted,
                  "Drain the node and reboot it. Keep upgrades off the driver (apt-mark hold); preflight names the packages.")


def _cdi(gpu, nvidia):
    specifications = [entry for entry in nvidia.get("cdi", ()) if entry.get("kind") == "nvidia.com/gpu"]
    devices = sorted({name for entry in specifications for name in entry.get("devices", ())} - {"all"})
    wanted = f"{len(gpu.devices)} GPUs in the CDI specifications"
    refresh = "systemctl restart nvidia-cdi-refresh.service; nvidia-ctk cdi list"
    old = sorted({entry.get("driver", "") for entry in specifications} - {"", gpu.driver.loaded})
    if old and gpu.driver.loaded:
        paths = ", ".join(entry["path"] for entry in specifications)
        return failed("gpu_cdi", f"a specification is for driver {', '.join(old)}, loaded is {gpu.driver.loaded}", wanted,
                      f"{refresh}; remove what somebody left in /etc/cdi ({paths})")
    # The toolkit names a card twice, by its number and by its UUID.
    by_uuid = sum(name.startswith(("GPU-", "MIG-")) for name in devices)
    if max(by_uuid, len(devices) - by_uuid) < len(gpu.devices):
        return failed("gpu_cdi", f"{', '.join(devices) or 'no device'} in {len(specifications)} specifications", wanted, refresh)
    return passed("gpu_cdi", ", ".join(devices), wanted)


def _errors(log, kind):
    wanted = "no error of the GPU since the boot"
    if log is None:
        return [inconclusive("gpu_errors", "the kernel log could not be read", wanted,
                             "On the host: journalctl -k -b -g 'NVRM|nvgpu'")]
    by_code = {}
    for xid in parse_xids(log):
        by_code.setdefault((xid.code, xid.device), []).append(xid)
    verdicts = []
    for (code, device), lines in sorted(by_code.items()):
        meaning, verdict, remedy = XIDS.get(code, ("not in the table of this collection", "warn", CATALOG))
        times = f", {len(lines)} times" if len(lines) > 1 else ""
        last = f" ({lines[-1].text[:120]})" if lines[-1].text else ""
        verdicts.append(make("gpu_errors", verdict, f"Xid {code} on {device}{times}: {meaning}{last}", wanted, remedy.strip()))
    faults = [line for line in log.splitlines() if _NVGPU.search(line)] if kind == TEGRA else []
    if faults:
        verdicts.append(warned("gpu_errors", f"{len(faults)} errors of nvgpu, the last: {faults[-1][-160:]}", wanted,
                               f"{_APP}If they go on after a reboot, reflash or replace the module."))
    return verdicts or [passed("gpu_errors", "none", wanted)]


def _sensors(readings, kind):
    if not readings:
        # A Tegra with its GPU at rest shows no temperature of it.
        look = "nvidia-smi" if kind == DGPU else "grep . /sys/class/thermal/thermal_zone*/type; tegrastats"
        return [inconclusive("gpu_temperature", "no sensor was read", "readings of the GPU's sensors", f"On the host: {look}")]
    verdicts = []
    for reading in readings:
        verdicts += _memory(reading) + _temperature(reading, kind)
    return verdicts


def _memory(reading):
    wanted = "no memory error that could not be corrected"
    if reading.uncorrected is None:
        return []  # a card without ECC, or a Tegra
    if reading.uncorrected:
        return [failed("gpu_memory", f"{reading.uncorrected} on {reading.slot}", wanted, f"{_REBOOT}{_REPLACE}")]
    corrected = f", {reading.corrected} corrected" if reading.corrected else ""
    return [passed("gpu_memory", f"none on {reading.slot}{corrected}", wanted)]


def _temperature(reading, kind):
    limit = reading.limit or HOT_CELSIUS[kind]
    wanted, found = f"below {limit:.0f} degrees and not slowed down", f"{reading.slot}: "
    if reading.celsius is None and reading.throttle is None:
        return [inconclusive("gpu_temperature", f"{found}not told", wanted,
                             "On the host: nvidia-smi -q -d TEMPERATURE,PERFORMANCE")]
    found += f"{reading.celsius:.0f} degrees" if reading.celsius is not None else "temperature not told"
    cool = "Clean the filters and fans, check the air flow and the temperature of the cabinet."
    throttle = reading.throttle or 0
    if throttle & THERMAL_BITS:
        return [warned("gpu_temperature", f"{found}, slowed down by heat", wanted, cool)]
    if throttle & POWER_BITS:
        return [warned("gpu_temperature", f"{found}, slowed down by the hardware (power brake)", wanted,
                       f"Check the power supply and the card's power cables. {cool}")]
    if reading.celsius is not None and reading.celsius >= limit:
        return [warned("gpu_temperature", found, wanted, cool)]
    return [passed("gpu_temperature", found, wanted)]


def _allocatable(count):
    wanted = "nvidia.com/gpu offered to pods"
    if count > 0:
        return passed("gpu_allocatable", str(count), wanted)
    return failed("gpu_allocatable", "0", wanted,
                  "Look at the device plugin's pod on the node (kubectl get pods -A -o wide | grep nvidia-device-plugin), and run "
                  "gpu_resources for the site again.")
