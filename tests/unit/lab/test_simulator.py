# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated fleet: what it serves, what it notes, and what its faults do to a client that is not the collection's."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from simulator import models
from simulator.command import _take_faults
from simulator.fleet import IMAGES, REQUEST, Fleet, inventory, layout
from simulator.record import Record, counts, kind_of, of_the_api, read

LAB = Path(__file__).resolve().parents[3] / "lab"
PODS = "/api/v1/namespaces/edgeai/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/edgeai/deployments"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    directory = tmp_path_factory.mktemp("simulated")
    with Fleet(directory, 2, 3, directory / "requests.jsonl", load_seconds=0.1) as running:
        yield running


@pytest.fixture
def ask(fleet):
    """Return a function that sends one request to the first site, on a connection of its own."""
    site = fleet.sites["site-1"]
    context = ssl.create_default_context(cafile=str(fleet.directory / "tls/ca.crt"))
    context.load_cert_chain(fleet.directory / "tls/admin.crt", fleet.directory / "tls/admin.key")

    def send(method, path, body=None, timeout=10, **headers):
        url = urlsplit(site.url)
        connection = HTTPSConnection(url.hostname, url.port, timeout=timeout, context=context)
        connection.request(method, path, json.dumps(body) if body is not None else None, {"User-Agent": "test", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers

    yield send
    site.faults.set()


def test_nodes_are_spread_and_none_is_without_one():
    assert [len(names) for names in layout(3, 8).values()] == [3, 3, 2]
    assert len({name for names in layout(12, 200).values() for name in names}) == 200
    with pytest.raises(ValueError, match="2 nodes for 3 sites"):
        layout(3, 2)


@pytest.mark.parametrize(("kind", "path", "status", "holds"), [
    ("right", "/health", 200, lambda said: said["status"] == "ok"), ("sick", "/health", 200, lambda said: said["status"] == "degraded"),
    ("right", "/v2/health/ready", 200, lambda said: said is None), ("right", "/nowhere", 404, lambda said: "error" in said)])
def test_models_speak_the_open_inference_protocol(kind, path, status, holds):
    found, said = models.answer(kind, True, "GET", path, b"")
    assert found == status and holds(said)


@pytest.mark.parametrize(("kind", "found"), [("right", 3), ("wrong", 0)])
def test_a_model_is_right_or_wrong_by_what_it_is(kind, found):
    status, said = models.answer(kind, True, "POST", "/v2/models/vision/infer", json.dumps(REQUEST).encode())
    assert (status, said["outputs"][0]["data"]) == (200, [found])
    assert models.answer(kind, True, "POST", "/v2/models/vision/infer", b"{}")[0] == 400
    assert models.answer(kind, False, "GET", "/health", b"")[0] == 503, "while it loads"


@pytest.mark.parametrize(("method", "path", "watch", "kind"), [
    ("GET", PODS, False, "list pods"), ("GET", PODS, True, "watch pods"), ("GET", "/api/v1/nodes", False, "list nodes"),
    ("GET", PODS + "/p", False, "get pods"), ("GET", PODS + "/p/log", False, "get pods/log"),
    ("PATCH", DEPLOYMENTS + "/d", False, "patch deployments"), ("PATCH", DEPLOYMENTS + "/d/scale", False, "patch deployments/scale"),
    ("POST", "/apis/batch/v1/namespaces/x/jobs", False, "create jobs"), ("GET", "/version", False, "get /version"),
    ("GET", PODS + "/http:p:8080/proxy/health", False, "question health"),
    ("POST", PODS + "/http:p:8080/proxy/v2/models/m/infer", False, "question infer")])
def test_requests_are_counted_by_what_they_are(method, path, watch, kind):
    assert kind_of(method, path, watch) == kind


def test_a_request_is_answered_as_by_kubernetes_and_noted(fleet, ask):
    fleet.record.clear()
    status, body, _headers = ask("GET", PODS)
    pods = json.loads(body)["items"]
    assert status == 200 and {pod["status"]["phase"] for pod in pods} == {"Running"} and len(pods) == 2
    name = pods[0]["metadata"]["name"]
    assert ask("GET", f"{PODS}/http:{name}:8080/proxy/health")[0] == 200
    assert ask("GET", PODS + "/nobody")[0] == 404
    seen = fleet.record.all("site-1")
    assert counts(seen) == {"list pods": 1, "question health": 1, "get pods": 1}
    assert [one.status for one in seen] == [200, 200, 404] and {one.agent for one in seen} == {"test"}
    assert len(of_the_api(seen)) == 2 and not fleet.record.all("site-2")
    assert read(fleet.directory / "requests.jsonl")[-3:] == seen


def test_leases_are_renewed_by_nodes_that_are_not_silent(fleet):
    site = fleet.sites["site-1"]

    def renewals():
        return {lease["metadata"]["name"]: lease["spec"]["renewTime"] for lease in site.objects.all("leases")}

    before = renewals()
    quiet, heard = site.nodes
    site.kubelets.silent.add(quiet)
    # The kubelets' next round is ten seconds away at most.
    site.kubelets.hurry()
    end = time.monotonic() + 30
    while renewals()[heard] == before[heard] and time.monotonic() < end:
        time.sleep(0.02)
    site.kubelets.silent.clear()
    assert renewals()[heard] != before[heard] and renewals()[quiet] == before[quiet]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_api_may_refuse(fleet, ask, status):
    fleet.sites["site-1"].faults.set(status=status, retry_after=7)
    found, body, headers = ask("GET", PODS)
    assert found == status and json.loads(body)["kind"] == "Status"
    assert headers.get("Retry-After") == (None if status == 500 else "7")


def test_a_connection_may_break_before_or_after_the_work(fleet, ask):
    site = fleet.sites["site-1"]
    name = f"vision-{site.nodes[0]}"
    for fault, done in (("reset", False), ("lost", True)):
        site.faults.set(**{fault: 1.0})
        with pytest.raises((OSError, HTTPException)):
            ask("PATCH", f"{DEPLOYMENTS}/{name}", {"metadata": {"annotations": {fault: "1"}}}, **{"Content-Type": "application/merge-patch+json"})
        annotations = site.objects.find("deployments", "edgeai", name)["metadata"].get("annotations") or {}
        assert (fault in annotations) is done
    assert fleet.record.all()[-1].status == 0


def test_nothing_comes_through_a_cut_link_until_it_is_mended(fleet, ask):
    site = fleet.sites["site-1"]
    site.faults.set(cut=True)
    with pytest.raises(TimeoutError):
        ask("GET", PODS, timeout=0.3)
    threading.Timer(0.2, site.faults.set).start()
    assert ask("GET", PODS)[0] == 200


def test_faults_come_from_a_file_as_long_as_it_can_be_read(fleet, tmp_path, capsys):
    path, site = tmp_path / "faults.json", fleet.sites["site-1"]
    path.write_text('{"site-1": {"cut": true}}')
    text = _take_faults(fleet, path, "")
    assert site.faults.cut and not fleet.sites["site-2"].faults.cut
    path.write_text('{"*": {"slow": 1}}')
    _take_faults(fleet, path, text)
    assert "unknown fault slow; known: latency, status" in capsys.readouterr().err
    path.unlink()
    _take_faults(fleet, path, "x")
    assert not site.faults.cut


def test_the_inventory_names_every_node_once_with_an_address_of_its_own(fleet):
    nodes = [node for site in inventory(fleet)["sites"] for node in site["nodes"]]
    assert len(nodes) == len({node["name"] for node in nodes}) == len({node["address"] for node in nodes}) == 3
    assert [node["runtime"] for node in nodes] == ["k3s_server", "k3s_agent", "k3s_server"]
    assert fleet.kubeconfig("site-1").stat().st_mode & 0o777 == 0o600
    assert json.loads((fleet.directory / "bundle/bundle.json").read_text())["artifacts"][0]["image"]["digest"] == IMAGES["1"]


def test_a_record_in_memory_needs_no_file():
    record = Record()
    assert record.all() == []
    record.close()


def test_the_command_serves_until_it_is_interrupted_and_keeps_each_simulation_apart(tmp_path):
    command = [sys.executable, "-m", "edgelab", "simulate", str(tmp_path / "here"), "--sites", "1", "--nodes", "1"]
    where = {**os.environ, "PYTHONPATH": str(LAB)}
    with subprocess.Popen(command, env=where, stdout=subprocess.PIPE, text=True) as running:
        assert "1 sites, 1 nodes" in running.stdout.readline()
        assert (tmp_path / "here/site-1/kubeconfig").exists() and (tmp_path / "here/inventory/fleet.yml").exists()
        running.terminate()
        assert running.wait(30) == 0
    again = subprocess.run(command, env=where, capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "give each simulation a directory of its own" in again.stderr
