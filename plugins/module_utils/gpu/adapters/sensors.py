# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel log and the sensors of a host say of its GPU. Reads only; every program has a deadline and a limit."""
from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.gpu import health
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.detect import TEGRA

LINES = "2000"
JOURNAL = ("journalctl", "-k", "-b", "-q", "-o", "short-monotonic", "--no-pager")
OF_A_GPU = "NVRM|nvgpu"
#: The end of the ring buffer: what a host reads of a program is its beginning. The words of a refusal are no log.
DMESG = ("sh", "-c", "dmesg 2>/dev/null | tail -c 240000")
#: A driver in trouble may keep nvidia-smi waiting.
SMI_SECONDS = 30
THERMAL = "/sys/class/thermal"


def kernel_log(host):
    """The newest lines of this boot's kernel log, in their order; None where it cannot be read.

    Of the journal only the lines on GPUs, where journalctl can look for them: an error of last week is not pushed out by what
    a busy host has logged since.
    """
    code, some = host.run(*JOURNAL, "-n", "1")
    if code or not some.strip():
        code, text = host.run(*DMESG)
        return text if code == 0 and text.strip() else None
    newest_first = JOURNAL + ("--reverse", "-n", LINES)
    code, text = host.run(*newest_first, "-g", OF_A_GPU, timeout=30)
    if code and text.strip():  # built without patterns; with them, 1 and no word is no match
        code, text = host.run(*newest_first, timeout=30)
        if code:
            return None
    return "".join(line + "\n" for line in reversed(text.splitlines()))


def readings(host, kind):
    """``[health.Reading]`` of the GPUs of ``kind``; None where no sensor could be asked."""
    if kind == TEGRA:
        names = [name for name in host.names(THERMAL, 256) if name.startswith("thermal_zone")]
        return health.parse_thermal([(_text(host, name, "type"), _text(host, name, "temp")) for name in names])
    code, text = host.run(
        "nvidia-smi", "--query-gpu=" + health.SMI_QUERY, "--format=csv,noheader,nounits", timeout=SMI_SECONDS)
    return health.parse_smi(text) if code == 0 else None


def _text(host, zone, name):
    """A zone whose engine is switched off refuses to be read."""
    try:
        return (host.read("%s/%s/%s" % (THERMAL, zone, name), 256) or "").strip()
    except OSError:
        return ""
