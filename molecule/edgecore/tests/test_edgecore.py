"""EdgeCore nodes on real hosts: joined by evidence, repaired, refused with a remedy, and removed without a trace.

Tests leave both nodes as the scenario's converge made them; those of a class share what it takes to get back there.
"""
from __future__ import annotations

import base64
import json
import tarfile
import tempfile
import time

import pytest
from edge import EdgeSite
from scenario import LAB, ROOT, Scenario, lab, reboot, run, wait_until

SCENARIO = Scenario(__file__)
SERVER, EDGE, OTHER = "plant-server", "plant-edge1", "plant-edge2"
NODES = (EDGE, OTHER)
SITE = EdgeSite(SCENARIO, SERVER)
ENGINE, IDENTITY = "Bring containerd, its network and its images to what is wanted", "Hold the host's identity against the cloud's"
CONFIGURE, RESTART, START = "Write unit, configuration and token", "Restart EdgeCore", "Start EdgeCore and wait until the node is up"
VERIFY = "Prove that the models of the site run, answer and are right"
CONFIG, DATABASE, TOKEN = "/etc/kubeedge/config/edgecore.yaml", "/var/lib/kubeedge/edgecore.db", "/etc/kubeedge/bootstrap-edgecore.conf"
FILES = "find /etc/kubeedge /etc/containerd /etc/cni /etc/systemd/system -type f -exec sha256sum {} + 2>/dev/null | sort"


def site(*arguments, **variables):
    """Run for both nodes."""
    return SCENARIO.play("converge.yml", *arguments, variables=variables)


def other(*arguments, **variables):
    """Run for the second node alone."""
    return site("--limit", OTHER, *arguments, **variables)


def main_pid(name):
    pid = int(SCENARIO.host(name).check_output("systemctl show edgecore --property MainPID --value"))
    assert pid > 0
    return pid


def secret(name, key):
    return base64.b64decode(SITE.kubectl(f"-n kubeedge get secret {name} -o jsonpath={{.data.{key}}}"))


def restart_cloudcore():
    SCENARIO.host(SERVER).check_output("systemctl restart cloudcore")


@pytest.fixture(name="token", scope="class")
def _token():
    """The cloud's token as it is now: one test replaces the CA."""
    text = secret("tokensecret", "tokendata").decode()
    assert len(text) > 100
    return text


@pytest.fixture(name="again", scope="module")
def _again():
    """A second run that says all it can, with the processes that EdgeCore had before."""
    before = {name: main_pid(name) for name in NODES}
    return before, site("-vvv", "--diff")


@pytest.fixture(name="made_good", scope="class")
def _made_good():
    """For tests that leave something to repair: a run does, after the last test of the class."""
    yield
    healed = site()
    assert healed.failed == set(), healed.text


@pytest.mark.parametrize("name", NODES)
def test_node_is_up_with_the_wanted_version(name):
    assert SITE.is_ready(name)
    host = SCENARIO.host(name)
    assert host.service("edgecore").is_running and host.service("edgecore").is_enabled
    assert "-kubeedge-v" in SITE.node(name)["status"]["nodeInfo"]["kubeletVersion"]


def test_labels_are_those_of_the_inventory():
    labels = SITE.node(EDGE)["metadata"]["labels"]
    assert labels["plant.example/hall"] == "1" and labels["edgeai.sites/line.line-a"] == "true"


@pytest.mark.parametrize("name", NODES)
def test_what_is_secret_is_for_root_alone_and_the_token_is_gone(name):
    host = SCENARIO.host(name)
    assert host.file(CONFIG).mode == 0o600
    assert host.file("/var/lib/kubeedge").mode == 0o700
    assert not host.file(TOKEN).exists
    assert "token" not in host.file(CONFIG).content_string, "EdgeCore would have written the file anew with another version in it"


