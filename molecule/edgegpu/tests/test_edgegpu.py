"""GPUs of EdgeCore nodes from the host to a model that asks for one: complete after one run, restarts, faults, away and back.

The tests of this file run in order and use the same sites: they are as wanted when the first begins and when the last ends.
"""
from __future__ import annotations

import copy
import json

import pytest
from edge import EdgeSite
from scenario import Scenario, lab, reboot, wait_until

SCENARIO = Scenario(__file__)
CLOUD, CARD, JETSON = "edgegpu-cloud", "edgegpu-card", "edgegpu-jetson"
NODES = (CARD, JETSON)
SITES = {CARD: "card-plant", JETSON: "jetson-plant"}
KINDS = {CARD: "dgpu", JETSON: "tegra"}
# What a process that has the GPU finds below /dev.
DEVICES = {CARD: {"nvidia0", "nvidiactl"}, JETSON: {"nvhost-gpu", "nvmap"}}
EDGE = EdgeSite(SCENARIO, CLOUD)
GPUS, LABELS = "nvidia.com/gpu", {"nvidia.com/gpu.present", "edgeai.sites/gpu-plugin", "edgeai.sites/site"}
BASE, VERSION = "nvidia-container-toolkit-base", "1.20.0-1"
CONFIG, DROP_IN = "/etc/nvidia-container-runtime/config.toml", "/etc/containerd/conf.d/50-edgeai-nvidia.toml"
ENGINE, RUNTIME = "Make the runtime that of all pods, or take it out of containerd", "Bring the NVIDIA runtime to what is wanted"
CONTAINERD = "Bring containerd, its network and its images to what is wanted"
SETTINGS = "Set the safe defaults and the settings of this site"
RESTART, RESTART_EDGECORE = "Restart containerd", "Restart EdgeCore"
PROVE = "Wait for the GPUs and prove that they compute"
HEALTH = "curl --silent --fail --max-time 2 http://127.0.0.1:10350/healthz/syncloop"


def site(*arguments, **variables):
    return SCENARIO.play("converge.yml", *arguments, variables=variables)


def step(name, *arguments, **variables):
    return SCENARIO.play(f"edgeai.sites.{name}", *arguments, variables=variables)


def proof(done, name):
    """What the proof of a run says of a node."""
    (found,) = done.one(PROVE, name)["nodes"]
    return found


def services(name):
    """What changes when an engine of a node restarts."""
    return SCENARIO.host(name).check_output("systemctl show --property Id,MainPID,NRestarts,ActiveState containerd edgecore")


def offered(name):
    return EDGE.node(name)["status"]["allocatable"].get(GPUS)


def pods(name):
    """The pods of the workload on a node that are not on their way out."""
    items = json.loads(EDGE.kubectl(f"get pods -n edgeai-{SITES[name]} --field-selector spec.nodeName={name} -o json"))["items"]
    return [pod for pod in items if "deletionTimestamp" not in pod["metadata"] and pod["status"]["phase"] == "Running"]


def seen_by(name):
    """Names below /dev that the process of the model on a node finds, asked on the host."""
    (pod,) = pods(name)
    return set(SCENARIO.host(name).check_output(
        "for p in /proc/[0-9]*; do grep -qzs ^HOSTNAME=%s $p/environ && ls $p/root/dev; done; true", pod["metadata"]["name"]).split())


def without_gpu():
    """The fleet's workloads, none of which asks for a GPU."""
    return [{**workload, "gpu": 0} for workload in copy.deepcopy(SCENARIO.fleet["workloads"])]


def settled(name):
    """Whether EdgeCore's kubelet works, and the node is Ready in the cloud's eyes."""
    return SCENARIO.host(name).run(HEALTH).stdout == "ok" and EDGE.is_ready(name)


# --- complete, and calm ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NODES)
def test_the_runtime_is_that_of_all_pods_and_safe(name):
    host = SCENARIO.host(name)
    assert host.check_output(f"dpkg-query -W -f '${{db:Status-Abbrev}} ${{Version}}' {BASE}") == f"hi  {VERSION}"
    config = host.file(CONFIG).content_string
    for line in ("accept-nvidia-visible-devices-envvar-when-unprivileged = false",
                 "accept-nvidia-visible-devices-as-volume-mounts = true", {CARD: 'mode = "cdi"', JETSON: 'mode = "csv"'}[name]):
        assert f"\n{line}\n" in f"\n{config}"
    effective = host.check_output("containerd config dump")
    assert 'default_runtime_name = "nvidia"' in effective and 'BinaryName = "/usr/bin/nvidia-container-runtime"' in effective


