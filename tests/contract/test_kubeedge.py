# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What CloudCore and EdgeCore do, and what an operator sees of an EdgeCore that cannot.

The expectations were seen on real CloudCore and EdgeCore 1.23 (systemd 252, containerd 1.6, RestartSec=10).
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from dataclasses import dataclass

import pytest
from edge_hosts import CONFIG, PAUSE, TOKEN_FILE, Cloud, Edge, image_under_test, lock_of_mirror

pytestmark = pytest.mark.edge
OTHER_CA = "0" * 64


@pytest.fixture(scope="module")
def cloud():
    host = Cloud(os.environ["EDGEAI_CONTRACT_CLOUD"], os.environ["EDGEAI_CONTRACT_MIRROR"])
    host.prepare(lock_of_mirror(os.environ["EDGEAI_CONTRACT_MIRROR_DIR"]))
    return host


@pytest.fixture(scope="module")
def prepared(cloud):
    host = Edge(os.environ["EDGEAI_CONTRACT_EDGE"], cloud.mirror, cloud)
    host.prepare(lock_of_mirror(os.environ["EDGEAI_CONTRACT_MIRROR_DIR"]), image_under_test()[0])
    yield host
    host.wipe()


@pytest.fixture
def edge(prepared):
    """An edge host that never joined."""
    prepared.wipe()
    prepared.containerd()
    prepared.configure(prepared.settings())
    return prepared


@pytest.fixture(scope="module")
def joined(prepared):
    """An edge host that joined, and the moment of its start."""
    prepared.containerd()
    prepared.mark = prepared.join()
    return prepared


def pod(name, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": {
        "nodeName": spec.pop("node"), "automountServiceAccountToken": spec.pop("token", False), "terminationGracePeriodSeconds": 1,
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "c", "image": image_under_test()[1], "imagePullPolicy": "IfNotPresent",
                        "ports": [{"containerPort": 8080, "hostPort": 18080}]}], **spec}}


def create(cloud, document):
    cloud.run("k3s kubectl apply -f -", text_in=json.dumps(document))


def get_pod(cloud, name):
    done = cloud.run(f"k3s kubectl get pod {name} -n default -o json", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def until(check, seconds, what="that"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds} s: {what}")


@pytest.fixture
def running_pod(joined, cloud):
    """A pod that serves on the edge."""
    create(cloud, pod("served", node=joined.name))
    until(lambda: (get_pod(cloud, "served") or {}).get("status", {}).get("phase") == "Running", 60, "the pod runs")
    joined.wait_for("curl -sf -m 2 http://127.0.0.1:18080/health", 60)
    yield get_pod(cloud, "served")
    cloud.run("k3s kubectl delete pod served -n default --wait=false", check=False)
    until(lambda: get_pod(cloud, "served") is None, 60, "the pod is gone")


# -- port 10002 ------------------------------------------------------------------------------------
@pytest.mark.parametrize("request_line, status, body", [
    ("/ca.crt -o /dev/null", 200, ""),
    ("-X POST /ca.crt", 405, "405: Method Not Allowed"),
    ("/edge.crt", 401, "token validation failure, token is empty"),
    ("-H 'Authorization: Bearer bogus' /edge.crt", 401,
     "token validation failure, err: token is malformed: token contains an invalid number of segments"),
    ("/node/no-such-node", 404, "Node not found"),
    ("/node/cloud1", 200, "Node founded"),
    ("/node/", 404, "404: Page Not Found"),
    ("/healthz", 404, "404: Page Not Found"),
    ("-X POST /nodeupgrade", 400, "failed to marshal task info: unexpected end of JSON input"),
])
def test_answers_of_port_10002(cloud, request_line, status, body):
    line = re.sub(r"(^|\s)(/\S+)", rf"\1https://{cloud.address}:10002\2", request_line.replace("/dev/null", "DEVNULL")).replace(
        "DEVNULL", "/dev/null")
    found = cloud.out(f"curl -sk --http1.1 -w '\\n%{{http_code}}' {line}").splitlines()
    assert (int(found[-1]), "\n".join(found[:-1])) == (status, body)


def test_the_ca_is_der_and_its_hash_begins_the_token(cloud):
    digest = cloud.out(f"curl -sk https://{cloud.address}:10002/ca.crt | sha256sum").split()[0]
    token = cloud.token()
    assert token.startswith(digest + ".") and len(token.split(".")) == 4
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[2] + "=="))
    assert list(claims) == ["exp"] and 23 * 3600 < claims["exp"] - time.time() <= 24 * 3600 + 60
    assert "subject=CN = KubeEdge" in cloud.out(f"curl -sk https://{cloud.address}:10002/ca.crt | openssl x509 -inform DER -noout -subject")


