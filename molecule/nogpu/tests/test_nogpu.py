"""Inventory and hardware have to agree about a GPU; who disagrees is told what to do, and stops itself alone."""
from __future__ import annotations

import pytest
from scenario import Scenario, lab

SCENARIO = Scenario(__file__)


def preflight(*arguments, **variables):
    """Exit code and all that was printed, with one space between words."""
    done = SCENARIO.play("edgeai.sites.preflight", *arguments, variables=variables,
                         ANSIBLE_STDOUT_CALLBACK="edgeai.sites.progress", ANSIBLE_TIMEOUT="5", ANSIBLE_SSH_RETRIES="0")
    return done.code, " ".join(done.text.split())


@pytest.mark.parametrize("mode", [(), ("--check",)], ids=["run", "check mode"])
def test_where_both_agree_all_sites_are_fit(mode):
    code, text = preflight(*mode)
    assert code == 0, text
    assert "3 hosts at 3 sites looked at: fit" in text and " gpu:" not in text, text


@pytest.mark.parametrize("site, says, words", [
    ("bare", "dgpu", ["gpu: dgpu, as the inventory says", "Set gpu: none", "lspci -nn -d 10de:"]),
    ("bare", "tegra", ["gpu: tegra, as the inventory says", "Set gpu: none", "nv_tegra_release"]),
    ("card", "tegra", ["gpu: tegra, as the inventory says", "Set gpu: dgpu"]),
    ("jetson", "dgpu", ["gpu: dgpu, as the inventory says", "Set gpu: tegra"]),
])
def test_a_gpu_that_is_not_there_refuses_the_site(site, says, words):
    code, text = preflight("--limit", f"site_{site}", edge_gpu=says)
    assert code != 0
    assert f"REFUSED {site}" in text and f"FAIL gpu: {site}-server" in text, text
    assert [expected for expected in words if expected not in text] == [], text


@pytest.mark.parametrize("site, kind", [("card", "dgpu"), ("jetson", "tegra")])
def test_a_gpu_that_nobody_asked_for_is_told_and_left_alone(site, kind):
    code, text = preflight("--limit", f"site_{site}", edge_gpu="none")
    assert code == 0, text
    assert f"READY {site}" in text and "gpu: none, as the inventory says" in text and f"Set gpu: {kind}" in text, text


@pytest.fixture
def gone(request):
    lab("fault", request.param, "gpu", "absent")
    yield request.param
    lab("fault", request.param, "clear")


@pytest.mark.parametrize("gone", ["card-server", "jetson-server"], indirect=True)
def test_a_gpu_that_goes_away_stops_its_site_alone(gone):
    site = gone.partition("-")[0]
    code, text = preflight()
    assert code != 0
    assert "1 of 3 sites refused, the others go on" in text and f"FAIL gpu: {gone}" in text, text


def test_the_sites_go_on_once_the_gpu_is_back():
    code, text = preflight()
    assert code == 0, text