@pytest.mark.parametrize("name", NODES)
def test_the_node_offers_its_gpu_by_a_plugin_of_its_own_site(name):
    assert offered(name) == "1"
    labels = EDGE.node(name)["metadata"]["labels"]
    assert labels["edgeai.sites/site"] == SITES[name]
    (plugins,) = json.loads(EDGE.kubectl(f"get daemonsets -n edgeai-gpu-{SITES[name]} -o json"))["items"]
    pod = plugins["spec"]["template"]["spec"]
    assert plugins["metadata"]["name"] == f"nvidia-device-plugin-{KINDS[name]}-amd64-edge"
    assert "runtimeClassName" not in pod and pod["nodeSelector"]["edgeai.sites/site"] == SITES[name]
    assert plugins["status"]["numberReady"] == 1


def test_the_model_that_asked_has_the_gpu_and_the_other_sees_none():
    (pod,) = pods(CARD)
    assert pod["spec"]["containers"][0]["resources"]["limits"][GPUS] == "1" and "runtimeClassName" not in pod["spec"]
    assert DEVICES[CARD] <= seen_by(CARD)
    seen = seen_by(JETSON)
    assert "null" in seen and not DEVICES[JETSON] & seen


class TestSecondRun:
    @pytest.fixture(name="again", scope="class")
    def _again(self):
        before = {name: services(name) for name in NODES}
        return before, site()

    def test_nothing_changes_and_nothing_restarts(self, again):
        before, done = again
        assert (done.failed, done.changed) == (set(), {}), done.text
        assert done.of(RESTART) == done.of(RESTART_EDGECORE) == []
        assert before == {name: services(name) for name in NODES}

    def test_the_free_gpu_computes_and_a_pod_that_did_not_ask_sees_none(self, again):
        _before, done = again
        assert (proof(done, JETSON)["proof"], proof(done, JETSON)["isolation"]) == ("simulated", "pass")
        assert "computed" in proof(done, JETSON)["evidence"]
        # The model holds the only device: that is told and is no failure.
        assert (proof(done, CARD)["proof"], proof(done, CARD)["isolation"]) == ("in use", "pass")

    def test_three_calls_of_the_role_on_a_node(self):
        """After one of the role edgecore, which brings the containerd that the runtime goes into."""
        done = step("nvidia_runtime")
        for name in NODES:
            assert done.executions(name) == [CONTAINERD, RUNTIME, SETTINGS, ENGINE]

    def test_check_mode_says_the_same(self):
        done = site("--check", "--diff")
        assert (done.failed, done.changed) == (set(), {}), done.text


def test_a_card_computes_when_its_model_gives_it_back():
    assert step("inference", edge_workloads=without_gpu()).failed == set()
    wait_until(lambda: [pod for pod in pods(CARD) if GPUS in pod["spec"]["containers"][0]["resources"]["limits"]] == [] and len(pods(CARD)) == 1,
               90, "the pod with the GPU to end")
    proven = step("gpu_resources", "--limit", CARD)
    assert (proven.failed, proven.changed) == (set(), {}), proven.text
    assert (proof(proven, CARD)["proof"], proof(proven, CARD)["isolation"]) == ("simulated", "pass")
    assert not DEVICES[CARD] & seen_by(CARD), "every pod has NVIDIA's runtime there; without a device it must add none"
    back = step("inference")
    assert back.failed == set(), back.text
    wait_until(lambda: len(pods(CARD)) == 1 and DEVICES[CARD] <= seen_by(CARD), 90, "the model with its GPU")


def test_a_jetson_that_two_pods_share_offers_two_and_the_plugin_of_before_goes():
    shared = step("gpu_resources", "--limit", JETSON, gpu_resources_replicas=2)
    assert shared.failed == set(), shared.text
    assert (offered(JETSON), proof(shared, JETSON)["sharing"], proof(shared, JETSON)["proof"]) == ("2", "time-slicing", "simulated")
    names = EDGE.kubectl("get daemonsets -n edgeai-gpu-jetson-plant -o name").split()
    assert names == ["daemonset.apps/nvidia-device-plugin-tegra-amd64-edge-time-slicing-2"]
    back = step("gpu_resources", "--limit", JETSON)
    assert back.failed == set() and offered(JETSON) == "1", back.text


