"""CloudCore in both shapes. Each test leaves both of them up and converged, up to the last, which removes them."""
from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import time

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_certificates
from scenario import Scenario, reboot, run, wait_until

CLOUDCORE = "edgeai.sites.cloudcore"
SCENARIO = Scenario(__file__)
CLOUD, HALL = SCENARIO.host("cc-cloud"), SCENARIO.host("cc-hall")
EDGE = {"cc-cloud": SCENARIO.host("cc-far-edge"), "cc-hall": SCENARIO.host("cc-hall-edge")}
PREPARE, APPLY = "Check the cluster and renew what does not fit", "Apply CloudCore"
PROVE, SERVICE = "Prove that CloudCore is up and that nodes can join it", "Run CloudCore as a service"
VAULT = ("--vault-password-file", SCENARIO.state / "vault-password")
WAYS = {"cc-cloud": "cloud", "cc-hall": "own-hall"}


def kubectl(host, *arguments, stdin=""):
    done = host.run(f"{f'echo {shlex.quote(stdin)} | ' if stdin else ''}k3s kubectl {shlex.join(arguments)}")
    assert done.rc == 0, done.stderr
    return done.stdout


def secret(host, name):
    """Decoded data of a secret of CloudCore."""
    data = json.loads(kubectl(host, "-n", "kubeedge", "get", "secret", name, "-o", "json"))["data"]
    return {key: base64.b64decode(value) for key, value in data.items()}


def write_secret(host, name, data):
    patch = {"data": {key: base64.b64encode(value).decode() for key, value in data.items()}}
    kubectl(host, "-n", "kubeedge", "patch", "secret", name, "--type", "merge", "-p", json.dumps(patch))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def ca_and_certificate(host):
    return sha256(secret(host, "casecret")["cadata"]), sha256(secret(host, "cloudcoresecret")["cloudcoredata"])


def seen_by_edge(name):
    """(SHA-256 of the CA, names in the certificate), as an edge host gets them from CloudCore on `name`."""
    address = SCENARIO.nodes[name]["address"]
    edge = EDGE[name]
    ca = edge.check_output(f"curl -sk --max-time 5 https://{address}:10002/ca.crt | sha256sum").split()[0]
    text = edge.check_output(f"echo | openssl s_client -connect {address}:10002 2>/dev/null | openssl x509 -noout -ext subjectAltName")
    return ca, sorted(re.findall(r"(?:DNS|IP Address):([\w.:-]+)", text))