class TestSecondRun:
    def test_nothing_changes_and_nothing_restarts(self, again):
        before, done = again
        assert (done.failed, done.changed) == (set(), {}), done.text
        assert before == {name: main_pid(name) for name in NODES}

    @pytest.mark.parametrize("name", NODES)
    def test_four_calls_on_the_node(self, again, name):
        _before, done = again
        calls = [task for task in (ENGINE, IDENTITY, CONFIGURE, START) for _result in done.of(task, name)]
        assert len(calls) == 4
        assert done.of(RESTART, name) == []

    def test_the_token_is_in_nothing_that_is_printed(self, again, token):
        _before, done = again
        for part in (token, token.partition(".")[2], token.rpartition(".")[2]):
            assert part not in done.text

    def test_check_mode_writes_nothing(self):
        before = {name: SCENARIO.host(name).check_output(FILES) for name in NODES}
        done = site("--check", "--diff")
        assert (done.failed, done.changed) == (set(), {}), done.text
        assert before == {name: SCENARIO.host(name).check_output(FILES) for name in NODES}

    def test_after_a_reboot_nothing_changes(self):
        reboot(OTHER)
        wait_until(lambda: SITE.is_ready(OTHER), 60, "the node after its reboot")
        done = other()
        assert (done.failed, done.changed) == (set(), {}), done.text


class TestRestarts:
    def test_only_for_what_edgecore_reads_at_its_start(self, made_good):
        done = other(edgecore_config={"modules": {"edged": {"reportEvent": True, "tailoredKubeletConfig": {
            "cgroupRoot": f"/edgelab/{OTHER}"}}}})
        assert done.failed == set(), done.text
        assert done.one(CONFIGURE, OTHER)["restart_reasons"] == ["config"]
        assert len(done.of(RESTART, OTHER)) == 1

    def test_labels_and_taints_need_none(self, made_good):
        done = other(edgecore_labels={"plant.example/hall": "7"})
        assert done.failed == set(), done.text
        pid = main_pid(OTHER)
        assert SITE.node(OTHER)["metadata"]["labels"]["plant.example/hall"] == "7"
        done = other(edgecore_labels={})
        assert "plant.example/hall" not in SITE.node(OTHER)["metadata"]["labels"], done.text
        assert (main_pid(OTHER), done.of(RESTART, OTHER)) == (pid, [])

    def test_unknown_keys_are_refused_before_anything_is_written(self, made_good):
        before = SCENARIO.host(OTHER).check_output(FILES)
        done = other(edgecore_config={"modules": {"edgd": {}}})
        assert "unknown key modules.edgd" in done.error(OTHER) and "did you mean edged" in done.error(OTHER)
        assert SCENARIO.host(OTHER).check_output(FILES) == before


class TestWhatIsRepaired:
    """Each of these alone leaves EdgeCore active with syncloop ok, and some leave the Node Ready."""

    def test_network_pause_image_cri_and_cgroup_driver(self):
        host = SCENARIO.host(OTHER)
        host.check_output("rm /etc/cni/net.d/10-edgeai.conflist")
        host.check_output("sed -i '/^disabled_plugins/d' /etc/containerd/config.toml")
        host.check_output("sed -i '1i disabled_plugins = [\"io.containerd.grpc.v1.cri\"]' /etc/containerd/config.toml")
        host.check_output("sed -i 's/SystemdCgroup = false/SystemdCgroup = true/' /etc/containerd/conf.d/40-edgeai-edgecore.toml")
        host.check_output("ctr --namespace k8s.io images ls --quiet | grep pause | xargs ctr --namespace k8s.io images rm")
        host.check_output("systemctl restart containerd")
        done = other()
        assert done.failed == set(), done.text
        kinds = [action["kind"] for action in done.one(ENGINE, OTHER)["actions"]]
        assert "write" in kinds and "restart" in kinds and "import" in kinds
        assert host.run("grep SystemdCgroup /etc/containerd/conf.d/40-edgeai-edgecore.toml").stdout.count("true") == 0
        SITE.deploy(OTHER)
        calm = other()
        assert (calm.failed, calm.changed) == (set(), {}), calm.text

    def test_another_network_that_would_win_is_refused(self, made_good):
        host = SCENARIO.host(OTHER)
        host.check_output("echo '{}' > /etc/cni/net.d/05-other.conflist")
        try:
            message = other().error(OTHER)
        finally:
            host.check_output("rm /etc/cni/net.d/05-other.conflist")
        assert "05-other.conflist, which containerd takes before" in message and "edgecore_pod_subnet" in message