def test_cloudcore_has_no_version_flag(cloud):
    done = cloud.run("cloudcore --version", check=False)
    assert done.returncode == 1 and "unknown flag: --version" in done.stdout + done.stderr


def test_secrets_and_config_map(cloud):
    assert set(cloud.secret("casecret")) == {"cadata", "cakeydata"}
    assert set(cloud.secret("cloudcoresecret")) == {"cloudcoredata", "cloudcorekeydata"}
    record = json.loads(cloud.out("k3s kubectl get configmap tunnelport -n kubeedge -o json"))
    assert "tunnelportrecord.kubeedge.io" in record["metadata"]["annotations"]


def test_a_restart_keeps_the_ca_and_tokens_stay_good(cloud, edge):
    before, token = cloud.secret("casecret"), cloud.token()
    cloud.serve()
    assert cloud.secret("casecret") == before
    edge.give_token(token)
    edge.start()
    edge.await_ready(60)


def test_new_names_do_not_reach_an_existing_certificate(cloud):
    before = cloud.secret("cloudcoresecret")
    config = cloud.out("cat /etc/kubeedge/config/cloudcore.yaml")
    try:
        cloud.write("/etc/kubeedge/config/cloudcore.yaml", config.replace("- cloud1", "- cloud1\n      - other.example"))
        cloud.serve()
        assert cloud.secret("cloudcoresecret") == before
    finally:
        cloud.write("/etc/kubeedge/config/cloudcore.yaml", config)
        cloud.serve()


# -- starts that go wrong --------------------------------------------------------------------------
@dataclass
class Case:
    """A start that goes wrong: `token` (a function of the cloud), `change` of the settings, and what is seen of it."""
    name: str
    line: str                         # regular expression; one journal line
    code: str = "2"
    token: object = Cloud.token
    change: object = None             # function of (edge, settings) -> settings or text
    before: object = None             # function of edge
    files: str = ""                   # what lies below /etc/kubeedge/{ca,certs} afterwards


def _changed(**modules):
    def change(_, settings):
        for name, values in modules.items():
            for key, value in values.items():
                old = settings["modules"][name].get(key)
                settings["modules"][name][key] = {**old, **value} if isinstance(old, dict) else value
        return settings
    return change


