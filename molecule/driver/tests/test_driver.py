"""A card whose driver comes from the bundle: complete after one run, refused with a remedy, rebooted only when that is allowed.

Tests leave the host as the scenario's converge made it: with the driver of the bundle installed and loaded.
"""
from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from scenario import Scenario, lab, reboot, run, wait_until

SCENARIO = Scenario(__file__)
CARD = "driver-server"
PACKAGES = SCENARIO.fleet["vars"]["nvidia_runtime_driver_packages"]
LIBRARIES, DRIVER, DRIVER_VERSION = "libnvidia-compute-580-server", "580.95.05", "580.95.05-0ubuntu0.24.04.2"
BASE, VERSION = "nvidia-container-toolkit-base", "1.20.0-1"
FOLDER = "/var/lib/edgeai/packages"
APPLY, FINISH = "Bring the NVIDIA runtime to what is wanted", "Finish the NVIDIA runtime with the new driver"
REFUSE, REBOOT = "Refuse to go on without the reboot that is needed", "Reboot into the new driver"
SETTINGS, RESTART = "Set the safe defaults and the settings of this site", "Restart k3s"
BLACKLIST, SPEC, CONFIG = "/etc/modprobe.d/edgeai-nouveau.conf", "/var/run/cdi/nvidia.yaml", "/etc/nvidia-container-runtime/config.toml"
# Of another release, as a colleague or a power cut would leave it: `{package}` repacked after `{change}`, which runs in its tree.
REPACKED = ("set -e; d=$(mktemp -d); dpkg-deb -R {folder}/{package}_{version}_amd64.deb $d/p; cd $d/p; {change}; cd /; "
            "dpkg-deb -b $d/p {into}")


def site(*arguments, **variables):
    return SCENARIO.play("converge.yml", *arguments, variables=variables)


def runtime(*arguments, **variables):
    """The step nvidia_runtime alone."""
    return SCENARIO.play("edgeai.sites.nvidia_runtime", *arguments, variables=variables)


def kinds(done):
    return [action["kind"] for action in done.one(APPLY, CARD)["actions"]]


def loaded(card):
    found = re.search(r"  (\d+\.\d+(?:\.\d+)?)  ", card.run("cat /proc/driver/nvidia/version").stdout)
    return found.group(1) if found else ""


def boot_id(card):
    return card.check_output("cat /proc/sys/kernel/random/boot_id")


def statuses(card, *names):
    return {line for line in card.check_output(
        "dpkg-query -W -f '${db:Status-Abbrev} ${Version}\n' " + " ".join(names)).splitlines()}


@pytest.fixture(name="card")
def _card():
    return SCENARIO.host(CARD)


@pytest.fixture(name="bare")
def _bare(card):
    """No package of the driver is there, the hardware as the test says; afterwards as it was before."""
    def break_(word):
        lab("fault", CARD, "gpu", word)
        card.check_output("apt-mark unhold " + " ".join(PACKAGES))
        card.check_output("dpkg --purge " + " ".join(reversed(PACKAGES)))
    yield break_
    lab("fault", CARD, "clear")
    lab("fault", CARD, "gpu", "driver-absent")
    card.check_output(f"rm -f {BLACKLIST}")
    healed = site()
    assert healed.failed == set() and loaded(card) == DRIVER, healed.text


@pytest.fixture(name="powered")
def _powered():
    """A host of the lab that reboots itself stays off; this is what switches it on again."""
    ended = threading.Event()

    def watch():
        while not ended.is_set():
            row = re.search(rf"^\s+{CARD}\s+\S+\s+(\S+)", run("lab/lab", "status").stdout, re.MULTILINE)
            if row and row.group(1) != "running":
                run("lab/lab", "fault", CARD, "power-on")
            ended.wait(0.5)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(watch)
        yield
        ended.set()
        done.result()