class TestIdentity:
    def test_a_new_ca_enrols_anew_and_keeps_the_pods(self, made_good):
        SITE.deploy(EDGE, OTHER)
        before = {name: (set(SITE.pods(name)), SITE.containers(name)) for name in NODES}
        SITE.kubectl("-n kubeedge delete secret casecret cloudcoresecret tokensecret")
        restart_cloudcore()
        wait_until(lambda: SITE.kubectl("-n kubeedge get secret tokensecret --ignore-not-found -o name") != "", 60, "a new token")
        done = site()
        assert done.failed == set(), done.text
        assert {done.one(IDENTITY, name)["decision"] for name in NODES} == {"re_enrol"}
        assert before == {name: (set(SITE.pods(name)), SITE.containers(name)) for name in NODES}

    def test_a_lost_database_deletes_the_node_first(self, made_good):
        SITE.deploy(OTHER)
        uid, pods = SITE.node(OTHER)["metadata"]["uid"], set(SITE.pods(OTHER))
        host = SCENARIO.host(OTHER)
        host.check_output(f"systemctl stop edgecore; rm {DATABASE}")
        done = other()
        assert done.failed == set(), done.text
        assert done.one(IDENTITY, OTHER)["decision"] == "delete_node_first"
        assert SITE.node(OTHER)["metadata"]["uid"] != uid
        SITE.wait_for_answer(OTHER, 90)
        assert not set(SITE.pods(OTHER)) & pods

    def test_a_node_that_was_deleted_registers_again(self, made_good):
        SITE.kubectl(f"delete node {OTHER} --wait=true")
        done = other()
        assert done.failed == set(), done.text
        assert SITE.is_ready(OTHER)

    def test_a_host_that_is_another_node_is_refused(self):
        pid = main_pid(OTHER)
        message = other(edgecore_node_name="plant-edge9").error(OTHER)
        assert f"this host is the node {OTHER}, and shall become plant-edge9" in message
        assert main_pid(OTHER) == pid


class TestLogs:
    def test_kubectl_logs_is_told_with_the_reason_and_fails_nothing_by_itself(self):
        """EdgeCore's stream is off, as it is by default."""
        SITE.deploy(EDGE)
        done = SCENARIO.play("edgeai.sites.verify", variables={"inference_verify_deadline": 5})
        (result,) = done.of(VERIFY)
        said = {node["name"]: node["logs"] for node in result["nodes"]}
        assert said[EDGE].startswith("not possible here, because no way leads from the API server to the node's port 10350"), said
        assert said[SERVER] == "", "only edge nodes are in question"
        assert not [row for row in result["verdicts"] if "logs" in row["check"]]


class TestCloudCoreRestarts:
    def test_nodes_connect_again_with_the_same_pods_and_a_run_finds_nothing_to_do(self):
        SITE.deploy(*NODES)
        before = {name: (set(SITE.pods(name)), SITE.containers(name), main_pid(name)) for name in NODES}
        restart_cloudcore()
        connected = "curl --silent http://127.0.0.1:9091/metrics | grep '^KubeEdge_CloudHub_connected_nodes ' | cut -d' ' -f2"
        # 30 s that EdgeCore waits after a break, and up to 10 that CloudCore takes to start.
        wait_until(lambda: SCENARIO.host(SERVER).run(connected).stdout.strip() in ("2", "2.0"), 120, "both nodes at the new CloudCore")
        done = site()
        assert (done.failed, done.changed) == (set(), {}), done.text
        assert before == {name: (set(SITE.pods(name)), SITE.containers(name), main_pid(name)) for name in NODES}


