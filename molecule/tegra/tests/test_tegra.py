"""A Jetson's GPU from the host to a model that asks for it: complete after one run, faults, a reboot, away and back.

The tests of this file run in order and use the same site: it is as wanted when the first begins and when the last ends.
"""
from __future__ import annotations

import copy
import json

import pytest
from scenario import Scenario, lab, reboot, wait_until

SCENARIO = Scenario(__file__)
SITE, SERVER, CAMERA = "test-factory", "tegra-server", "tegra-camera"
UNITS = {SERVER: "k3s", CAMERA: "k3s-agent"}
BASE, VERSION = "nvidia-container-toolkit-base", "1.20.0-1"
PACKAGE = f"/var/lib/edgeai/packages/{BASE}_{VERSION}_amd64.deb"
CONFIG = "/etc/nvidia-container-runtime/config.toml"
CSV = "/etc/nvidia-container-runtime/host-files-for-container.d"
LIBCUDA = "/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1.1"
CONTAINERD = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
PLUGIN, GPUS = "nvidia-device-plugin-tegra-amd64", "nvidia.com/gpu"
LABELS = {"nvidia.com/gpu.present", "edgeai.sites/gpu-plugin"}
APPLY, CONFIGURE, RESTART = "Bring the NVIDIA runtime to what is wanted", "Write unit and configuration", "Restart k3s"
PROVE = "Wait for the GPUs and prove that they compute"


def site(*arguments, **variables):
    return SCENARIO.play("converge.yml", *arguments, variables=variables)


def step(name, *arguments, **variables):
    return SCENARIO.play(f"edgeai.sites.{name}", *arguments, variables=variables)


def proof(done):
    """What the proof of a run says of the one GPU node."""
    (node,) = done.one(PROVE, SERVER)["nodes"]
    return node


def services():
    """What changes when K3s restarts, by host."""
    return {name: SCENARIO.host(name).check_output("systemctl show -p MainPID,NRestarts,ActiveState %s", unit)
            for name, unit in UNITS.items()}


@pytest.fixture(name="camera")
def _camera():
    return SCENARIO.host(CAMERA)


@pytest.fixture(name="kubectl", scope="module")
def _kubectl():
    """Ask the cluster on its server, past all that is tested here; returns parsed JSON."""
    server = SCENARIO.host(SERVER)
    return lambda *arguments: json.loads(server.check_output("k3s kubectl " + " ".join(arguments) + " -o json"))


def allocatable(kubectl):
    return kubectl("get", "node", CAMERA)["status"]["allocatable"].get(GPUS)


def vision(kubectl):
    """The pods of the workload."""
    return kubectl("get", "pods", "-n", "edgeai", "-l", "edgeai.sites/target=vision-line-a")["items"]


def without_gpu():
    """The fleet's workloads, none of which asks for a GPU."""
    return [{**workload, "gpu": 0} for workload in copy.deepcopy(SCENARIO.fleet["workloads"])]


# --- complete, and calm ----------------------------------------------------------------------------------------------


def test_the_runtime_finds_its_devices_by_csv_and_is_safe(camera):
    assert camera.check_output(f"dpkg-query -W -f '${{db:Status-Abbrev}} ${{Version}}' {BASE}") == f"hi  {VERSION}"
    config = camera.file(CONFIG).content_string
    for line in ('mode = "csv"', "accept-nvidia-visible-devices-envvar-when-unprivileged = false",
                 "accept-nvidia-visible-devices-as-volume-mounts = true"):
        assert f"\n{line}\n" in f"\n{config}"
    assert camera.run(f"grep -q 'runtimes.*nvidia' {CONTAINERD}").rc == 0
    assert camera.run(f"grep -q 'default_runtime_name *= *.nvidia' {CONTAINERD}").rc == 1


def test_the_workload_has_the_gpu_that_the_node_offers(camera, kubectl):
    assert allocatable(kubectl) == "1"
    (pod,) = vision(kubectl)
    assert pod["spec"]["runtimeClassName"] == "nvidia" and pod["spec"]["nodeName"] == CAMERA
    assert pod["spec"]["containers"][0]["resources"]["limits"][GPUS] == "1"
    assert pod["status"]["phase"] == "Running"
    # Asked on the host: what the process of the model sees.
    seen = camera.check_output("for p in /proc/[0-9]*; do grep -qzs ^HOSTNAME=%s $p/environ && ls $p/root/dev; done; true",
                               pod["metadata"]["name"]).splitlines()
    assert "nvmap" in seen and "nvhost-gpu" in seen


def test_a_host_without_a_gpu_gets_nothing(kubectl):
    server = SCENARIO.host(SERVER)
    assert not server.file("/usr/bin/nvidia-container-runtime").exists and not server.file("/var/lib/edgeai/packages").exists
    labels = kubectl("get", "node", SERVER)["metadata"]["labels"]
    assert LABELS & set(labels) == set()


def test_a_second_run_changes_nothing_and_is_short():
    before = services()
    again = site()
    assert (again.failed, again.changed, again.of(RESTART)) == (set(), {}, []), again.text
    assert services() == before
    # The model holds the only device: that is told and is no failure.
    assert (proof(again)["proof"], proof(again)["isolation"]) == ("in use", "pass")
    executions = step("nvidia_runtime").executions(CAMERA)
    assert APPLY in executions and len(executions) <= 3


