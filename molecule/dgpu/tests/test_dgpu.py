"""The NVIDIA runtime of a host with a card: complete after one run, repaired or refused with a remedy, away and back.

Tests leave the host as the scenario's converge made it, except within a class, whose tests go on from each other.
"""
from __future__ import annotations

import json

import pytest
from scenario import Scenario, lab, reboot, wait_until

SCENARIO = Scenario(__file__)
CARD, PLAIN = "dgpu-server", "dgpu-plain"
BASE, VERSION = "nvidia-container-toolkit-base", "1.20.0-1"
PACKAGE = f"/var/lib/edgeai/packages/{BASE}_{VERSION}_amd64.deb"
APPLY, SETTINGS = "Bring the NVIDIA runtime to what is wanted", "Set the safe defaults and the settings of this site"
CONFIGURE, RESTART = "Write unit and configuration", "Restart k3s"
CONTAINERD = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
SPEC, CONFIG = "/var/run/cdi/nvidia.yaml", "/etc/nvidia-container-runtime/config.toml"


def site(*arguments, **variables):
    return SCENARIO.play("converge.yml", *arguments, variables=variables)


def runtime(*arguments, **variables):
    """The step nvidia_runtime alone."""
    return SCENARIO.play("edgeai.sites.nvidia_runtime", *arguments, variables=variables)


def kinds(done):
    return [action["kind"] for action in done.one(APPLY, CARD)["actions"]]


def reasons(done):
    """Why K3s restarts; the lab has a file of its own for containerd beside the runtime (edgelab-nvidia)."""
    return [reason for reason in done.one(CONFIGURE, CARD)["restart_reasons"] if reason != "containerd"]


def status(card):
    return card.check_output(f"dpkg-query -W -f '${{db:Status-Abbrev}} ${{Version}}' {BASE}")


def knows_runtime(card):
    """What K3s wrote for its containerd when it started."""
    return card.run(f"grep -q \"runtimes.*nvidia\" {CONTAINERD}").rc == 0


@pytest.fixture(name="card")
def _card():
    return SCENARIO.host(CARD)


def test_it_is_complete(card):
    assert status(card) == f"hi  {VERSION}"
    assert card.service("nvidia-cdi-refresh.path").is_running and card.service("nvidia-cdi-refresh.path").is_enabled
    assert "nvidia.com/gpu=0" in card.check_output("nvidia-ctk cdi list")
    config = card.file(CONFIG).content_string
    assert 'mode = "cdi"' in config and "accept-nvidia-visible-devices-envvar-when-unprivileged = false" in config
    assert knows_runtime(card)


def test_a_host_without_a_gpu_gets_nothing():
    plain = SCENARIO.host(PLAIN)
    assert not plain.file("/usr/bin/nvidia-container-runtime").exists
    assert not plain.file("/var/lib/edgeai/packages").exists


def test_a_second_run_changes_nothing_and_is_short():
    again = site()
    assert (again.failed, again.changed) == (set(), {})
    assert again.of(RESTART) == []
    assert sorted(runtime().executions(CARD)) == sorted([APPLY, SETTINGS])


def test_after_a_reboot_all_is_as_before(card):
    reboot(CARD)
    wait_until(lambda: SCENARIO.host(CARD).file(SPEC).exists, 30, "the specification after a reboot")
    again = site()
    assert (again.failed, again.changed) == (set(), {}), again.text


# --- broken and repaired ---------------------------------------------------------------------------------------------

OLDER = (f"d=$(mktemp -d) && dpkg-deb -R {PACKAGE} $d/p && sed -i 's/^Version:.*/Version: 1.17.8-1/' $d/p/DEBIAN/control && "
         "dpkg-deb -b $d/p $d/old.deb && dpkg -i $d/old.deb")


@pytest.mark.parametrize(("breaks", "expected"), [
    # Power was lost: before its scripts ran, in the middle of its files, or a colleague installed another one.
    (f"dpkg --unpack {PACKAGE}", ["configure"]),
    (f"sed -i '/^Package: {BASE}$/,/^$/s/^Status:.*/Status: hold reinstreq half-installed/' /var/lib/dpkg/status", ["install", "hold"]),
    (OLDER, ["install"]),
    (f"apt-mark unhold {BASE}", ["hold"]),
    ("systemctl disable --now nvidia-cdi-refresh.path", ["enable", "start"]),
    (f"rm {SPEC}", ["refresh"]),
    ("sed -i 's/libcuda.so.[0-9.]*/libcuda.so.535.54.03/' " + SPEC, ["refresh"]),
])
def test_what_is_half_done_or_wrong_is_made_good(card, breaks, expected):
    card.run_expect([0], breaks)
    healed = site()
    assert healed.failed == set(), healed.text
    assert [kind for kind in kinds(healed) if kind != "hold" or kind in expected] == expected
    assert healed.of(RESTART) == []
    assert status(card) == f"hi  {VERSION}"
    assert site().changed == {}


