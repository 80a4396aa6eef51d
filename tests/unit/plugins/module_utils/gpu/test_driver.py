# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the policy install does, and which choices of packages it refuses."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import driver
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.detect import Device, Driver, Gpu


def card(generation="ada", problems=(), **state):
    return Gpu(kind="dgpu", kinds=("dgpu",), devices=(Device("0000:01:00.0", "0x27b8", generation, "", ""),),
               generation=generation, driver=Driver(**state), problems=problems)


MISSING = ("driver_missing",)


@pytest.mark.parametrize(("gpu", "policy", "packages", "blacklisted", "expected"), [
    (card(), "verify", ["nvidia-open"], False, ((), False)),
    (card(), "skip", ["nvidia-open"], False, ((), False)),
    # A run with another policy does not take the file of an earlier one away.
    (card(), "verify", [], True, ((), True)),
    (card(problems=MISSING), "install", ["nvidia-open"], False, (("nvidia-open",), False)),
    (card(problems=("nouveau", "driver_missing")), "install", ["nvidia-open"], False, (("nvidia-open",), True)),
    (card(loaded="580.95.05", installed="580.95.05"), "install", [], False, ((), False)),
    (Gpu(kind="tegra", kinds=("tegra",)), "install", ["nvidia-open"], False, ((), False)),
])
def test_plan(gpu, policy, packages, blacklisted, expected):
    assert tuple(driver.plan(gpu, policy, packages, blacklisted)) == expected


@pytest.mark.parametrize(("gpu", "packages", "message"), [
    (card(problems=MISSING), [], "nvidia_runtime_driver_packages is empty"),
    (card(secure_boot=True), ["nvidia-dkms-580-open"], "Secure Boot"),
    (card("pascal"), ["nvidia-open"], "do not drive pascal"),
    (card("pascal"), ["linux-modules-nvidia-590-server-generic"], "branch 590 no longer drives pascal"),
    (card("blackwell"), ["cuda-drivers"], "blackwell GPUs need the open"),
    (card("blackwell"), ["nvidia-headless-550-server-open"], "branch 550 does not know blackwell"),
])
def test_refusals(gpu, packages, message):
    with pytest.raises(driver.Refused, match=message):
        driver.plan(gpu, "install", packages, False)


@pytest.mark.parametrize(("generation", "packages"), [
    ("pascal", ["nvidia-headless-580-server", "libnvidia-compute-580-server", "nvidia-utils-580-server"]),
    ("blackwell", ["nvidia-headless-580-server-open", "libnvidia-compute-580-server"]),
    ("ada", ["linux-modules-nvidia-580-server-open-generic", "nvidia-headless-no-dkms-580-server-open"]),
    ("", ["cuda-drivers"]),
])
def test_choices_that_fit(generation, packages):
    assert driver.plan(card(generation, secure_boot=True), "install", packages, False).packages == tuple(packages)


@pytest.mark.parametrize(("gpu", "reason"), [
    (card(loaded="580.95.05", installed="580.95.05"), ""),
    (card(loaded="570.10.01", installed="580.95.05"), "570.10.01 is loaded, 580.95.05 is installed"),
    (card(installed="580.95.05", nouveau=True), "nouveau holds"),
    (card(nouveau=True), ""),
    (card(installed="580.95.05"), ""),
    (Gpu(kind="tegra", driver=Driver(loaded="1", installed="2")), ""),
])
def test_reboot_reasons(gpu, reason):
    found = driver.reboot_reasons(gpu)
    assert (found == []) if not reason else (len(found) == 1 and reason in found[0])
