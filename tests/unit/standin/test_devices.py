"""Device plugins: messages on the wire, what the node shows, who gets which device, what a container gets with it."""

import queue
import time

import pytest
from k3s_standin.kubelet import injection, node
from standin_common import device_messages as messages
from standin_common import devices

GPU = "nvidia.com/gpu"


@pytest.mark.parametrize("message, value", [
    ("RegisterRequest", {"version": "v1beta1", "endpoint": "nvidia.sock", "resource_name": GPU,
                         "options": {"pre_start_required": False, "get_preferred_allocation_available": True}}),
    ("ListAndWatchResponse", {"devices": [{"ID": "GPU-1", "health": "Healthy"}, {"ID": "x" * 300, "health": "Unhealthy"}]}),
    ("AllocateRequest", {"container_requests": [{"devices_ids": ["a", "b"]}]}),
    ("ContainerAllocateResponse", {
        "envs": {"A": "1", "B": "ä"}, "mounts": [{"container_path": "/c", "host_path": "/h", "read_only": True}],
        "devices": [{"container_path": "/dev/c", "host_path": "/dev/h", "permissions": "rw"}],
        "annotations": {}, "cdi_devices": [{"name": "nvidia.com/gpu=0"}]}),
])
def test_a_message_survives_the_wire(message, value):
    assert messages.decoder(message)(messages.encoder(message)(value)) == value


@pytest.mark.parametrize("data, value", [
    (b"", {"ID": "", "health": ""}),
    (b"\x0a\x05GPU-1\x12\x07Healthy", {"ID": "GPU-1", "health": "Healthy"}),
    (b"\x0a\x05GPU-1\x1a\x02\x0a\x00\x20\x05\x2d\0\0\0\0", {"ID": "GPU-1", "health": ""}),  # topology and the unknown
])
def test_bytes_that_others_write(data, value):
    assert messages.decoder("Device")(data) == value


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05GP", b"\x0b\x00", b"\xff" * 12])
def test_rubbish_is_an_error(data):
    with pytest.raises(ValueError):
        messages.decoder("Device")(data)


class Plugin:
    def __init__(self, *ids, problem=None):
        self.lists, self.problem, self.closed = queue.Queue(), problem, False
        self.say(*ids)

    def say(self, *ids, health="Healthy"):
        self.lists.put([{"ID": i, "health": health} for i in ids])

    def end(self):
        self.lists.put(None)

    def watch(self):
        yield from iter(self.lists.get, None)

    def allocate(self, ids):
        if self.problem:
            raise RuntimeError(self.problem)
        return {"envs": {"IDS": ",".join(ids)}, "mounts": [], "devices": [], "annotations": {}, "cdi_devices": []}

    def close(self):
        self.closed = True


def until(check):
    for _ in range(200):
        if check():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def pod(uid, amount, name="c"):
    limits = {GPU: str(amount)} if amount else {}
    return {"metadata": {"uid": uid, "name": uid, "namespace": "n"},
            "spec": {"containers": [{"name": name, "resources": {"limits": limits}}]}}


@pytest.fixture
def manager(tmp_path):
    found = devices.DeviceManager()
    found.load(tmp_path)
    return found


def offering(manager, *ids, **options):
    plugin = Plugin(*ids, **options)
    manager.register(GPU, plugin)
    until(lambda: manager.amounts()[GPU] == (len(ids), len(ids)))
    return plugin


def test_devices_are_given_once(manager):
    offering(manager, "a", "b")
    manager.admit(pod("one", 1), set())
    manager.admit(pod("two", 1), {"one"})
    assert [manager.given(uid, "c")[0]["envs"]["IDS"] for uid in ("one", "two")] == ["a", "b"]
    with pytest.raises(devices.NotAdmitted, match="requested number of devices unavailable for nvidia.com/gpu. "
                                                  "Requested: 1, Available: 0"):
        manager.admit(pod("three", 1), {"one", "two"})
    manager.admit(pod("none", 0), {"one", "two"})
    assert manager.given("none", "c") == []
    manager.admit(pod("three", 1), {"two"})    # pod one has ended
    assert manager.given("three", "c")[0]["envs"]["IDS"] == "a"


def test_a_plugin_that_goes_leaves_capacity_and_nothing_to_give(manager):
    plugin = offering(manager, "a", "b")
    plugin.end()
    until(lambda: manager.amounts()[GPU] == (2, 0))
    with pytest.raises(devices.NotAdmitted, match="no healthy devices present"):
        manager.admit(pod("one", 1), set())
    manager._clock = lambda: time.monotonic() + devices.FORGET_SECONDS + 1
    assert manager.amounts()[GPU] == (0, 0)


def test_an_unhealthy_device_counts_but_is_not_given(manager):
    plugin = offering(manager, "a")
    plugin.say("a", health="Unhealthy")
    until(lambda: manager.amounts()[GPU] == (1, 0))


def test_a_new_plugin_takes_the_place_of_the_old_one(manager):
    old = offering(manager, "a")
    offering(manager, "a", "b")
    assert old.closed
    old.end()
    time.sleep(0.05)
    assert manager.amounts()[GPU] == (2, 2)


