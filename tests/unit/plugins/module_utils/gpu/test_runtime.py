# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime of a host: from bare to converged, broken in one place at a time, and away again."""
from __future__ import annotations

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import cdi, driver, toolkit_config
from ansible_collections.edgeai.sites.plugins.module_utils.gpu.adapters import runtime
from ansible_collections.edgeai.sites.plugins.module_utils.packages import plan, tool

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu import gpu_host, machines
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.gpu.gpu_host import BASE, GpuHost, V

FIRST = ["install", "hold", "write", "enable", "enable", "start", "refresh"]


@pytest.fixture
def host(tmp_path):
    return gpu_host.card(tmp_path)


@pytest.fixture
def converged(host):
    host.run()
    return host


def test_a_bare_host_is_converged_by_one_run(host):
    one, reboot = host.run()
    assert [action["kind"] for action in one.actions] == FIRST
    assert (one.runtime_changed, reboot) == (True, [])
    assert host.installed == {BASE: ("hi ", V)}
    assert '"^libnvidia-"' in host.text(driver.UPGRADES_FILE)
    assert [verdict["verdict"] for verdict in one.verdicts] == ["pass", "pass"]
    second, _reboot = host.run()
    assert (second.actions, second.diffs, host.ran, second.runtime_changed) == ([], [], [], False)


def test_check_mode_tells_the_same_and_does_nothing(host):
    one, _reboot = host.run(check_mode=True)
    assert [action["kind"] for action in one.actions] == ["install", "hold", "write"]  # the units come with the package
    assert (one.runtime_changed, host.ran, host.installed) == (True, [], {})
    assert host.text(driver.UPGRADES_FILE) is None
    # Not even the artifacts step has run.
    host.machine.remove(f"{gpu_host.PACKAGES}/{BASE}_{V}_amd64.deb")
    assert host.kinds(check_mode=True)[0] == "install"


def test_after_a_reboot_the_specification_is_made_again_only_if_nobody_did(converged):
    converged.reboot()
    assert converged.kinds() == ["refresh"]
    assert converged.kinds() == []


@pytest.mark.parametrize(("state", "expected"), [
    (("iU ", V), ["configure", "hold"]),
    (("iF ", V), ["configure", "hold"]),
    (("iHR", V), ["install", "hold"]),
    (("hi ", "1.17.8-1"), ["install", "hold"]),
    (("ii ", V), ["hold"]),
])
def test_half_done_and_wrong_versions_are_made_good(converged, state, expected):
    converged.installed[BASE] = state
    assert converged.kinds() == expected
    assert converged.installed[BASE] == ("hi ", V)


def test_a_stale_generated_specification_goes_and_a_written_one_is_a_warning(converged):
    stale = gpu_host.SPEC % (gpu_host.LIBRARY % "570.10.01")
    converged.machine.write(cdi.MANUAL, stale)
    one, _reboot = converged.run()
    assert [action["kind"] for action in one.actions] == ["remove_file"] and one.diffs[0]["before"] == stale
    converged.machine.write(cdi.MANUAL, "# of hall 3\n" + stale)
    one, _reboot = converged.run()
    assert one.actions == [] and "warn" in [verdict["verdict"] for verdict in one.verdicts]


def test_a_specification_for_an_older_driver_is_made_again(converged):
    converged.machine.write(cdi.REFRESHED, gpu_host.SPEC % (gpu_host.LIBRARY % "570.10.01"))
    one, _reboot = converged.run()
    assert "for driver 570.10.01, loaded is 580.95.05" in one.actions[0]["reason"]


def test_no_specification_is_an_error_with_a_remedy(host):
    host.makes_spec = False
    with pytest.raises(runtime.Refused, match="there is none.*journalctl -u nvidia-cdi-refresh.service"):
        host.run()