class TestPowerLoss:
    """The plug of a host in a lab: its processes are gone at once, what they had handed to the kernel is not."""

    def test_while_the_database_is_written_it_stays_good_and_the_node_is_the_same(self):
        SITE.deploy(OTHER)
        uid, (pod,) = SITE.node(OTHER)["metadata"]["uid"], SITE.pods(OTHER).values()
        name = pod["metadata"]["name"]
        server, host = SCENARIO.host(SERVER), SCENARIO.host(OTHER)
        scribe = base64.b64encode((
            "count=0\nwhile :; do count=$((count+1)); "
            f"k3s kubectl patch pod {name} --type merge -p "
            """'{"metadata":{"annotations":{"plant.example/count":"'$count'"}}}'; done\n""").encode()).decode()
        server.check_output(f"echo {scribe} | base64 -d > /run/scribe && systemd-run --quiet --collect --unit scribe sh /run/scribe")
        try:
            written = f"ls -l --time-style=full-iso {DATABASE}"
            first = host.check_output(written)
            wait_until(lambda: host.check_output(written) != first, 60, "EdgeCore writing its database")
            lab("fault", OTHER, "power-off")
            lab("fault", OTHER, "power-on")
        finally:
            server.check_output("systemctl stop scribe")
        SITE.wait_for_answer(OTHER, 120)
        wait_until(lambda: SITE.is_ready(OTHER), 120, "the node after the loss of power")
        assert host.check_output(f"sqlite3 {DATABASE} 'PRAGMA integrity_check'") == "ok"
        done = other()
        assert (done.failed, done.changed) == (set(), {}), done.text
        assert done.one(IDENTITY, OTHER)["decision"] == "keep"
        assert SITE.node(OTHER)["metadata"]["uid"] == uid and set(SITE.pods(OTHER)) == {pod["metadata"]["uid"]}


class TestRestoredCa:
    def test_nodes_go_on_under_the_ca_of_the_backup(self):
        SITE.deploy(*NODES)
        before = {name: (set(SITE.pods(name)), SITE.containers(name)) for name in NODES}
        password, backup = SCENARIO.state / "vault-password", SCENARIO.state / "cloudcore-ca.vault"
        password.write_text("a password of this test\n", encoding="utf-8")
        backup.unlink(missing_ok=True)
        vault, kept = ("--vault-password-file", password), {"cloudcore_ca_backup": str(backup)}
        done = SCENARIO.play("edgeai.sites.cloudcore", *vault, variables=kept)
        assert done.failed == set() and backup.exists(), done.text
        ca = secret("casecret", "cadata")
        # As after a reinstallation of the cluster: CloudCore has made a CA of its own, which no node trusts.
        SITE.kubectl("-n kubeedge delete secret casecret cloudcoresecret tokensecret")
        restart_cloudcore()
        wait_until(lambda: SITE.kubectl("-n kubeedge get secret tokensecret --ignore-not-found -o name") != "", 60, "a new token")
        assert secret("casecret", "cadata") != ca
        restored = SCENARIO.play("edgeai.sites.cloudcore", *vault, variables=dict(kept, cloudcore_ca_restore=True))
        assert restored.failed == set(), restored.text
        assert secret("casecret", "cadata") == ca
        done = site()
        assert done.failed == set(), done.text
        assert {done.one(IDENTITY, name)["decision"] for name in NODES} == {"keep"}, "nobody had to enrol anew"
        assert before == {name: (set(SITE.pods(name)), SITE.containers(name)) for name in NODES}


BINARY, PROVEN = "/usr/local/bin/edgecore", "/var/lib/edgeai/edgecore"
NEXT = "v1.23.2"
BROKEN = "#!/bin/sh\necho \"panic: the test says so\" >&2\nexit 2\n"


def put_program(name, content):
    """In place of the program of a node, as the artifacts step does it: another file of the same name."""
    host = SCENARIO.host(name)
    with tempfile.NamedTemporaryFile() as scratch:
        scratch.write(content)
        scratch.flush()
        address = SCENARIO.nodes[name]["address"]
        done = run("scp", "-q", "-i", LAB / "ssh/id_ed25519", "-o", f"UserKnownHostsFile={LAB / 'ssh/known_hosts'}", scratch.name,
                   f"root@{address}:{BINARY}.new")
        assert done.returncode == 0, done.stderr
    host.check_output(f"chmod 755 {BINARY}.new && mv -f {BINARY}.new {BINARY}")


def sums(name):
    return SCENARIO.host(name).check_output(f"sha256sum {BINARY} {CONFIG} | cut -c1-64").split()


@pytest.fixture(name="next_program", scope="module")
def _next_program(tmp_path_factory):
    """EdgeCore of the next patch version, made by the lab."""
    folder = tmp_path_factory.mktemp("next")
    done = run(ROOT / ".venv/bin/python", ROOT / "lab/standin/build_kubeedge.py", "--out", folder, "--version", NEXT)
    assert done.returncode == 0, done.stderr
    with tarfile.open(folder / f"kubeedge-{NEXT}-linux-amd64.tar.gz") as archive:
        return archive.extractfile(f"kubeedge-{NEXT}-linux-amd64/edge/edgecore").read()