def test_a_plugin_that_refuses_fails_the_pod(manager):
    offering(manager, "a", problem="unknown device")
    with pytest.raises(devices.NotAdmitted, match="unknown device"):
        manager.admit(pod("one", 1), set())


def test_after_a_restart_devices_are_known_and_not_there_yet(manager, tmp_path):
    offering(manager, "a")
    manager.admit(pod("one", 1), set())
    later = devices.DeviceManager()
    later.load(tmp_path)
    assert later.amounts() == {GPU: (0, 0)} and later.has(pod("one", 1)["spec"])
    assert later.given("one", "c")[0]["envs"]["IDS"] == "a"
    with pytest.raises(devices.NotAdmitted, match="no healthy devices present"):
        later.admit(pod("one", 1), set())
    offering(later, "a")
    later.admit(pod("one", 1), set())
    later.forget("one")
    assert later.given("one", "c") == []


def test_the_node_shows_devices_of_plugins_and_keeps_those_of_others():
    before = {"status": {"capacity": {GPU: "7", "lab.example/fpga": "3"}}}
    status = node.status("n", "10.0.0.1", [], ["runc"], before, True, {GPU: (2, 0)})
    assert (status["capacity"][GPU], status["allocatable"][GPU]) == ("2", "0")
    assert status["capacity"]["lab.example/fpga"] == status["allocatable"]["lab.example/fpga"] == "3"


# -- what a container gets ----------------------------------------------------------------------------
SPEC = """
cdiVersion: 0.7.0
kind: nvidia.com/gpu
containerEdits:
  env: [COMMON=1]
devices:
- name: "0"
  containerEdits:
    env: [EDGEAI_SIMULATED_GPU=NVIDIA L4]
    deviceNodes: [{path: /dev/null}]
    mounts: [{hostPath: /etc/hostname, containerPath: /lib/libcuda.so.1, options: [ro, rbind]}]
"""


def container():
    return {"rootfs": "/", "env": {"A": "1"}, "args": ["/x"], "cwd": "/", "mounts": []}


def test_a_cdi_name_brings_environment_nodes_and_mounts(tmp_path):
    (tmp_path / "nvidia.yaml").write_text(SPEC)
    spec = container()
    injection.apply_devices(spec, [{"envs": {"B": "2"}, "mounts": [], "devices": [], "annotations": {},
                                    "cdi_devices": [{"name": "nvidia.com/gpu=0"}]}], [tmp_path])
    assert spec["env"] == {"A": "1", "B": "2", "COMMON": "1", "EDGEAI_SIMULATED_GPU": "NVIDIA L4"}
    assert [(m["target"], m["read_only"]) for m in spec["mounts"]] == [("/dev/null", False), ("/lib/libcuda.so.1", True)]


def test_an_unknown_cdi_name_is_an_error(tmp_path):
    with pytest.raises(injection.NotInjected, match="unresolvable CDI devices nvidia.com/gpu=0"):
        injection.apply_cdi(container(), ["nvidia.com/gpu=0"], [tmp_path])


def test_a_later_directory_wins_and_files_that_clash_offer_nothing(tmp_path):
    for name in ("etc", "run"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "nvidia.yaml").write_text(SPEC.replace("NVIDIA L4", name))
    places = [tmp_path / "etc", tmp_path / "run"]
    assert injection.registry(places)["nvidia.com/gpu=0"][1]["env"] == ["EDGEAI_SIMULATED_GPU=run"]
    (tmp_path / "run" / "other.yaml").write_text(SPEC)
    assert "nvidia.com/gpu=0" not in injection.registry(places)


def program(tmp_path, text):
    path = tmp_path / "runtime"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_runtime_program_changes_the_container(tmp_path):
    spec = container()
    change = "sed -i 's/\"A=1\"/\"A=1\", \"B=2\"/; s/\"devices\": \\[\\]/\"devices\": [{\"path\": \"\\/dev\\/null\"}]/' "
    injection.through_runtime(spec, program(tmp_path, change + '"$3/config.json"; exec runc "$@"'), {})
    assert spec["env"] == {"A": "1", "B": "2"} and [m["target"] for m in spec["mounts"]] == ["/dev/null"]


@pytest.mark.parametrize("text, word", [("echo broken >&2; exit 1", "exit status 1: broken"), (None, "no such file")])
def test_a_runtime_program_that_fails_says_so(tmp_path, text, word):
    path = program(tmp_path, text) if text else str(tmp_path / "gone")
    with pytest.raises(injection.RuntimeFailed, match=word):
        injection.through_runtime(container(), path, {})


@pytest.mark.parametrize("security, has", [
    ({}, False), ({"privileged": True}, True), ({"capabilities": {"add": ["SYS_ADMIN"]}}, True)])
def test_the_runtime_program_sees_what_is_privileged(security, has):
    names = injection._bundle(container(), security)["process"]["capabilities"]["bounding"]
    assert ("CAP_SYS_ADMIN" in names) == has