@pytest.mark.parametrize(("make", "params", "message"), [
    (machines.without_gpu, {}, "no NVIDIA GPU.*Set gpu: none"),
    (lambda root: machines.card(root, "0x27b8", version="", installed="", userspace=""), {}, "without a driver"),
    (lambda root: machines.card(root, "0x27b8", installed="580.105.08"), {}, "a reboot is pending"),
    (lambda root: machines.card(root, "0x27b8"), {"gpu": "tegra"}, "Set gpu: dgpu"),
    (lambda root: machines.jetson(root, "NVIDIA Jetson AGX Orin", "tegra234", ("36", "4.3")), {"gpu": "tegra"}, "nvidia-l4t-init"),
])
def test_hosts_that_are_refused_before_anything_changes(tmp_path, make, params, message):
    host = GpuHost(make(tmp_path))
    with pytest.raises(runtime.Refused, match=message):
        host.run(**params)
    assert host.ran == []


def test_driver_is_not_looked_at_where_that_is_asked(tmp_path):
    host = GpuHost(machines.card(tmp_path, "0x27b8", installed="580.105.08"))
    one, reboot = host.run(driver="skip")
    assert ([action["kind"] for action in one.actions], reboot) == (FIRST, [])


def test_a_jetson_needs_no_specification_but_its_csv_files(tmp_path):
    machine = machines.jetson(tmp_path, "NVIDIA Jetson AGX Orin", "tegra234", ("36", "4.3"))
    machine.write(f"{machines.CSV}/drivers.csv", f"lib, {machines.ARM_LIBRARIES}/tegra/libcuda.so.1.1\ndev, /dev/nvmap*\n")
    machine.write("/dev/nvmap0", "")
    host = GpuHost(machine)
    assert host.kinds(gpu="tegra") == ["install", "hold"]
    assert host.kinds(gpu="tegra") == []
    machine.remove(f"{machines.ARM_LIBRARIES}/tegra/libcuda.so.1.1")
    with pytest.raises(runtime.Refused, match="libcuda"):
        host.run(gpu="tegra")


def test_a_template_of_the_old_containerd_is_refused(host):
    host.machine.write(runtime.K3S_TEMPLATE, "[plugins.cri.containerd]\n")
    with pytest.raises(runtime.Refused, match="config.toml.tmpl.*Move it away"):
        host.run()
    host.machine.write(runtime.K3S_TEMPLATE, '{{ template "base" . }}\n')
    assert host.kinds() == FIRST


def test_old_packages(host):
    host.installed["nvidia-docker2"] = ("ii ", "2.13.0-1")
    host.machine.write("/etc/apt/sources.list.d/nvidia-docker.list", "")
    with pytest.raises(plan.PackagesError, match="remove_old"):
        host.run()
    one, _reboot = host.run(remove_old=True)
    assert [action["kind"] for action in one.actions] == ["remove"] + FIRST
    assert [verdict["check"] for verdict in one.verdicts if verdict["verdict"] == "warn"] == ["gpu_sources"]


@pytest.mark.parametrize(("start", "answer", "message"), [
    ("dpkg --install", (1, "dpkg: dependency problems prevent configuration of x"), "dependency problems.*lock file"),
    ("dpkg --install", (1, "unpacking\nNo space left on device"), "No space left.*half installed will be finished"),
    ("dpkg-deb", (2, "not a Debian format archive"), "is no package.*artifacts_verify: always"),
    ("systemctl enable", (1, "Failed to enable unit"), "systemctl enable .*Failed to enable"),
])
def test_what_programs_say_is_told(host, start, answer, message):
    host.fails[start] = answer
    with pytest.raises(tool.Failed, match=message):
        host.run()


def test_a_busy_package_tool_is_waited_for():
    answers = [(2, "dpkg: error: dpkg frontend lock was locked by another process with pid 7")] * 2 + [(0, "")]
    slept = []

    class Host:
        @staticmethod
        def run(*_argv, timeout=0):
            return answers.pop(0)

    tool.carry_out(Host, "deb", plan.Action("install", ("/p/a.deb",), ""), clock=lambda: 0.0, sleep=slept.append)
    assert (answers, slept) == ([], [3, 3])


def test_rpm_needs_no_holds():
    assert tool.commands("rpm", plan.Action("install", ("/p/a.rpm",), "")) == [
        ["rpm", "-U", "--oldpackage", "--replacepkgs", "/p/a.rpm"]]
    assert tool.commands("rpm", plan.Action("hold", ("a",), "")) == []


