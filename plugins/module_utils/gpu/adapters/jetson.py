# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power mode and clocks of a Jetson, set where they differ. ``act`` and ``host`` are those of ``runtime.Runtime``."""
from __future__ import annotations

import os

from ansible_collections.edgeai.sites.plugins.module_utils.containerd.adapters.configuration import Refused
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import power
from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import passed, warned
from ansible_collections.edgeai.sites.plugins.module_utils.packages.tool import Failed

SECONDS = 60


def wanted_mode(host, mode):
    """``(current, wanted)`` power.Mode; raises Refused before anything is changed."""
    current = power.current_mode(_run(host, "nvpmodel", "-q"))
    if current is None:
        raise Refused("nvpmodel -q does not say the mode. Look at it on the host, or set nvidia_runtime_nvpmodel_mode: ''")
    try:
        return current, power.find_mode(mode, power.modes(host.read(power.NVPMODEL_CONF, 1024 * 1024)))
    except power.PowerError as error:
        raise Refused(str(error))


def set_mode(host, act, pair, check_mode):
    """The verdict on the power mode after it was set. nvpmodel has no input, so its question about a reboot stays unanswered."""
    current, wanted = pair
    if current.number == wanted.number:
        return passed("gpu_power_mode", str(current), str(wanted))
    if not check_mode:
        code, output = host.run("nvpmodel", "-m", wanted.number, timeout=SECONDS)
        now = power.current_mode(_run(host, "nvpmodel", "-q"))
        if now is None or now.number != wanted.number:
            if not power.wants_reboot(output):
                raise Failed("nvpmodel -m %s left the mode at %s (%s): %s" % (
                    wanted.number, str(now), code, " / ".join(output.strip().splitlines()[-3:]) or "no output"))
            return warned(
                "gpu_power_mode", "mode %s" % str(now), "mode %s, which nvpmodel sets with a reboot only" % str(wanted),
                "When the host may reboot, run there: nvpmodel -m %s, and answer YES" % wanted.number)
    act("power_mode", str(wanted), "it is %s" % str(current), None)
    return passed("gpu_power_mode", str(wanted), str(wanted))


def set_clocks(host, act, locked):
    """The verdict on the clocks after they were locked at their highest, or given back."""
    now = power.clocks_locked(_run(host, "jetson_clocks", "--show"))
    words = {True: "locked at their highest", False: "free", None: "unknown"}
    if now is None:
        return warned("gpu_clocks", "clocks unknown", words[locked], "jetson_clocks --show does not say; set nvidia_runtime_jetson_clocks: keep")
    if now != locked and not locked and not host.exists(power.STORE):
        return warned("gpu_clocks", "clocks %s, by somebody else" % words[now], words[locked], "Reboot the host: jetson_clocks ends with it")
    if now != locked:
        act("clocks", "GPU and processors", "they are %s" % words[now], lambda: _lock(host) if locked else _free(host))
    return passed("gpu_clocks", words[locked], words[locked])


def _lock(host):
    # What is stored once are the clocks from before the first time; later ones may be locked already.
    if not host.exists(power.STORE):
        os.makedirs(os.path.dirname(host.path(power.STORE)), mode=0o755, exist_ok=True)
        _run(host, "jetson_clocks", "--store", power.STORE)
    _run(host, "jetson_clocks")


def _free(host):
    _run(host, "jetson_clocks", "--restore", power.STORE)
    os.unlink(host.path(power.STORE))


def _run(host, *argv):
    code, output = host.run(*argv, timeout=SECONDS)
    if code == 127:
        raise Refused("Found: no %s on this host. Wanted: that of JetPack (package nvidia-l4t-tools or nvidia-l4t-nvpmodel). Remedy: "
                      "install it, or set nvidia_runtime_nvpmodel_mode: '' and nvidia_runtime_jetson_clocks: keep" % argv[0])
    if code:
        raise Failed("%s failed (%s): %s" % (" ".join(argv), code, " / ".join(output.strip().splitlines()[-3:]) or "no output"))
    return output