def pods():
    """{name: restarts} of CloudCore in the cloud's cluster."""
    items = json.loads(kubectl(CLOUD, "-n", "kubeedge", "get", "pods", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["status"]["containerStatuses"][0]["restartCount"] for item in items
            if not item["metadata"].get("deletionTimestamp")}


def main_pid():
    return HALL.check_output("systemctl show cloudcore --property MainPID --value").strip()


def token_of(place):
    """What the module cloudcore_token says: (exit code, result or message)."""
    kubeconfig = SCENARIO.state / "state" / place / "kubeconfig"
    done = run("ansible", "localhost", "-m", "edgeai.sites.cloudcore_token", "-a", f"kubeconfig={kubeconfig} place={place}",
               ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal", ANSIBLE_LOAD_CALLBACK_PLUGINS="true")
    return done.returncode, done.stdout + done.stderr


def nothing_left_to_do(*arguments, **variables):
    again = SCENARIO.play(CLOUDCORE, *arguments, variables=variables or None)
    assert again.code == 0 and again.changed == {}, again.text
    return again


def test_the_second_run_changes_nothing_with_few_calls():
    before = pods(), main_pid()
    again = nothing_left_to_do()
    assert (pods(), main_pid()) == before
    for name, calls in (("cc-cloud", 3), ("cc-hall", 4)):
        done = [task for task, host, result in again.results if host == name and not result.get("skipped")
                and task in (PREPARE, APPLY, PROVE, SERVICE)]
        assert len(done) == calls, done
    check = SCENARIO.play(CLOUDCORE, "--check")
    assert check.code == 0 and check.changed == {}, check.text


@pytest.mark.parametrize("name", sorted(WAYS))
def test_edge_hosts_get_the_ca_that_the_cluster_holds(name):
    host = {"cc-cloud": CLOUD, "cc-hall": HALL}[name]
    ca, names = seen_by_edge(name)
    assert ca == sha256(secret(host, "casecret")["cadata"])
    assert SCENARIO.nodes[name]["address"] in names
    code, text = token_of(WAYS[name])
    assert code == 0 and ca in text


def test_secrets_are_in_no_output_and_no_readable_file():
    assert HALL.check_output("stat -c %a /etc/kubeedge/config/cloudcore.yaml /etc/kubeedge/stream/stream.key").split() == ["600", "600"]
    play = SCENARIO.play(CLOUDCORE, "-vvv", "--diff")
    planted = [secret(host, name)[key] for host in (CLOUD, HALL) for name, key in
               (("casecret", "cakeydata"), ("cloudcoresecret", "cloudcorekeydata"), ("tokensecret", "tokendata"),
                ("cloudcore-stream", "stream.key"))]
    for value in planted:
        for form in (value.decode("latin-1").strip(), base64.b64encode(value).decode()):
            assert form not in play.text
            assert form.splitlines()[-2 if "PRIVATE KEY" in form else 0] not in play.text


def test_changed_names_renew_the_certificate_and_nothing_else():
    ca = {host: ca_and_certificate(host) for host in (CLOUD, HALL)}
    before, pid = pods(), main_pid()
    names = {"cloudcore_names": ["edge.cloud.example", "second.example"]}
    predicted = SCENARIO.play(CLOUDCORE, "--check", "--diff", variables=names)
    assert predicted.code == 0 and set(predicted.changed) == set(WAYS), predicted.text
    assert {host: ca_and_certificate(host) for host in (CLOUD, HALL)} == ca and (pods(), main_pid()) == (before, pid)

    play = SCENARIO.play(CLOUDCORE, variables=names)
    assert play.code == 0, play.text
    assert "certificate" in play.one(SERVICE, "cc-hall")["restart_reasons"]
    for name, host in (("cc-cloud", CLOUD), ("cc-hall", HALL)):
        now = ca_and_certificate(host)
        assert now[0] == ca[host][0] and now[1] != ca[host][1]
        assert "second.example" in seen_by_edge(name)[1]
    # Once: one new pod, and a service that systemd did not have to start again.
    after = pods()
    assert len(after) == 1 and not set(after) & set(before) and set(after.values()) == {0}
    assert main_pid() != pid
    assert HALL.check_output("systemctl show cloudcore --property NRestarts --value").strip() == "0"
    nothing_left_to_do(**names)
    assert pods() == after

    assert SCENARIO.play(CLOUDCORE).code == 0
    assert "second.example" not in seen_by_edge("cc-cloud")[1]


def test_tokens_that_would_fail_are_told_apart():
    good = secret(CLOUD, "tokensecret")["tokendata"]
    foreign = secret(HALL, "tokensecret")["tokendata"]
    head, claims = good.split(b".")[:2], base64.urlsafe_b64encode(b'{"exp":1000000000}').rstrip(b"=")
    for bad, words in ((good[:-9], "cut off"), (base64.b64encode(good), "wrapped in base64"), (foreign, "another CA's"),
                       (b".".join([*head, claims, good.split(b".")[3]]), "expired"), (b"", "there is no token")):
        write_secret(CLOUD, "tokensecret", {"tokendata": bad})
        code, text = token_of("cloud")
        assert code != 0 and words in text
        assert not bad or bad.decode()[70:] not in text
    write_secret(CLOUD, "tokensecret", {"tokendata": good})
    assert token_of("cloud")[0] == 0


def test_a_lost_ca_is_restored_and_never_made_anew():
    VAULT[1].write_text("a password of this test\n", encoding="utf-8")
    backup = SCENARIO.state / "cloudcore-ca.vault"
    backup.unlink(missing_ok=True)
    limit = ("-l", "cc-cloud")
    with_backup = {"cloudcore_ca_backup": str(backup)}
    refused = SCENARIO.play(CLOUDCORE, *limit, variables=with_backup)
    assert "no vault secret" in refused.error("cc-cloud") and not backup.exists()

    kept = SCENARIO.play(CLOUDCORE, *limit, *VAULT, variables=with_backup)
    assert kept.code == 0 and kept.changed == {"cc-cloud": 1}, kept.text
    ca = secret(CLOUD, "casecret")
    assert backup.read_bytes().startswith(b"$ANSIBLE_VAULT") and backup.stat().st_mode & 0o777 == 0o600
    nothing_left_to_do(*limit, *VAULT, **with_backup)

    kubectl(CLOUD, "-n", "kubeedge", "delete", "secret", "casecret")
    lost = SCENARIO.play(CLOUDCORE, *limit, variables=with_backup)
    assert "no edge node trusts it" in lost.error("cc-cloud") and "cloudcore_ca_restore" in lost.error("cc-cloud")
    assert "casecret" not in kubectl(CLOUD, "-n", "kubeedge", "get", "secrets")

    restored = SCENARIO.play(CLOUDCORE, *limit, *VAULT, variables=dict(with_backup, cloudcore_ca_restore=True))
    assert restored.code == 0, restored.text
    assert secret(CLOUD, "casecret") == ca and seen_by_edge("cc-cloud")[0] == sha256(ca["cadata"])
    assert token_of("cloud")[0] == 0
    nothing_left_to_do(*limit, *VAULT, **with_backup)


def test_the_stream_certificate_is_renewed_before_it_expires():
    before = pods()
    old = cloud_certificates.stream_files(["cloudcore"], time.time() - 340 * 86400)
    write_secret(CLOUD, "cloudcore-stream", {name: text.encode() for name, text in old.items()})
    play = SCENARIO.play(CLOUDCORE, "-l", "cc-cloud")
    assert play.code == 0, play.text
    assert "expires in 24 days" in " ".join(play.one(PREPARE, "cc-cloud")["reasons"])
    assert play.one(PROVE, "cc-cloud")["stream_expires"] > time.time() + 360 * 86400
    assert not set(pods()) & set(before)
    nothing_left_to_do("-l", "cc-cloud")


def test_daemon_sets_are_kept_off_edge_nodes_on_request():
    pod = {"containers": [{"name": "x", "image": "registry.invalid/x:1"}], "nodeSelector": {"camera": "surface"}}
    kubectl(CLOUD, "apply", "-f", "-", stdin=json.dumps({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "stray", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod}}}))
    told = SCENARIO.play(CLOUDCORE, "-l", "cc-cloud")
    assert told.code == 0 and told.changed == {}, told.text
    assert [stray["name"] for stray in told.one(PREPARE, "cc-cloud")["strays"]] == ["stray"]
    kept = SCENARIO.play(CLOUDCORE, "-l", "cc-cloud", variables={"cloudcore_keep_off_edge": True})
    assert kept.changed == {"cc-cloud": 1}, kept.text
    assert "node-role.kubernetes.io/edge" in kubectl(CLOUD, "get", "daemonset", "stray", "-o", "jsonpath={.spec.template.spec.affinity}")
    nothing_left_to_do("-l", "cc-cloud", cloudcore_keep_off_edge=True)
    kubectl(CLOUD, "delete", "daemonset", "stray")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"cloudcore_version": "v1.23.0"}, "security fixes of July 2026"),
        ({"cloudcore_unsupported_kubernetes": False}, "outside KubeEdge's matrix"),
    ],
)
def test_versions_that_do_not_go_are_refused(variables, words):
    play = SCENARIO.play(CLOUDCORE, "-l", "cc-cloud", variables=variables)
    assert words in play.error("cc-cloud") and "Nothing was changed" in play.error("cc-cloud"), play.text
    assert play.changed == {}