def test_it_is_complete(card):
    assert statuses(card, *PACKAGES) == {f"hi  {DRIVER_VERSION}"}
    assert loaded(card) == DRIVER
    assert f"libcuda.so.{DRIVER}" in card.file(SPEC).content_string
    assert '"^libnvidia-"' in card.file("/etc/apt/apt.conf.d/52edgeai-nvidia").content_string
    assert not card.file(BLACKLIST).exists, "nouveau was not there"


def test_a_second_run_changes_nothing_and_is_short():
    again = site()
    assert (again.failed, again.changed, again.of(RESTART)) == (set(), {}, []), again.text
    assert runtime().executions(CARD) == [APPLY, SETTINGS]


def test_after_a_reboot_all_is_as_before(card):
    reboot(CARD)
    wait_until(lambda: SCENARIO.host(CARD).file(SPEC).exists, 30, "the specification after a reboot")
    again = site()
    assert (again.failed, again.changed) == (set(), {}), again.text
    assert loaded(card) == DRIVER


@pytest.mark.parametrize("package", ["nvidia-dkms-580-server-open", "nvidia-dkms-open"])
def test_secure_boot_refuses_a_module_that_nobody_signed(bare, package):
    bare("secure-boot")
    refused = runtime(nvidia_runtime_driver_packages=[package])
    assert (refused.failed, refused.changed) == ({CARD}, {})
    words = ["Secure Boot is on", package, "linux-modules-nvidia-<branch>-server-open-generic", "at the console"]
    assert [word for word in words if word not in refused.error(CARD)] == []


def test_secure_boot_takes_modules_that_are_signed(card, bare):
    bare("secure-boot")
    done = runtime()
    assert done.failed == set() and kinds(done)[:2] == ["install", "hold"] and "load" in kinds(done), done.text
    assert loaded(card) == DRIVER


def test_a_module_that_the_kernel_refuses_is_an_error_with_its_words(card, bare):
    bare("driver-absent")
    lab("fault", CARD, "set", "modprobe", "could not insert 'nvidia': Key was rejected by service")
    refused = runtime()
    assert refused.failed == {CARD}
    assert "Key was rejected by service" in refused.error(CARD) and "signed modules" in refused.error(CARD)


def test_a_packaged_driver_that_the_bundle_does_not_have_is_refused(card, bare):
    bare("driver-absent")
    refused = site(nvidia_runtime_driver_packages=["nvidia-headless-no-dkms-570-server-open"])
    assert refused.failed == {CARD} and "nvidia-headless-no-dkms-570-server-open" in refused.error(CARD)
    assert card.run(f"dpkg-query -W {LIBRARIES}").rc == 1


class TestNouveau:
    def test_a_reboot_that_nobody_allowed_is_asked_for(self, card, bare):
        bare("nouveau")
        before = boot_id(card)
        predicted = runtime("--check")
        assert predicted.failed == set() and {"install", "write"} <= set(kinds(predicted)), predicted.text
        asked = runtime()
        assert asked.failed == {CARD} and asked.of(REBOOT) == []
        assert "nouveau holds the GPU" in asked.error(CARD) and "nvidia_runtime_reboot: true" in asked.error(CARD)
        assert "blacklist nouveau" in card.file(BLACKLIST).content_string
        assert boot_id(card) == before
        # The same again: nothing is left to do but the reboot.
        asked = runtime()
        assert asked.failed == {CARD} and asked.one(APPLY, CARD)["changed"] is False

    def test_with_leave_it_reboots_once_and_the_run_goes_on(self, card, bare, powered):
        bare("nouveau")
        before = boot_id(card)
        done = site(nvidia_runtime_reboot=True)
        assert done.failed == set(), done.text
        assert len(done.of(REBOOT, CARD)) == 1 and len(done.of(FINISH, CARD)) == 1
        assert boot_id(SCENARIO.host(CARD)) != before
        assert loaded(card) == DRIVER and f"libcuda.so.{DRIVER}" in card.file(SPEC).content_string
        again = site(nvidia_runtime_reboot=True)
        assert (again.failed, again.changed, again.of(REBOOT)) == (set(), {}, []), again.text


