# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in KubeEdge without hosts: tokens, certificates, configuration, and what the container runtime is asked for."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile

import build_kubeedge
import pytest
import yaml
from kubeedge_standin import certificates, cri, version
from kubeedge_standin.cloudcore.controller import references
from kubeedge_standin.edgecore import config, edged, node, podstatus, runspec
from kubeedge_standin.edgecore.link import NoAnswer, NotConnected
from kubeedge_standin.edgecore.pods import PodWorker
from standin_common import devices, durations
from standin_common.volumes import PodFiles

NOW = 1_800_000_000


@pytest.fixture(scope="module")
def authority():
    return certificates.new_ca()


@pytest.fixture(autouse=True)
def stamped(monkeypatch):
    monkeypatch.setattr(version, "build_info", lambda: {"version": "v1.23.1", "arch": "amd64"})


# -- tokens and certificates -----------------------------------------------------------------------
def test_a_token_names_its_ca(authority):
    token = certificates.new_token(*authority, NOW + 60)
    assert token.split(".")[0] == hashlib.sha256(authority[0]).hexdigest()
    assert [len(part) for part in token.split(".")] == [64, 36, 24, 43]
    assert certificates.token_problem(token.partition(".")[2], authority[1], NOW) is None


@pytest.mark.parametrize("token, text", [
    (lambda good: "", "token is empty"),
    (lambda good: "bogus", "invalid number of segments"),
    (lambda good: "0" * 64 + "." + good, "invalid number of segments"),
    (lambda good: good[:-4] + "AAAA", "signature is invalid"),
])
def test_a_token_that_is_refused(authority, token, text):
    good = certificates.new_token(*authority, NOW + 60).partition(".")[2]
    assert text in certificates.token_problem(token(good), authority[1], NOW)


def test_a_token_ends(authority):
    good = certificates.new_token(*authority, NOW).partition(".")[2]
    assert "token is expired" in certificates.token_problem(good, authority[1], NOW)
    assert "signature is invalid" in certificates.token_problem(good, b"another key", NOW - 60)


def test_the_certificate_of_an_edge_node(authority):
    key = certificates.new_key()
    request = certificates.openssl_request(key, "/O=system:nodes/CN=system:node:edge1")
    certificate = certificates.sign_edge(*authority, request, 365)
    described = certificates.describe(certificate)
    assert certificates.common_name(described) == "system:node:edge1"
    before, after = certificates.lifetime(described)
    assert after - before == 365 * 86400
    assert certificates.is_signed_by(certificate, authority[0])
    assert not certificates.is_signed_by(certificate, certificates.new_ca()[0])
    assert certificates.der(certificates.certificate_pem(certificate)) == certificate


@pytest.mark.parametrize("request_bytes", [b"", b"junk"])
def test_a_request_that_is_none(authority, request_bytes):
    with pytest.raises(certificates.CertificateProblem):
        certificates.sign_edge(*authority, request_bytes, 365)


@pytest.mark.parametrize("host, problem", [
    ("192.0.2.41", None),
    ("cloud1", None),
    ("cloudx", "x509: certificate is valid for cloud1, not cloudx"),
    ("192.0.2.42", "x509: certificate is valid for 192.0.2.41, not 192.0.2.42"),
])
def test_the_server_certificate_has_its_names(authority, host, problem):
    certificate, _ = certificates.new_server(*authority, ["192.0.2.41"], ["cloud1"])
    assert certificates.host_problem(certificates.describe(certificate), host) == problem


def test_without_addresses_an_address_never_fits(authority):
    certificate, _ = certificates.new_server(*authority, [], ["cloud1"])
    assert "doesn't contain any IP SANs" in certificates.host_problem(certificates.describe(certificate), "192.0.2.41")


# -- configuration ---------------------------------------------------------------------------------
@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "TOKEN_FILE", str(tmp_path / "token"))

    def write(text):
        path = tmp_path / "edgecore.yaml"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