class TestAnotherVersion:
    def test_newer_than_the_cloud_is_refused(self):
        before, pid = sums(OTHER), main_pid(OTHER)
        assert "newer than CloudCore v1.23.1" in other(edgecore_version=NEXT).error(OTHER)
        assert (sums(OTHER), main_pid(OTHER)) == (before, pid)

    def test_one_that_does_not_start_is_taken_back_and_said_so(self):
        SITE.deploy(OTHER)
        before, pods, containers = sums(OTHER), set(SITE.pods(OTHER)), SITE.containers(OTHER)
        put_program(OTHER, BROKEN.encode())
        done = other(edgecore_version=NEXT, edgecore_cloudcore_version=NEXT)
        result = done.one(START, OTHER)
        assert (result["rolled_back"], result["restored"]) == (True, "v1.23.1"), done.text
        assert "v1.23.1 was put back (binary, configuration and database) and is up again" in done.error(OTHER)
        assert "panic: the test says so" in done.error(OTHER)
        assert sums(OTHER) == before and SITE.is_ready(OTHER)
        assert (set(SITE.pods(OTHER)), SITE.containers(OTHER)) == (pods, containers), "its pods ran on"
        calm = other()
        assert (calm.failed, calm.changed) == (set(), {}), calm.text

    def test_one_that_is_up_stays_and_the_way_back_is_an_ordinary_run(self, next_program):
        pods = set(SITE.pods(OTHER))
        put_program(OTHER, next_program)
        done = other(edgecore_version=NEXT, edgecore_cloudcore_version=NEXT)
        assert done.failed == set(), done.text
        assert NEXT in SITE.node(OTHER)["status"]["nodeInfo"]["kubeletVersion"]
        assert SCENARIO.host(OTHER).check_output(f"cat {PROVEN}/version") == NEXT
        assert set(SITE.pods(OTHER)) == pods
        SCENARIO.play("edgeai.sites.artifacts", "--limit", OTHER)
        back = other()
        assert back.failed == set(), back.text
        assert NEXT not in SITE.node(OTHER)["status"]["nodeInfo"]["kubeletVersion"]
        assert set(SITE.pods(OTHER)) == pods