def test_settings_are_put_back_and_foreign_ones_stay(card):
    card.run_expect([0], f"sed -i 's/mode = \"cdi\"/mode = \"legacy\"/; s/log-level = .*/log-level = \"debug\" # of mine/' {CONFIG}")
    predicted = runtime("--check", "--diff")
    healed = runtime()
    assert predicted.one(SETTINGS, CARD)["changes"] == healed.one(SETTINGS, CARD)["changes"] == {
        "nvidia-container-runtime.mode": {"before": "legacy", "after": "cdi"}}
    assert 'log-level = "debug" # of mine' in card.file(CONFIG).content_string


@pytest.fixture(name="fault")
def _fault():
    yield lambda word: lab("fault", CARD, "gpu", word)
    lab("fault", CARD, "clear")
    assert runtime().failed == set()


def test_a_stale_specification_of_an_older_driver_goes(card, fault):
    fault("stale-cdi")
    assert card.file("/etc/cdi/nvidia.yaml").exists
    assert kinds(runtime("--check")) == ["remove_file"]
    assert kinds(runtime()) == ["remove_file"]
    assert not card.file("/etc/cdi/nvidia.yaml").exists
    assert kinds(runtime()) == []


@pytest.mark.parametrize(("word", "says"), [
    ("absent", "no NVIDIA GPU"), ("driver-absent", "without a driver"), ("driver-mismatch", "a reboot is pending"),
    ("nouveau", "nouveau is loaded"),
])
def test_hardware_and_driver_that_do_not_fit_refuse_the_host(fault, word, says):
    fault(word)
    refused = runtime()
    assert refused.failed == {CARD} and refused.changed == {}
    assert says in refused.error(CARD) and "Remedy: " in refused.error(CARD)


def test_a_template_of_the_old_containerd_is_refused(card):
    template = CONTAINERD + ".tmpl"
    card.run_expect([0], f"echo '[plugins.cri.containerd]' > {template}")
    try:
        refused = runtime()
        assert refused.failed == {CARD} and f"mv {template}" in refused.error(CARD)
    finally:
        card.run_expect([0], f"rm {template}")


def test_a_version_that_the_bundle_does_not_have_is_refused():
    refused = site(nvidia_runtime_version="1.21.0-1")
    assert CARD in refused.failed and f"{BASE}=1.21.0-1" in refused.error(CARD)


# --- away and back ---------------------------------------------------------------------------------------------------


class TestAwayAndBack:
    def test_check_mode_removes_nothing(self, card):
        predicted = runtime("--check", nvidia_runtime_state="absent")
        assert "remove" in kinds(predicted) and predicted.one(APPLY, CARD)["runtime_changed"]
        assert status(card) == f"hi  {VERSION}"

    def test_it_stays_while_a_pod_runs_through_it(self, card):
        image = card.check_output(f"sed -n 's/.*sandbox = .\\(.*\\)./\\1/p' {CONTAINERD}")
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": {
            "runtimeClassName": "nvidia", "nodeName": CARD, "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": image, "imagePullPolicy": "Never"}]}}
        card.run_expect([0], f"echo '{json.dumps(pod)}' | k3s kubectl apply -f -")
        try:
            wait_until(lambda: "Running" in card.check_output("k3s kubectl get pod user"), 30, "the pod")
            for refused in (runtime("--check", nvidia_runtime_state="absent"), runtime(nvidia_runtime_state="absent")):
                assert refused.failed == {CARD} and "1 pods run through NVIDIA's runtime: default/user" in refused.error(CARD)
            assert status(card) == f"hi  {VERSION}"
        finally:
            card.run_expect([0], "k3s kubectl delete pod user --wait")

    def test_away_restarts_k3s_once(self, card):
        away = site(nvidia_runtime_state="absent")
        assert away.failed == set(), away.text
        assert reasons(away) == ["nvidia"]
        assert len(away.of(RESTART)) == 1
        assert not knows_runtime(card)
        left = card.check_output(
            f"ls -d /usr/bin/nvidia-container-runtime {CONFIG} {SPEC} {PACKAGE} /etc/apt/apt.conf.d/52edgeai-nvidia 2>/dev/null || true")
        assert left == ""
        assert card.run(f"dpkg-query -W {BASE}").rc == 1
        assert site(nvidia_runtime_state="absent").changed == {}

    def test_a_default_runtime_that_is_not_there_is_refused(self):
        refused = SCENARIO.play("edgeai.sites.k3s", "--limit", CARD, variables={
            "k3s_config": {"default-runtime": "nvidia", "kubelet-arg": ["fail-cgroupv1=false"]}})
        assert CARD in refused.failed and "Run the step nvidia_runtime first" in refused.error(CARD)

    def test_back_restarts_k3s_once_even_when_more_has_changed(self, card):
        more = {"flannel-backend": "host-gw", "disable-helm-controller": True, "disable-network-policy": True,
                "disable": ["traefik", "servicelb", "metrics-server", "local-storage", "coredns"]}
        back = site("--limit", CARD, k3s_config=dict(more, **{"kubelet-arg": ["fail-cgroupv1=false", "max-pods=60"]}))
        assert back.failed == set(), back.text
        assert reasons(back) == ["config", "nvidia"]
        assert len(back.of(RESTART)) == 1
        assert knows_runtime(card)
        back = site()
        assert (back.failed, len(back.of(RESTART))) == (set(), 1)
        assert site().changed == {}