class TestPowerOfAJetson:
    """It is the hardware's own way of remembering: the mode outlives a reboot, the clocks do not."""

    WANTED = {"nvidia_runtime_nvpmodel_mode": "15W", "nvidia_runtime_jetson_clocks": "lock"}

    def kinds(self, done):
        return [action["kind"] for action in done.one(RUNTIME, JETSON)["actions"]]

    def test_mode_and_clocks_are_set_once(self):
        predicted = step("nvidia_runtime", "--limit", JETSON, "--check", **self.WANTED)
        done = step("nvidia_runtime", "--limit", JETSON, **self.WANTED)
        assert done.failed == set() and self.kinds(done) == self.kinds(predicted) == ["power_mode", "clocks"], done.text
        again = step("nvidia_runtime", "--limit", JETSON, **self.WANTED)
        assert (again.failed, again.changed) == (set(), {}), again.text
        assert SCENARIO.host(JETSON).check_output("nvpmodel -q") == "NV Power Mode: 15W\n2"

    def test_a_mode_that_wants_a_reboot_is_a_warning_with_the_command(self):
        done = step("nvidia_runtime", "--limit", JETSON, nvidia_runtime_nvpmodel_mode="MAXN_SUPER")
        assert (done.failed, done.changed) == (set(), {}), done.text
        (warning,) = [verdict for verdict in done.one(RUNTIME, JETSON)["verdicts"] if verdict["verdict"] == "warn"]
        assert "with a reboot only" in warning["wanted"] and "nvpmodel -m 0" in warning["remedy"]

    def test_a_mode_that_this_board_has_not_is_refused(self):
        refused = step("nvidia_runtime", "--limit", JETSON, nvidia_runtime_nvpmodel_mode="60W")
        assert (refused.failed, refused.changed) == ({JETSON}, {})
        assert "0 (MAXN_SUPER), 1 (10W), 2 (15W), 3 (25W)" in refused.error(JETSON)

    def test_clocks_are_given_back(self):
        done = step("nvidia_runtime", "--limit", JETSON, nvidia_runtime_nvpmodel_mode="25W", nvidia_runtime_jetson_clocks="free")
        assert done.failed == set() and self.kinds(done) == ["power_mode", "clocks"], done.text


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_plugin_that_crashes_ends_the_run_with_the_reason_and_no_other_site():
    crashing = step("gpu_resources", gpu_resources_image="vision:crash", gpu_resources_deadline=90, gpu_resources_grace=5)
    assert crashing.failed == set(NODES)
    for name in NODES:
        error = crashing.error(name)
        assert f"{name}: gpu.allocatable: " in error and "the device plugin: " in error and "containerd (role nvidia_runtime)" in error
        assert EDGE.kubectl(f"get jobs -n edgeai-gpu-{SITES[name]} -o name") == ""
    restored = step("gpu_resources")
    assert restored.failed == set(), restored.text
    assert [offered(name) for name in NODES] == ["1", "1"]


@pytest.mark.parametrize("name", NODES)
def test_after_a_restart_of_edgecore_the_gpu_is_offered_again_and_pods_run_on(name):
    (before,) = pods(name)
    host = SCENARIO.host(name)
    host.check_output("systemctl restart edgecore")
    wait_until(lambda: settled(name), 90, "EdgeCore after its restart")
    waited = step("gpu_resources", "--limit", name)
    assert (waited.failed, waited.changed) == (set(), {}), waited.text
    assert proof(waited, name)["allocatable"] == 1
    (after,) = pods(name)
    statuses = [pod["status"]["containerStatuses"][0] for pod in (before, after)]
    assert statuses[0]["containerID"] == statuses[1]["containerID"]


def test_a_restart_of_containerd_that_was_missed_is_made_up_for_once():
    host = SCENARIO.host(JETSON)
    host.check_output(f"touch -d '+2 seconds' {DROP_IN}")
    before = services(JETSON)
    done = step("nvidia_runtime", "--limit", JETSON)
    assert done.failed == set() and len(done.of(RESTART, JETSON)) == 1, done.text
    assert services(JETSON) != before
    host.check_output(f"touch {DROP_IN}")
    wait_until(lambda: settled(JETSON), 90, "the node after the restart")