def segment(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def expired(token):
    """A token of this CA as it was a day ago; that its signature is wrong does not matter any more."""
    head, tail = token.split(".")[:2], token.rpartition(".")[2]
    return ".".join([*head, segment({"exp": int(time.time()) - 3600}), tail])


@pytest.fixture(name="removed", scope="class")
def _removed():
    """The second node as a host that never was one; the last test of the class joins it again."""
    done = SCENARIO.play("edgeai.sites.reset", "--limit", OTHER, variables={"reset_hosts": [OTHER]})
    yield done
    SCENARIO.play("edgeai.sites.artifacts", "--limit", OTHER)
    healed = other()
    assert healed.failed == set(), healed.text
    assert SITE.is_ready(OTHER)


class TestRemovalAndJoin:
    def test_nothing_is_left_on_the_host(self, removed):
        assert removed.failed == set(), removed.text
        host = SCENARIO.host(OTHER)
        for path in ("/etc/kubeedge", "/var/lib/kubeedge", "/usr/local/bin/edgecore", "/usr/local/bin/.edgecore-proven", PROVEN,
                     "/etc/systemd/system/edgecore.service",
                     "/etc/cni/net.d/10-edgeai.conflist", "/etc/containerd/conf.d/40-edgeai-edgecore.toml", "/sys/class/net/cni-edgeai"):
            assert not host.file(path).exists, path
        assert host.check_output("ls -A /var/lib/kubelet") == ""
        assert host.check_output("ctr --namespace k8s.io containers ls --quiet") == ""
        assert "18080" not in host.check_output("iptables-save -t nat")
        assert host.service("containerd").is_running
        assert SITE.node(OTHER) is None

    def test_a_second_removal_finds_nothing(self, removed):
        done = SCENARIO.play("edgeai.sites.reset", "--limit", OTHER, variables={"reset_hosts": [OTHER]})
        assert (done.failed, done.changed) == (set(), {}), done.text

    def test_hosts_that_are_not_named_stay(self):
        done = SCENARIO.play("edgeai.sites.reset", "--limit", EDGE)
        assert "would lose its pods" in done.error(EDGE)
        assert SITE.is_ready(EDGE)

    @pytest.mark.parametrize(("broken", "words"), [
        (expired, "expired"),
        (lambda token: token[:-10], "cut off"),
        (lambda token: base64.b64encode(token.encode()).decode(), "wrapped in base64"),
        (lambda token: "0" * 64 + token[64:], "another CA's"),
        (lambda token: f'"{token}"', "quotes"),
    ], ids=["expired", "truncated", "base64", "foreign", "quoted"])
    def test_a_bad_token_is_refused_before_anything_is_written(self, removed, token, broken, words):
        SCENARIO.play("edgeai.sites.artifacts", "--limit", OTHER)
        bad = broken(token)
        done = other(edgecore_token=bad)
        assert words in done.error(OTHER)
        assert bad not in done.text.replace(json.dumps({"edgecore_token": bad}), "")
        assert not SCENARIO.host(OTHER).file("/etc/kubeedge").exists

    def test_a_name_that_another_machine_has_is_refused(self, removed):
        message = other(edgecore_node_name=EDGE).error(OTHER)
        assert f"the name {EDGE} is taken by another machine" in message and f"kubectl delete node {EDGE}" in message
        assert SITE.is_ready(EDGE)

    def test_a_name_that_is_not_in_the_certificate_is_refused(self, removed):
        host = SCENARIO.host(OTHER)
        host.check_output(f"echo '{SCENARIO.nodes[SERVER]['address']} cloudx' >> /etc/hosts")
        cloudcore = {"place": "test-plant", "addresses": [], "names": ["cloudx"], "ports": {
            "websocket": 10000, "quic": 10001, "https": 10002, "stream": 10003, "tunnel": 10004}}
        message = other(edgecore_cloudcore=cloudcore).error(OTHER)
        assert "Refused, nothing was changed" in message and "Give CloudCore the name or address cloudx" in message

    def test_a_link_that_flaps_during_the_join_leaves_nothing_half_done(self, removed):
        SCENARIO.play("edgeai.sites.artifacts", "--limit", OTHER)
        host, address = SCENARIO.host(OTHER), SCENARIO.nodes[SERVER]["address"]
        cut = (f"table inet flap {{ chain out {{ type filter hook output priority 0; ip daddr {address} drop; }}; "
               f"chain in {{ type filter hook input priority 0; ip saddr {address} drop; }} }}")
        host.check_output(f"echo '{cut}' > /run/flap.nft")
        host.check_output("systemd-run --quiet --collect --unit flapping sh -c "
                          "'while :; do nft -f /run/flap.nft; sleep 3; nft delete table inet flap; sleep 4; done'")
        try:
            done = other(edgecore_wait_seconds=60)
        finally:
            host.check_output("systemctl stop flapping; nft delete table inet flap 2>/dev/null || true")
        assert not host.file(TOKEN).exists, "the token goes however the run ends"
        if done.failed:
            assert "Deferred" in done.error(OTHER) or "Remedy" in done.error(OTHER), done.error(OTHER)
        healed = other()
        assert healed.failed == set(), healed.text
        assert SITE.is_ready(OTHER)
        calm = other()
        assert (calm.failed, calm.changed) == (set(), {}), calm.text
        removed_again = SCENARIO.play("edgeai.sites.reset", "--limit", OTHER, variables={"reset_hosts": [OTHER]})
        assert removed_again.failed == set(), removed_again.text

    def test_while_cloudcore_is_down_the_join_is_deferred(self, removed):
        SCENARIO.host(SERVER).check_output("systemctl stop cloudcore")
        try:
            done = other()
        finally:
            SCENARIO.host(SERVER).check_output("systemctl start cloudcore")
        assert done.one(IDENTITY, OTHER)["deferred"] is True
        assert "Deferred" in done.error(OTHER) and "connection refused" in done.error(OTHER)
        wait_until(lambda: SCENARIO.host(SERVER).run("curl --silent --insecure --output /dev/null https://127.0.0.1:10002/ca.crt").rc == 0,
                   60, "CloudCore after its stop")