WRONG = "panic: failed to apply the edge certs, err: token {} credentials are in the wrong format"
CASES = [
    Case("no token", WRONG.format(""), token=None),
    Case("blank token", WRONG.format(""), token=lambda cloud: ""),
    Case("truncated token", WRONG.format("[0-9a-f.A-Za-z]{100}"), token=lambda cloud: cloud.token()[:100]),
    Case("base64 token", WRONG.format("[A-Za-z0-9+/=]+"), token=lambda cloud: base64.b64encode(cloud.token().encode()).decode()),
    Case("quoted token", 'failed to validate CA certificate. tokenCAhash: "[0-9a-f]{64}, CAhash: [0-9a-f]{64}',
         token=lambda cloud: f'"{cloud.token()}"'),
    Case("token of another CA", f"failed to validate CA certificate. tokenCAhash: {OTHER_CA}, CAhash: [0-9a-f]{{64}}",
         token=lambda cloud: OTHER_CA + cloud.token()[64:]),
    Case("expired token", "failed to get edge certificate from the cloudcore, error: failed to call http, code: 401, message: token "
         "validation failure, err: token has invalid claims: token is expired", token=lambda cloud: cloud.minted(time.time() - 3600),
         files="rootCA.crt"),
    Case("token of another key", "code: 401, message: token validation failure, err: token signature is invalid: signature is invalid",
         token=lambda cloud: cloud.minted(time.time() + 3600, b"another key"), files="rootCA.crt"),
    Case("name that is not in the certificate", 'Get "https://cloudx:10002/edge.crt": tls: failed to verify certificate: x509: '
         "certificate is valid for cloud1, not cloudx", change=_changed(edgeHub={"httpServer": "https://cloudx:10002"}),
         before=lambda edge: edge.run(f"grep -q cloudx /etc/hosts || echo {edge.cloud.address} cloudx >> /etc/hosts"), files="rootCA.crt"),
    Case("port closed", r'failed to get CA certificate, err: Get "https://[\d.]+:10009/ca.crt": dial tcp [\d.]+:10009: connect: '
         "connection refused", change=lambda edge, s: _changed(edgeHub={"httpServer": f"https://{edge.cloud.address}:10009"})(edge, s)),
    Case("both transports", "enable: Invalid value: true: websocket.enable and quic.enable cannot be true and false at the same time", "1",
         change=_changed(edgeHub={"quic": {"enable": True}})),
    Case("bad node name", 'HostnameOverride: Invalid value: "Edge_3": a lowercase RFC 1123 subdomain must consist of', "1",
         change=_changed(edged={"hostnameOverride": "Edge_3"})),
    Case("bad cgroup driver", 'CGroupDriver: Invalid value: "foo": CGroupDriver value error', "1",
         change=_changed(edged={"tailoredKubeletConfig": {"cgroupDriver": "foo"}})),
    Case("broken yaml", "failed to unmarshal configfile /etc/kubeedge/config/edgecore.yaml, err: error converting YAML to JSON: yaml: ", "1",
         change=lambda edge, s: "modules:\n  edged: {a: [\n  b\n"),
    Case("no configuration", "config: Required value: config file /etc/kubeedge/config/edgecore.yaml not exist", "1",
         before=lambda edge: edge.run(f"rm -f {CONFIG}"), change=lambda edge, s: None),
    Case("kubelet process", "failed to check the running environment: kubelet should not be running on edge node when starting edgecore",
         "1", change=_changed(metaManager={"metaServer": {"enable": False}}),
         before=lambda edge: edge.run("cp /bin/sleep /root/kubelet; systemd-run --unit=fake-kubelet /root/kubelet 600", check=False)),
    Case("containerd stopped", 'Start edged failed, err: failed to run Kubelet: validate service connection: validate CRI v1 runtime API for '
         'endpoint "unix:///run/containerd/containerd.sock": rpc error: code = Unavailable desc = connection error',
         before=lambda edge: edge.run("systemctl stop containerd; rm -f /run/containerd/containerd.sock"), files="*"),
    Case("CRI disabled", 'validate CRI v1 runtime API for endpoint "unix:///run/containerd/containerd.sock": rpc error: code = '
         "Unimplemented desc = unknown service runtime.v1.RuntimeService",
         before=lambda edge: edge.containerd(disabled='disabled_plugins = ["io.containerd.grpc.v1.cri"]'), files="*"),
    Case("database directory not writable", "Failed to connect to DB: unable to open database file: no such file or directory", "1",
         before=lambda edge: edge.run("mkdir -p /var/lib/kubeedge && mount -t tmpfs -o ro none /var/lib/kubeedge")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_start_that_goes_wrong(edge, cloud, case):
    try:
        if case.token:
            edge.give_token(case.token(cloud))
        if case.before:
            case.before(edge)
        settings = case.change(edge, edge.settings()) if case.change else edge.settings()
        if settings:
            edge.configure(settings)
        mark = edge.start()
        edge.await_line(mark, case.line, 30)
        state = until(lambda: (lambda s: s if s["ExecMainStatus"] != "0" else None)(edge.state()), 20, "the program ended")
        assert (state["ExecMainStatus"], state["Result"]) == (case.code, "exit-code")
        assert cloud.node(edge.name) is None
        if case.files != "*":
            found = edge.out("cd /etc/kubeedge && find ca certs -type f -printf '%f\\n' 2>/dev/null", check=False)
            assert found == case.files
    finally:
        edge.stop()
        edge.run("systemctl stop fake-kubelet; umount /var/lib/kubeedge; systemctl start containerd", check=False)


# -- a start that goes well ------------------------------------------------------------------------
def test_files_and_modes_of_a_join(joined):
    found = joined.out("stat -c '%n %a' /etc/kubeedge/ca /etc/kubeedge/ca/rootCA.crt /etc/kubeedge/certs /etc/kubeedge/certs/server.crt "
                       f"/etc/kubeedge/certs/server.key /var/lib/kubeedge /var/lib/kubeedge/edgecore.db {TOKEN_FILE} "
                       "/etc/kubeedge/dmi.sock /var/lib/kubelet/pods")
    assert dict(line.rsplit(" ", 1) for line in found.splitlines()) == {
        "/etc/kubeedge/ca": "700", "/etc/kubeedge/ca/rootCA.crt": "600", "/etc/kubeedge/certs": "700",
        "/etc/kubeedge/certs/server.crt": "600", "/etc/kubeedge/certs/server.key": "600", "/var/lib/kubeedge": "755",
        "/var/lib/kubeedge/edgecore.db": "644", TOKEN_FILE: "600", "/etc/kubeedge/dmi.sock": "755", "/var/lib/kubelet/pods": "750"}
    subject = joined.out("openssl x509 -noout -subject -in /etc/kubeedge/certs/server.crt")
    assert subject == f"subject=O = system:nodes, CN = system:node:{joined.name}"


def test_the_node_of_a_join(joined, cloud):
    node = cloud.node(joined.name)
    meta, status = node["metadata"], node["status"]
    assert {"node-role.kubernetes.io/edge": "", "node-role.kubernetes.io/agent": "", "site": "a", "kubernetes.io/hostname": joined.name,
            "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}.items() <= meta["labels"].items()
    assert "node.kubernetes.io/instance-type" not in meta["labels"] and "providerID" not in node["spec"]
    assert meta["annotations"]["cloudcore"] == cloud.address
    ready = cloud.ready(joined.name)
    assert (ready["reason"], ready["message"]) == ("EdgeReady", "edge is posting ready status")
    assert re.fullmatch(r"v1\.32\.10\S*-kubeedge-v1\.23\.1", status["nodeInfo"]["kubeletVersion"])
    assert status["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 10350
    assert status["addresses"] == [{"type": "InternalIP", "address": joined.address}, {"type": "Hostname", "address": joined.name}]
    assert not status.get("images")
    assert {c["type"] for c in status["conditions"]} == {"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"}


@pytest.mark.parametrize("line", [
    "Version: v1.23.1", "Reuse the token to obtain the certificate", "dial wss://[\\d.]+:10000/[0-9a-f]{32}/\\S+/events successfully",
    "Websocket connect to cloud access successful", '"Container runtime initialized" containerRuntime="containerd"',
    '"Started kubelet"', '"Attempting to register node"', '"Successfully registered node"'])
def test_the_journal_of_a_join(joined, line):
    joined.await_line(joined.mark, line, 5)


def test_the_configuration_is_left_alone(joined):
    assert joined.out(f"grep -c . {CONFIG}") == str(len([line for line in joined.out(f"cat {CONFIG}").splitlines() if line.strip()]))
    assert "token" not in joined.out(f"cat {CONFIG}")


def test_local_apis(joined):
    for path in ("10350/healthz", "10350/healthz/syncloop", "10550/healthz", "10550/readyz", "10550/livez"):
        assert joined.out(f"curl -sf http://127.0.0.1:{path}") == "ok"
    nodes = json.loads(joined.out("curl -sf http://127.0.0.1:10550/api/v1/nodes"))["items"]
    assert joined.name in {node["metadata"]["name"] for node in nodes}


def test_the_lease_is_renewed(joined, cloud):
    def stamp():
        done = cloud.run(f"k3s kubectl get lease {joined.name} -n kube-node-lease -o json", check=False)
        return json.loads(done.stdout)["spec"]["renewTime"] if done.returncode == 0 else None
    first = until(stamp, 30, "a lease")
    until(lambda: stamp() != first, 30, "a renewed lease")


def test_a_pod_runs_and_is_known_everywhere(joined, cloud, running_pod):
    uid, status = running_pod["metadata"]["uid"], running_pod["status"]
    assert status["hostIP"] == joined.address and status["podIP"].startswith("10.244.21.")
    assert status["containerStatuses"][0]["containerID"].startswith("containerd://")
    local, = [p for p in joined.local_pods() if p["metadata"]["uid"] == uid]
    assert local["metadata"]["annotations"]["kubernetes.io/config.source"] == "api"
    keys = joined.out("sqlite3 /var/lib/kubeedge/edgecore.db 'select key from meta'").splitlines()
    assert {"default/pod/served", "default/podpatch/served", f"null/node/{joined.name}"} <= set(keys)


def test_a_restart_keeps_containers(joined, running_pod):
    before = joined.out("ctr -n k8s.io tasks ls -q | sort")
    joined.run("systemctl restart edgecore")
    joined.wait_for("curl -sf http://127.0.0.1:10350/healthz/syncloop", 30)
    time.sleep(5)
    assert joined.out("ctr -n k8s.io tasks ls -q | sort") == before
    assert joined.state()["Result"] == "success"


def test_a_killed_container_comes_back_at_once(joined, cloud, running_pod):
    container = running_pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    joined.run(f"ctr -n k8s.io tasks kill -s 9 {container}")
    until(lambda: get_pod(cloud, "served")["status"]["containerStatuses"][0]["restartCount"] == 1, 30, "a restart")
    joined.wait_for("curl -sf -m 2 http://127.0.0.1:18080/health", 30)


def test_a_runtime_class_never_works_and_nobody_says_so(joined, cloud):
    create(cloud, pod("classy", node=joined.name, runtimeClassName="nvidia"))
    try:
        joined.await_line(joined.mark, r'"Failed to generate sandbox config for pod" err="runtimeclass.node.k8s.io \\"nvidia\\" not found"', 40)
        status = get_pod(cloud, "classy")["status"]
        assert status["phase"] == "Pending"
        assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    finally:
        cloud.run("k3s kubectl delete pod classy -n default --wait=false")
        until(lambda: get_pod(cloud, "classy") is None, 60, "the pod is gone")


def test_a_missing_image_is_said(joined, cloud):
    document = pod("imageless", node=joined.name)
    document["spec"]["containers"][0].update(image="registry.invalid/none:1", ports=[])
    create(cloud, document)
    try:
        waiting = until(lambda: (lambda s: s if s.get("reason") in ("ErrImagePull", "ImagePullBackOff") else None)(
            ((get_pod(cloud, "imageless")["status"].get("containerStatuses") or [{}])[0].get("state") or {}).get("waiting") or {}), 60,
            "a waiting reason")
        assert "registry.invalid" in waiting["message"]
    finally:
        cloud.run("k3s kubectl delete pod imageless -n default --wait=false")
        until(lambda: get_pod(cloud, "imageless") is None, 60, "the pod is gone")


# -- other starts and their ends -------------------------------------------------------------------
def test_another_version_in_the_file_rewrites_it_with_the_token(edge, cloud):
    settings = edge.settings()
    settings["edgecoreVersion"] = "v1.22.0"
    edge.configure(settings)
    edge.give_token(cloud.token())
    edge.start()
    edge.await_ready(60)
    text = edge.out(f"cat {CONFIG}")
    assert "edgecoreVersion: v1.23.1" in text and cloud.token() in text and "remoteQueryTimeout: 60" in text
    assert edge.out(f"stat -c %a {CONFIG}") == "600"


def test_an_unknown_key_is_taken_silently(edge, cloud):
    settings = edge.settings()
    settings["modules"]["noSuchModule"] = {"enable": True}
    edge.configure(settings)
    edge.give_token(cloud.token())
    edge.start()
    edge.await_ready(60)


def test_without_cni_the_node_says_why(edge, cloud):
    edge.run("mv /etc/cni/net.d/10-edge.conflist /root/; systemctl restart containerd")
    try:
        edge.give_token(cloud.token())
        edge.start()
        message = until(lambda: (lambda r: r.get("message") if "network" in r.get("message", "") else None)(cloud.ready(edge.name)), 40,
                        "a reason")
        assert message.startswith("container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady")
        assert cloud.ready(edge.name)["status"] == "False"
        assert edge.out("curl -sf http://127.0.0.1:10350/healthz/syncloop") == "ok"
    finally:
        edge.run("mv /root/10-edge.conflist /etc/cni/net.d/; systemctl restart containerd")


@pytest.mark.parametrize("settings, line", [
    ({"pause": "registry.invalid/pause:9"}, '"Failed to create sandbox for pod" err="rpc error: code = Unknown desc = failed to get sandbox '
     "image"),
    ({"systemd": "true"}, "expected cgroupsPath to be of format"),
], ids=["pause image missing", "cgroup drivers differ"])
def test_no_sandbox_behind_a_ready_node(edge, cloud, settings, line):
    edge.containerd(**settings)
    edge.give_token(cloud.token())
    mark = edge.start()
    edge.await_ready(60)
    create(cloud, pod("boxless", node=edge.name))
    try:
        edge.await_line(mark, line, 60)
        status = get_pod(cloud, "boxless")["status"]
        assert status["phase"] == "Pending"
        assert all(c["state"] == {"waiting": {"reason": "ContainerCreating"}} for c in status.get("containerStatuses") or [])
        assert cloud.ready(edge.name)["status"] == "True"
        edge.containerd(pause=PAUSE)
        until(lambda: get_pod(cloud, "boxless")["status"]["phase"] == "Running", 90, "the pod runs after the repair")
    finally:
        edge.containerd()
        cloud.run("k3s kubectl delete pod boxless -n default --wait=false")
        until(lambda: get_pod(cloud, "boxless") is None, 60, "the pod is gone")


def test_a_node_without_its_database_loops_behind_a_ready_node(edge, cloud):
    edge.join()
    edge.stop()
    edge.run("rm -rf /var/lib/kubeedge")
    edge.give_token(cloud.token())
    mark = edge.start()
    edge.await_line(mark, '"Unable to register node with API server, error getting existing node" err="node length from meta db is 0"', 30)
    edge.await_line(mark, "Failed to initialize CSINode after retrying: timed out waiting for the condition", 60)
    assert until(lambda: (lambda s: s if s["ExecMainStatus"] != "0" else None)(edge.state()), 20)["ExecMainStatus"] == "255"
    assert cloud.ready(edge.name)["status"] == "True"


def test_a_deleted_node_registers_at_the_next_start_only(edge, cloud):
    edge.join()
    cloud.delete_node(edge.name)
    time.sleep(15)
    assert cloud.node(edge.name) is None and edge.state()["ActiveState"] == "active"
    edge.run("systemctl restart edgecore")
    edge.await_ready(30)


def test_another_ca_is_never_taken_again(edge, cloud):
    """Last, because it orphans everything that joined before."""
    edge.join()
    cloud.run("k3s kubectl delete secret casecret cloudcoresecret tokensecret -n kubeedge")
    cloud.serve()
    mark = edge.out("date +%s.%N")
    edge.await_line(mark, r"dial websocket error\(tls: failed to verify certificate: x509: certificate signed by unknown authority", 60)
    edge.give_token(cloud.token())
    edge.run("systemctl restart edgecore")
    edge.await_line(mark, r"Init websocket connection failed", 40)
    assert edge.state()["ActiveState"] == "active"
    edge.stop()
    edge.run("rm -rf /etc/kubeedge/ca /etc/kubeedge/certs")
    mark = edge.start()
    edge.await_line(mark, "Websocket connect to cloud access successful", 30)