class TestUpgrade:
    """Driver, toolkit, its configuration and K3s's own are all of before: one reboot, and K3s restarts once."""

    def test_all_of_it_in_one_run(self, card, powered):
        older = "sed -i 's/^Version:.*/Version: 570.10.01-0ubuntu1/' DEBIAN/control; echo 570.10.01 > usr/share/edgelab-driver/version"
        card.run_expect([0], REPACKED.format(folder=FOLDER, package=LIBRARIES, version=DRIVER_VERSION, change=older, into="/tmp/driver.deb")
                        + "; dpkg --force-depends --install /tmp/driver.deb")
        older = "sed -i 's/^Version:.*/Version: 1.17.8-1/' DEBIAN/control"
        card.run_expect([0], REPACKED.format(folder=FOLDER, package=BASE, version=VERSION, change=older, into="/tmp/toolkit.deb")
                        + "; dpkg --install /tmp/toolkit.deb")
        card.run_expect([0], f"sed -i 's/mode = \"cdi\"/mode = \"legacy\"/' {CONFIG}")
        reboot(CARD)
        assert loaded(card) == "570.10.01"
        more = {"flannel-backend": "host-gw", "disable-helm-controller": True, "disable-network-policy": True,
                "disable": ["traefik", "servicelb", "metrics-server", "local-storage", "coredns"]}
        done = site(nvidia_runtime_reboot=True, k3s_config=dict(more, **{"kubelet-arg": ["fail-cgroupv1=false", "max-pods=60"]}))
        assert done.failed == set(), done.text
        assert len(done.of(REBOOT, CARD)) == 1 and len(done.of(RESTART, CARD)) == 1
        assert loaded(card) == DRIVER
        assert statuses(card, *PACKAGES) == {f"hi  {DRIVER_VERSION}"} and statuses(card, BASE) == {f"hi  {VERSION}"}
        assert 'mode = "cdi"' in card.file(CONFIG).content_string
        back = site()
        assert (back.failed, len(back.of(RESTART))) == (set(), 1), back.text
        calm = site()
        assert (calm.failed, calm.changed) == (set(), {}), calm.text


@pytest.mark.parametrize("script", ["preinst", "postinst"])
def test_power_that_fails_in_the_middle_of_a_package_is_made_good(card, script):
    """The package waits in one of its scripts, before or after its files are there, until the host has rebooted; once."""
    path = f"{FOLDER}/{BASE}_{VERSION}_amd64.deb"
    marker = "/var/tmp/in-the-middle"
    waits = (f"[ -e DEBIAN/{script} ] || printf '#!/bin/sh\\n' > DEBIAN/{script}; chmod 755 DEBIAN/{script}; "
             f"sed -i '1a [ -e {marker} ] || {{ touch {marker}; exec sleep 600; }}' DEBIAN/{script}")
    card.check_output(f"rm -f {marker}; apt-mark unhold {BASE}; dpkg --purge {BASE}")
    card.run_expect([0], REPACKED.format(folder=FOLDER, package=BASE, version=VERSION, change=waits, into="/tmp/waits.deb")
                    + f" && mv /tmp/waits.deb {path}")
    with ThreadPoolExecutor(1) as pool:
        # Where a host comes back fast enough, a second try of the connection would finish what was begun.
        cut_off = pool.submit(runtime, ansible_ssh_retries=0)
        wait_until(lambda: card.file(marker).exists or cut_off.done() and cut_off.result().text, 60,
                   "the package in the middle of its installation")
        reboot(CARD)
        assert CARD in cut_off.result().failed
    assert statuses(card, BASE) in ({f"iF  {VERSION}"}, {f"iHR {VERSION}"}, {"iHR "}, {f"iU  {VERSION}"}), statuses(card, BASE)
    healed = site()
    assert healed.failed == set(), healed.text
    assert statuses(card, BASE) == {f"hi  {VERSION}"}
    calm = site()
    assert (calm.failed, calm.changed) == (set(), {}), calm.text