def test_a_port_that_is_taken_is_named_and_healed():
    HALL.check_output("systemctl stop cloudcore && systemd-run --unit=squatter python3 -m http.server 10002")
    wait_until(lambda: "10002" in HALL.check_output("ss -ltn"), 20, "the squatter listens")
    play = SCENARIO.play(CLOUDCORE, "-l", "cc-hall", variables={"cloudcore_deadline": 40})
    assert "another program holds one of its ports" in play.error("cc-hall"), play.text
    assert "address already in use" in play.error("cc-hall")
    HALL.check_output("systemctl stop squatter")
    assert SCENARIO.play(CLOUDCORE, "-l", "cc-hall").code == 0
    nothing_left_to_do("-l", "cc-hall")


def test_definitions_that_are_gone_come_back():
    kubectl(CLOUD, "delete", "crd", "objectsyncs.reliablesyncs.kubeedge.io")
    play = SCENARIO.play(CLOUDCORE, "-l", "cc-cloud")
    assert play.code == 0 and play.changed == {"cc-cloud": 1}, play.text
    nothing_left_to_do("-l", "cc-cloud")


def test_after_a_reboot_nothing_is_to_do():
    reboot("cc-hall")
    wait_until(lambda: HALL.run("curl -skf --max-time 2 https://127.0.0.1:10002/ca.crt -o /dev/null").rc == 0, 120, "CloudCore serves")
    nothing_left_to_do("-l", "cc-hall")


def test_it_is_removed_in_order_and_not_under_edge_nodes():
    for host in (CLOUD, HALL):
        kubectl(host, "apply", "-f", "-", stdin=json.dumps({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "ghost", "labels": {"node-role.kubernetes.io/edge": ""}}}))
    absent = {"cloudcore_state": "absent"}
    refused = SCENARIO.play(CLOUDCORE, variables=absent)
    for name in WAYS:
        assert "1 Nodes of EdgeCore are in the cluster (ghost)" in refused.error(name), refused.text
        assert seen_by_edge(name)[0]
    for host in (CLOUD, HALL):
        kubectl(host, "delete", "node", "ghost")
    removed = SCENARIO.play(CLOUDCORE, variables=absent)
    assert removed.code == 0 and set(removed.changed) == set(WAYS), removed.text
    for host in (CLOUD, HALL):
        left = kubectl(host, "get", "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings", "-o", "name")
        assert not re.search(r"kubeedge|cloudcore", left), left
    assert HALL.run("ls /etc/systemd/system/cloudcore.service /etc/kubeedge").rc != 0
    nothing_left_to_do(**absent)