# --- driver ----------------------------------------------------------------------------------------------------------


def test_a_driver_is_installed_and_the_reboot_that_it_needs_is_named(tmp_path):
    machine = machines.card(tmp_path, "0x27b8", version="", installed="", userspace="")
    machine.write("/proc/modules", "nouveau 1 0 - Live 0x0\n")
    host = GpuHost(machine)
    host.offer("nvidia-headless-580-server-open", "580.95.05-0ubuntu1~24.04.1")

    def install(argv, timeout):
        code, output = GpuHost.answer(host, argv, timeout)
        if "--install" in argv:
            machine.programs["modinfo -F version nvidia"] = "580.95.05\n"
        return code, output

    machine._run_command = install
    # Nothing answers before the reboot, so the unit cannot do its work.
    host.fails["systemctl restart"] = (1, "nvidia-cdi-refresh.service failed")
    one, reboot = host.run(driver="install", driver_packages=["nvidia-headless-580-server-open"])
    assert [action["kind"] for action in one.actions][:4] == ["install", "hold", "write", "initramfs"]
    assert reboot == ["nouveau holds the GPU"]
    assert "blacklist nouveau" in host.text(driver.NOUVEAU_FILE)


def test_a_driver_that_cannot_be_loaded_is_refused_with_the_words_of_modprobe(tmp_path):
    machine = machines.card(tmp_path, "0x27b8", version="", installed="", userspace="")
    host = GpuHost(machine)
    host.offer("linux-modules-nvidia-580-server-open-generic", "580.95.05")
    host.fails["modprobe"] = (1, "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service")
    with pytest.raises(runtime.Refused, match="cannot be loaded: .*Key was rejected.*signed modules"):
        host.run(driver="install", driver_packages=["linux-modules-nvidia-580-server-open-generic"])


def test_a_driver_of_an_earlier_run_that_is_not_loaded_is_loaded(tmp_path):
    host = GpuHost(machines.card(tmp_path, "0x27b8", version=""))
    name = "linux-modules-nvidia-580-server-open-generic"
    host.offer(name, "580.95.05")
    host.installed[name] = ("hi ", "580.95.05")
    host.installed[BASE] = ("hi ", V)
    wanted = {"driver": "install", "driver_packages": [name]}
    assert "load" in host.kinds(check_mode=True, **wanted)
    host._modprobe = lambda words: (host.ran.append("modprobe " + words[0]), (0, ""))[1]
    with pytest.raises(runtime.Refused, match="every GPU of this host"):  # this modprobe only says that it did
        host.run(**wanted)
    assert "modprobe nvidia" in host.ran


def test_without_packages_a_driver_cannot_be_installed(tmp_path):
    host = GpuHost(machines.card(tmp_path, "0x27b8", version="", installed="", userspace=""))
    with pytest.raises(driver.Refused, match="nvidia_runtime_driver_packages is empty"):
        host.run(driver="install")


# --- absent ----------------------------------------------------------------------------------------------------------


def test_absent_takes_everything_but_the_driver(converged):
    converged.machine.write(toolkit_config.PATH, "")
    predicted = converged.kinds(check_mode=True, state="absent")
    one, _reboot = converged.run(state="absent")
    assert [action["kind"] for action in one.actions] == predicted == ["unhold", "remove"] + ["remove_file"] * 3
    assert one.runtime_changed and converged.installed == {}
    assert [converged.text(path) for path in (driver.UPGRADES_FILE, toolkit_config.PATH, cdi.REFRESHED)] == [None] * 3
    assert converged.kinds(state="absent") == []


@pytest.mark.parametrize("line", ["default-runtime: nvidia", 'default-runtime: "nvidia"', "default-runtime: nvidia # gpu"])
def test_absent_is_refused_while_k3s_counts_on_it(converged, line):
    converged.machine.write(runtime.K3S_CONFIG, f"node-name: a\n{line}\n")
    with pytest.raises(runtime.Refused, match="run the step k3s first"):
        converged.run(state="absent")
    assert converged.ran == []