def test_a_free_gpu_computes_and_the_proof_says_that_it_is_simulated(kubectl):
    assert step("inference", edge_workloads=without_gpu()).failed == set()
    wait_until(lambda: all(GPUS not in pod["spec"]["containers"][0]["resources"]["limits"] for pod in vision(kubectl)),
               60, "the pod with the GPU to end")
    proven = step("gpu_resources")
    assert (proven.failed, proven.changed) == (set(), {}), proven.text
    assert (proof(proven)["proof"], proof(proven)["isolation"]) == ("simulated", "pass")
    assert "computed" in proof(proven)["evidence"]
    assert kubectl("get", "jobs", "-n", "edgeai-gpu")["items"] == []


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_runtime_class_that_somebody_deleted_is_made_again(kubectl):
    SCENARIO.host(SERVER).check_output("k3s kubectl delete runtimeclass nvidia")
    healed = step("gpu_resources")
    assert healed.failed == set() and healed.changed == {SERVER: 1}, healed.text
    assert kubectl("get", "runtimeclass", "nvidia")["handler"] == "nvidia"
    assert proof(healed)["proof"] == "simulated"


def test_a_plugin_that_crashes_ends_the_run_with_the_reason(kubectl):
    crashing = step("gpu_resources", gpu_resources_image="vision:crash", gpu_resources_deadline=60, gpu_resources_grace=5)
    assert crashing.failed == {SERVER}
    error = crashing.error(SERVER)
    assert f"{CAMERA}: gpu.allocatable: " in error and "the device plugin: " in error and "exit code" in error
    assert "To do: " in error
    assert crashing.one(PROVE, SERVER)["seconds"] < 60, "within its deadline, as soon as the failure is believed"
    assert kubectl("get", "jobs", "-n", "edgeai-gpu")["items"] == []
    # And back, with the workload that asks for the GPU.
    restored = site()
    assert restored.failed == set(), restored.text
    assert allocatable(kubectl) == "1"


def test_after_a_restart_of_k3s_the_gpu_is_waited_for(camera, kubectl):
    camera.check_output("systemctl restart k3s-agent")
    waited = step("gpu_resources")
    assert (waited.failed, waited.changed) == (set(), {}), waited.text
    assert proof(waited)["allocatable"] == 1
    assert step("verify").failed == set()
    assert allocatable(kubectl) == "1"


def test_after_a_reboot_all_is_as_before(kubectl):
    reboot(CAMERA)
    again = site()
    assert (again.failed, again.changed) == (set(), {}), again.text
    assert allocatable(kubectl) == "1"


def test_a_library_that_the_jetpack_moved_is_refused_with_the_remedy():
    lab("fault", CAMERA, "gpu", "csv-missing")
    try:
        refused = step("nvidia_runtime")
        assert (refused.failed, refused.changed) == ({CAMERA}, {})
        error = refused.error(CAMERA)
        assert LIBCUDA in error and f"{CSV}/drivers.csv" in error and "Remedy: " in error
    finally:
        lab("fault", CAMERA, "clear")
    assert step("nvidia_runtime").failed == set()


# --- away and back ---------------------------------------------------------------------------------------------------


class TestAwayAndBack:
    def test_workloads_and_plugin_leave_nothing_in_the_cluster(self, kubectl):
        assert step("inference", edge_workloads=without_gpu()).failed == set()
        away = step("gpu_resources", gpu_resources_state="absent")
        assert away.failed == set() and SERVER in away.changed, away.text
        assert "edgeai-gpu" not in {item["metadata"]["name"] for item in kubectl("get", "namespaces")["items"]}
        assert LABELS & set(kubectl("get", "node", CAMERA)["metadata"]["labels"]) == set()
        wait_until(lambda: allocatable(kubectl) in (None, "0") or allocatable(kubectl), 30, "the node to offer no GPU")
        assert step("gpu_resources", gpu_resources_state="absent").changed == {}

    def test_the_runtime_leaves_nothing_on_the_host(self, camera):
        assert step("artifacts", nvidia_runtime_state="absent").failed == set()
        assert step("nvidia_runtime", nvidia_runtime_state="absent").failed == set()
        left = camera.check_output(
            f"ls -d /usr/bin/nvidia-container-runtime {CONFIG} {PACKAGE} /etc/apt/apt.conf.d/52edgeai-nvidia 2>/dev/null || true")
        assert left == ""
        assert camera.run(f"dpkg-query -W {BASE}").rc == 1
        # They came with the JetPack.
        assert camera.file(f"{CSV}/drivers.csv").exists

    def test_k3s_restarts_once_and_forgets_the_runtime(self, camera):
        before = services()
        restarted = step("k3s", nvidia_runtime_state="absent")
        assert restarted.failed == set(), restarted.text
        # The lab has a file of its own for containerd beside the runtime.
        assert set(restarted.one(CONFIGURE, CAMERA)["restart_reasons"]) - {"containerd"} == {"nvidia"}
        assert len(restarted.of(RESTART, CAMERA)) == 1 and restarted.of(RESTART, SERVER) == []
        assert {name for name in before if services()[name] != before[name]} == {CAMERA}
        assert camera.run(f"grep -q 'runtimes.*nvidia' {CONTAINERD}").rc == 1
        assert step("k3s", nvidia_runtime_state="absent").changed == {}

    def test_one_run_brings_all_of_it_back(self, kubectl):
        back = site()
        assert back.failed == set(), back.text
        assert len(back.of(RESTART, CAMERA)) == 1
        assert allocatable(kubectl) == "1"
        again = site()
        assert (again.failed, again.changed) == (set(), {}), again.text