def test_the_runtime_that_was_taken_out_of_containerd_comes_back_with_one_restart():
    """Driver, toolkit and configuration all changed: one restart of the engine."""
    host = SCENARIO.host(JETSON)
    host.check_output(f"rm {DROP_IN}")
    host.check_output(f"dpkg --unpack /var/lib/edgeai/packages/{BASE}_{VERSION}_amd64.deb")
    host.check_output(f"sed -i 's/mode = \"csv\"/mode = \"legacy\"/' {CONFIG}")
    done = site()
    assert done.failed == set(), done.text
    assert len(done.of(RESTART, JETSON)) == 1 and done.of(RESTART, CARD) == []
    assert "its configuration knows the NVIDIA runtime now" in done.one(ENGINE, JETSON)["restart_reasons"]
    assert proof(done, JETSON)["proof"] == "simulated"
    calm = site()
    assert (calm.failed, calm.changed) == (set(), {}), calm.text


def test_a_gpu_that_is_gone_refuses_its_node_and_the_other_site_goes_on():
    lab("fault", JETSON, "gpu", "absent")
    try:
        refused = step("nvidia_runtime")
        assert (refused.failed, refused.changed) == ({JETSON}, {})
        assert "Set gpu: none" in refused.error(JETSON)
    finally:
        lab("fault", JETSON, "clear")
    assert step("nvidia_runtime").failed == set()


def test_after_a_reboot_all_is_as_before():
    reboot(*NODES)
    for name in NODES:
        wait_until(lambda name=name: settled(name), 120, f"{name} after its reboot")
    wait_until(lambda: {name: offered(name) for name in NODES} == dict.fromkeys(NODES, "1") or [offered(name) for name in NODES], 120,
               "the GPUs to be offered again")
    wait_until(lambda: len(pods(CARD)) == 1 and DEVICES[CARD] <= seen_by(CARD), 120, "the model with its GPU")
    again = site()
    assert (again.failed, again.changed) == (set(), {}), again.text


# --- away and back ---------------------------------------------------------------------------------------------------


class TestAwayAndBack:
    def test_the_runtime_stays_while_a_pod_runs_through_it(self):
        refused = step("nvidia_runtime", "--limit", CARD, nvidia_runtime_state="absent")
        assert refused.failed == {CARD} and "run through NVIDIA's runtime" in refused.error(CARD)
        assert SCENARIO.host(CARD).file(DROP_IN).exists

    def test_workloads_and_plugin_leave_nothing_in_the_cluster(self):
        assert step("inference", "--limit", CARD, edge_workloads=without_gpu()).failed == set()
        away = step("gpu_resources", "--limit", CARD, gpu_resources_state="absent")
        assert away.failed == set(), away.text
        namespaces = {item["metadata"]["name"] for item in json.loads(EDGE.kubectl("get namespaces -o json"))["items"]}
        assert "edgeai-gpu-card-plant" not in namespaces and "edgeai-gpu-jetson-plant" in namespaces
        assert LABELS & set(EDGE.node(CARD)["metadata"]["labels"]) == set()
        assert LABELS <= set(EDGE.node(JETSON)["metadata"]["labels"])
        wait_until(lambda: offered(CARD) in (None, "0") or offered(CARD), 60, "the node to offer no GPU")

    def test_the_runtime_leaves_nothing_on_the_host(self):
        """All pods of the node pass through the runtime, so all of them go first."""
        EDGE.kubectl("delete namespace edgeai-card-plant")
        host = SCENARIO.host(CARD)
        wait_until(lambda: host.run("ctr --namespace k8s.io tasks ls --quiet").stdout == "", 90, "the pods of the node to end")
        away = step("nvidia_runtime", "--limit", CARD, nvidia_runtime_state="absent")
        assert away.failed == set() and len(away.of(RESTART, CARD)) == 1, away.text
        assert host.check_output(f"ls -d /usr/bin/nvidia-container-runtime {CONFIG} {DROP_IN} 2>/dev/null || true") == ""
        assert "nvidia" not in host.check_output("containerd config dump")
        again = step("nvidia_runtime", "--limit", CARD, nvidia_runtime_state="absent")
        assert again.changed == {} and again.of(RESTART, CARD) == []
        wait_until(lambda: settled(CARD), 90, "the node without its runtime")

    def test_one_run_brings_all_of_it_back(self):
        back = site()
        assert back.failed == set(), back.text
        assert len(back.of(RESTART, CARD)) == 1
        assert offered(CARD) == "1" and proof(back, CARD)["proof"] in ("simulated", "in use")
        calm = site()
        assert (calm.failed, calm.changed) == (set(), {}), calm.text