def test_the_exact_version_leaves_the_file_alone(written, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    text = "edgecoreVersion: v1.23.1\nmodules: {edged: {hostnameOverride: edge1}, noSuch: {a: 1}}\n"
    path = written(text)
    settings = config.load(str(path))
    assert (settings.name, settings.hub["heartbeat"], path.read_text()) == ("edge1", 15, text)


def test_another_version_writes_everything_and_the_token(written, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    path = written("edgecoreVersion: v1.22.0\nmodules: {edged: {hostnameOverride: edge1}}\n")
    config.load(str(path))
    document = yaml.safe_load(path.read_text())
    assert document["edgecoreVersion"] == "v1.23.1"
    assert document["modules"]["edgeHub"]["token"] == "secret"
    assert document["modules"]["metaManager"]["remoteQueryTimeout"] == 60
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("modules, text", [
    ("edged: {hostnameOverride: Edge_3}", 'HostnameOverride: Invalid value: "Edge_3"'),
    ("edged: {hostnameOverride: e, tailoredKubeletConfig: {cgroupDriver: foo}}", "CGroupDriver value error"),
    ("edged: {hostnameOverride: e}, edgeHub: {quic: {enable: true}}", "enable: Invalid value: true"),
    ("edged: {hostnameOverride: e}, edgeHub: {websocket: {enable: false}}", "enable: Invalid value: false"),
    ("edged: {hostnameOverride: e}, eventBus: {mqttMode: 3}", "Mode need in [0,2] range"),
])
def test_what_is_refused(written, modules, text):
    with pytest.raises(config.Invalid) as refusal:
        config.load(str(written(f"edgecoreVersion: v1.23.1\nmodules: {{{modules}}}\n")))
    assert text in str(refusal.value) and refusal.value.source == "server.go:99"


def test_no_file_and_no_yaml(written, tmp_path):
    with pytest.raises(config.Invalid, match="not exist"):
        config.load(str(tmp_path / "absent"))
    with pytest.raises(config.Invalid, match="error converting YAML to JSON: yaml: line"):
        config.load(str(written("modules:\n  edged: {a: [\n b\n")))


# -- what the runtime is asked for -----------------------------------------------------------------
POD = {"metadata": {"name": "vision", "namespace": "default", "uid": "ab-c", "labels": {"app": "vision"}}, "spec": {
    "containers": [{"name": "c", "image": "x:1", "ports": [{"containerPort": 8080, "hostPort": 80, "protocol": "UDP"}],
                    "resources": {"limits": {"memory": "64Mi"}}}]}}


@pytest.mark.parametrize("kubelet, resources, parent", [
    ({"cgroupDriver": "cgroupfs"}, {}, "/kubepods/besteffort/podab-c"),
    ({"cgroupDriver": "cgroupfs", "cgroupRoot": "/edgelab/e"}, {"limits": {"memory": "1Mi"}}, "/edgelab/e/kubepods/burstable/podab-c"),
    ({"cgroupDriver": "cgroupfs"}, {"limits": {"memory": "1Mi", "cpu": "1"}}, "/kubepods/podab-c"),
    ({"cgroupDriver": "systemd"}, {}, "kubepods-besteffort-podab_c.slice"),
])
def test_the_cgroup_of_a_pod(kubelet, resources, parent):
    assert runspec.cgroup_parent(kubelet, {"containers": [{"name": "c", "resources": resources}]}, "ab-c") == parent


def test_a_sandbox_has_the_host_ports():
    found = runspec.sandbox(POD, {"cgroupDriver": "cgroupfs"}, 1, {})
    assert found["port_mappings"] == [{"protocol": 1, "container_port": 8080, "host_port": 80, "host_ip": ""}]
    assert found["linux"]["security_context"]["namespace_options"]["network"] == cri.POD
    on_host = {**POD, "spec": {**POD["spec"], "hostNetwork": True}}
    found = runspec.sandbox(on_host, {"cgroupDriver": "cgroupfs"}, 1, {})
    assert (found["port_mappings"], found["hostname"]) == ([], "")
    assert found["linux"]["security_context"]["namespace_options"]["network"] == cri.NODE


def test_a_container_survives_the_wire():
    found = runspec.container(POD, {**POD["spec"]["containers"][0], "securityContext": {"runAsUser": 0}}, 2, "sha256:1", {"A": "1"},
                              [{"source": "/s", "target": "/t", "read_only": True}], str)
    codec = cri._CODEC
    again = codec.decoder("ContainerConfig")(codec.encoder("ContainerConfig")(found))
    assert again["metadata"] == {"name": "c", "attempt": 2} and again["envs"] == [{"key": "A", "value": "1"}]
    assert again["mounts"] == [{"container_path": "/t", "host_path": "/s", "readonly": True}]
    assert again["linux"]["resources"]["memory_limit_in_bytes"] == 64 << 20
    assert again["linux"]["security_context"]["run_as_user"] == {"value": 0}
    negative = codec.decoder("LinuxContainerResources")(codec.encoder("LinuxContainerResources")({"oom_score_adj": -997}))
    assert negative["oom_score_adj"] == -997


def test_a_container_gets_what_device_plugins_answered():
    answer = {"envs": {"NVIDIA_VISIBLE_DEVICES": "/var/run/nvidia-container-devices", "A": "of the plugin"},
              "mounts": [{"container_path": "/var/run/nvidia-container-devices/GPU-1", "host_path": "/dev/null", "read_only": False}],
              "devices": [{"container_path": "/dev/c", "host_path": "/dev/h", "permissions": "rw"}],
              "annotations": {"cdi.k8s.io/x": "nvidia.com/gpu=0"}, "cdi_devices": [{"name": "nvidia.com/gpu=0"}]}
    found = runspec.container(POD, POD["spec"]["containers"][0], 0, "sha256:1", {"A": "of the pod"}, [], str, [answer])
    codec = cri._CODEC
    again = codec.decoder("ContainerConfig")(codec.encoder("ContainerConfig")(found))
    assert [(e["key"], e["value"]) for e in again["envs"]] == [
        ("NVIDIA_VISIBLE_DEVICES", "/var/run/nvidia-container-devices"), ("A", "of the plugin"), ("A", "of the pod")]
    assert again["mounts"] == [{"container_path": "/var/run/nvidia-container-devices/GPU-1", "host_path": "/dev/null", "readonly": False}]
    assert again["devices"] == answer["devices"] and again["cdi_devices"] == answer["cdi_devices"]
    assert again["annotations"] == {"cdi.k8s.io/x": "nvidia.com/gpu=0", "io.kubernetes.container.restartCount": "0"}


# -- devices ---------------------------------------------------------------------------------------
GPU = "nvidia.com/gpu"


def gpu_pod(name, count=1):
    return {"metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"}, "spec": {"containers": [
        {"name": "c", "image": "x:1", "resources": {"limits": {GPU: str(count)}}}]}}


class GpuPlugin:
    """A plugin whose devices are handed to the manager by the test."""

    def allocate(self, ids):
        return {"envs": {"IDS": ",".join(ids)}, "mounts": [], "devices": [], "annotations": {}, "cdi_devices": []}


class Records:
    """The database of a node: nothing but what is put into it."""

    def __init__(self):
        self.rows = {}

    def get(self, key):
        return self.rows.get(key)


@pytest.fixture
def kubelet(monkeypatch, tmp_path):
    """EdgeCore's kubelet with one GPU, without a runtime; pods are decided on and never started."""
    monkeypatch.setattr(node, "address", lambda edged: "192.0.2.1")
    monkeypatch.setattr(PodWorker, "start", lambda self: None)
    settings = type("Settings", (), {"name": "edge1", "edged": {"rootDirectory": str(tmp_path)}, "kubelet": {}})
    kubelet = edged.Edged(settings, Records(), None)
    resource = kubelet.devices._resources[GPU] = devices._Resource()
    resource.devices, resource.plugin = {"GPU-1": True}, GpuPlugin()
    return kubelet


def test_one_device_goes_to_one_pod_and_is_free_again_after_it(kubelet):
    kubelet._take(gpu_pod("first"))
    assert kubelet.workers["uid-first"].rejected is None
    assert kubelet.devices.given("uid-first", "c")[0]["envs"] == {"IDS": "GPU-1"}
    kubelet._take(gpu_pod("second"))
    assert kubelet.workers["uid-second"].rejected == (
        "UnexpectedAdmissionError", f"Pod was rejected: Allocate failed due to requested number of devices unavailable for {GPU}. "
        "Requested: 1, Available: 0, which is unexpected")
    kubelet.workers["uid-first"].status = {"phase": "Succeeded"}
    kubelet._take(gpu_pod("third"))
    assert kubelet.workers["uid-third"].rejected is None


class Cloud:
    """Answers reports, after `meanwhile`, or does not."""

    def __init__(self, meanwhile=lambda: None, problem=None):
        self.meanwhile, self.problem, self.told = meanwhile, problem, []

    def request(self, _verb, body):
        self.told.append(body["status"]["conditions"])
        self.meanwhile()
        if self.problem:
            raise self.problem


@pytest.mark.parametrize("problem", [None, NotConnected(), NoAnswer("timeout")], ids=repr)
def test_what_changes_while_it_is_reported_is_reported_again(kubelet, problem):
    kubelet.database.put = lambda *_row: None
    kubelet._take(gpu_pod("first"))
    worker = kubelet.workers["uid-first"]

    def become_ready():
        worker.status = {"conditions": ["ready"]}
        kubelet.pod_changed(worker)

    worker.status = {"conditions": ["not ready"]}
    kubelet.pod_changed(worker)
    kubelet.link = Cloud(become_ready, problem)
    kubelet._report(worker)
    assert (kubelet.link.told, kubelet._dirty_pods) == ([["not ready"]], {"uid-first"})
    kubelet.link = Cloud()
    kubelet._report(worker)
    assert (kubelet.link.told, kubelet._dirty_pods) == ([["ready"]], set())


def test_a_device_that_no_plugin_ever_offered_is_refused(kubelet):
    del kubelet.devices._resources[GPU]
    kubelet._take(gpu_pod("first"))
    assert kubelet.workers["uid-first"].rejected[0] == f"OutOf{GPU}"


def test_after_a_restart_a_running_pod_keeps_its_device_and_one_of_before_a_reboot_is_refused(kubelet):
    kubelet._take(gpu_pod("first"))
    kubelet.workers.clear()
    kubelet.devices._resources[GPU].devices = {}                        # its plugin is not back yet
    kubelet._state = {}, {"uid-first": [{"state": cri.RUNNING}]}
    kubelet._take(gpu_pod("first"))
    assert kubelet.workers["uid-first"].rejected is None
    assert kubelet.devices.given("uid-first", "c")[0]["envs"] == {"IDS": "GPU-1"}
    kubelet.workers.clear()
    kubelet._state = {}, {"uid-first": [{"state": cri.EXITED}]}
    kubelet._take(gpu_pod("first"))
    assert "no healthy devices present" in kubelet.workers["uid-first"].rejected[1]


def test_a_refused_pod_stays_refused_over_a_restart(kubelet):
    kubelet.database.rows["default/podpatch/first"] = {"phase": "Failed", "reason": f"OutOf{GPU}", "message": "full"}
    kubelet._take(gpu_pod("first"))
    assert kubelet.workers["uid-first"].rejected == (f"OutOf{GPU}", "full")
    assert kubelet.devices.given("uid-first", "c") == []


def test_the_node_offers_what_plugins_offer():
    found = node.status("edge1", "192.0.2.1", "amd64", "1.6.20", None, [], {GPU: (2, 1)})
    assert (found["capacity"][GPU], found["allocatable"][GPU]) == ("2", "1")


def test_last_words_are_read_from_the_file_that_the_container_got(kubelet):
    kubelet._take(gpu_pod("first"))
    worker = kubelet.workers["uid-first"]
    mount = worker._words_mount({"name": "c"}, 3)
    assert mount["target"] == "/dev/termination-log"
    with open(mount["source"], "w", encoding="utf-8") as file:
        file.write("x" * 5000)
    state = worker.containers[0]
    state.attempt = 3
    assert worker._last_words(state) == "x" * 4096
    state.attempt = 2
    assert worker._last_words(state) == ""


@pytest.mark.parametrize("policy, codes, initialized, started, phase", [
    ("Always", [], True, False, "Pending"),
    ("Always", [], True, True, "Running"),
    ("Always", [1], True, True, "Running"),
    ("Never", [0], True, True, "Succeeded"),
    ("Never", [1], True, True, "Failed"),
    ("OnFailure", [1], True, True, "Running"),
    ("Always", [], False, True, "Pending"),
])
def test_phases(policy, codes, initialized, started, phase):
    class State:
        def __init__(self, code):
            self.state = {"terminated": {"exitCode": code}}

    assert podstatus.phase({"restartPolicy": policy}, [State(code) for code in codes], initialized, started) == phase


def test_the_condition_keeps_its_moment():
    first = podstatus.conditions([], "then", {"Ready": False, "ContainersReady": False}, ["c"])
    again = podstatus.conditions(first, "now", {"Ready": True, "ContainersReady": False}, ["c"])
    moments = {c["type"]: c["lastTransitionTime"] for c in again}
    assert (moments["Ready"], moments["ContainersReady"], moments["Initialized"]) == ("now", "then", "then")


def test_what_a_pod_needs_of_the_cloud():
    found = references({"spec": {"volumes": [
        {"name": "a", "secret": {"secretName": "s"}}, {"name": "b", "configMap": {"name": "m"}},
        {"name": "p", "projected": {"sources": [{"configMap": {"name": "root"}}, {"serviceAccountToken": {"path": "token"}}]}}],
        "containers": [{"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "k", "key": "A"}}}],
                        "envFrom": [{"secretRef": {"name": "e"}}]}]}})
    assert found == {("secrets", "s"), ("secrets", "e"), ("configmaps", "m"), ("configmaps", "root"), ("configmaps", "k")}


def test_pods_on_the_edge_have_no_service_of_the_api(tmp_path):
    files = PodFiles({"metadata": {"name": "p", "uid": "u"}, "spec": {}}, None, "192.0.2.1", tmp_path, ("", ""))
    assert files.environment({}, None, "")["KUBERNETES_SERVICE_HOST"] == ""
    assert "KUBERNETES_PORT" not in files.environment({}, None, ""), "by it EdgeMesh's agent knows on which side it is"


@pytest.mark.parametrize("text, seconds", [("5m0s", 300), ("10s", 10), ("1m30s", 90), ("500ms", 0.5), (40, 40), ("1h", 3600)])
def test_durations(text, seconds):
    assert durations.seconds(text) == seconds


# -- the build -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_kubeedge.build(tmp_path_factory.mktemp("kubeedge"), "v1.23.1")


def test_the_tarball_is_laid_out_as_upstreams(built, tmp_path):
    assert [path.name for path in built] == [f"kubeedge-v1.23.1-linux-{arch}.tar.gz" for arch in ("amd64", "arm64")]
    sums = built[0].with_name(f"checksum_{built[0].name}.txt").read_text()
    assert sums == hashlib.sha512(built[0].read_bytes()).hexdigest()
    with tarfile.open(built[0]) as archive:
        assert archive.getnames() == [f"kubeedge-v1.23.1-linux-amd64/{name}" for name in (
            "cloud/cloudcore/cloudcore", "edge/edgecore", "version")]
        assert archive.extractfile("kubeedge-v1.23.1-linux-amd64/version").read() == b"v1.23.1"
    assert build_kubeedge.build(tmp_path, "v1.23.1")[0].read_bytes() == built[0].read_bytes()


@pytest.mark.parametrize("member, words, code, text", [
    ("edge/edgecore", ["--config", "/nonexistent"], 1, "server.go:66] [\n  config: Required value: config file /nonexistent not exist"),
    ("edge/edgecore", ["--no-such"], 1, "unknown flag: --no-such"),
    ("edge/edgecore", ["--defaultconfig"], 0, "edgecoreVersion: v1.23.1"),
    ("cloud/cloudcore/cloudcore", ["--version"], 1, "unknown flag: --version"),
    ("cloud/cloudcore/cloudcore", ["--config=/nonexistent"], 1, "config file /nonexistent not exist"),
])
def test_commands(built, tmp_path, member, words, code, text):
    with tarfile.open(built[0]) as archive:
        program = tmp_path / "program"
        program.write_bytes(archive.extractfile(f"kubeedge-v1.23.1-linux-amd64/{member}").read())
    done = subprocess.run(["python3", str(program), *words], capture_output=True, text=True, timeout=30)
    assert done.returncode == code, done
    assert text in done.stdout + done.stderr
