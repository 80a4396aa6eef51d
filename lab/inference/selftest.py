"""Proves a built image before anyone gets it: `selftest.py MODELS_DIR` with the golden answers as JSON on stdin.

Runs inside the image's files, with its Python and its numpy. Ends with an AssertionError that says what is wrong.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

SERVER = Path(__file__).with_name("server.py")
ANSWER_SECONDS = 20
END_SECONDS = 1.0


class Client:
    """Requests to one server; answers are (status, parsed body)."""

    def __init__(self, port: int):
        self.port = port

    def ask(self, method: str, path: str, body=None, headers=None):
        """One request; a body that is not bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(
            method, path, body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode(), headers or {}
        )
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text) if answer.getheader("Content-Type") == "application/json" else text

    def wait(self, path: str, status: int):
        """Ask until the status comes, or fail."""
        deadline, found = time.monotonic() + ANSWER_SECONDS, None
        while time.monotonic() < deadline:
            try:
                found = self.ask("GET", path)
                if found[0] == status:
                    return found[1]
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"{path} never answered {status}, last: {found}")


@contextmanager
def server(folder: Path, **environment):
    """A server for one model; checks that SIGTERM ends it in time and without an error."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {
        **os.environ,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "MODEL_DIR": str(folder),
        "FPS": "20",
        "CAMERA": "test",
        **environment,
    }
    process = subprocess.Popen([sys.executable, "-B", str(SERVER)], env=settings)
    try:
        yield Client(port)
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code, seconds = process.wait(10), time.monotonic() - begin
        assert code == 0 and seconds < END_SECONDS, f"SIGTERM: exit code {code} after {seconds:.1f} s"
    finally:
        process.kill()


def seed(number):
    """A request for the synthetic input of that number."""
    return {"id": "one", "inputs": [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [number]}]}


def check_loading(folder: Path) -> None:
    """Everything but liveness answers 503 until the model is there."""
    with server(folder, LOAD_SECONDS="1.5") as client:
        client.wait("/v2/health/live", 200)
        assert client.ask("GET", "/v2/health/ready")[0] == 503
        assert client.ask("POST", "/v2/models/vision/infer", seed(7))[0] == 503
        status, health = client.ask("GET", "/health")
        assert status == 503 and health["status"] == "loading" and health["model"]["loaded"] is False, health
        assert client.wait("/health", 200)["model"]["loaded"] is True
        assert client.ask("GET", "/v2/models/vision/ready")[0] == 200


def check_requests(folder: Path) -> None:
    """Wrong requests get a 4xx with a reason, and the counters move."""
    with server(folder) as client:
        client.wait("/v2/health/ready", 200)
        url = "/v2/models/vision/infer"
        tensor = {"name": "frame", "shape": [1, 1, 32, 32], "datatype": "FP32", "data": [0.5] * 1024}
        assert client.ask("POST", url, {"inputs": [tensor]})[0] == 200
        wrong = [
            b"{",
            [],
            {},
            {"inputs": []},
            {"inputs": [1]},
            {"inputs": [tensor, tensor]},
            *(
                {"inputs": [{**tensor, **change}]}
                for change in (
                    {"name": "other"},
                    {"shape": [1]},
                    {"datatype": "INT64"},
                    {"data": [1]},
                    {"data": None},
                    {"data": ["x"] * 1024},
                    {"data": [float("nan")] * 1024},
                )
            ),
        ]
        for body in wrong:
            status, answer = client.ask("POST", url, body)
            assert status == 400 and answer["error"], (body, status, answer)
        assert client.ask("POST", url, headers={"Content-Length": str((1 << 20) + 1)})[0] == 413
        assert client.ask("POST", "/v2/models/other/infer", seed(7))[0] == 404
        assert client.ask("GET", "/nothing")[0] == 404
        metrics = client.ask("GET", "/metrics")[1]
        assert 'requests_total{model="vision",version="1",code="200"} 1\n' in metrics, metrics
        assert f'requests_total{{model="vision",version="1",code="400"}} {len(wrong)}\n' in metrics, metrics
        before = client.ask("GET", "/health")[1]["frames"]["count"]
        time.sleep(0.3)
        health = client.ask("GET", "/health")[1]
        assert (
            health["frames"]["count"] > before
            and health["frames"]["last_age_seconds"] < 1
            and health["camera"] == "test"
        ), health
        metrics = client.ask("GET", "/metrics")[1]
        assert 'edgeai_outputs_total{model="vision",version="1",output="class",bin="good"} ' in metrics, metrics


def check_golden(models: Path, golden: dict) -> None:
    """Every image gives its golden answer over HTTP."""
    for name, wanted in golden.items():
        model, version = name.split(":")
        with server(models / f"{model}-{version}", FPS="0") as client:
            client.wait("/v2/health/ready", 200)
            status, answer = client.ask("POST", f"/v2/models/{model}/infer", seed(7))
            outputs = {output["name"]: output["data"] for output in answer["outputs"]}
            assert status == 200 and outputs[wanted["output"]] == [wanted["data"]], (name, answer)
            assert (answer["model_version"], answer["id"]) == (version, "one"), answer


def check_worth(golden: dict) -> None:
    """The models differ in the way the rollout scenarios need."""
    one, two, wrong = (golden[f"vision:{version}"] for version in ("1", "2", "wrong"))
    assert one["data"] == two["data"] == one["truth"] != wrong["data"], golden
    assert 0.9 <= one["accuracy"] < two["accuracy"] and wrong["accuracy"] < 0.5, golden


def check_crash(folder: Path) -> None:
    """The crashing model ends with an error; here sooner than its image does."""
    description = json.loads((folder / "model.json").read_text())
    assert description["behaviour"] == {"crash_after_seconds": 20}, description
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copyfile(folder / "weights.npz", Path(scratch, "weights.npz"))
        Path(scratch, "model.json").write_text(json.dumps({**description, "behaviour": {"crash_after_seconds": 0.2}}))
        settings = {**os.environ, "HOST": "127.0.0.1", "PORT": "0", "MODEL_DIR": scratch, "FPS": "0"}
        code = subprocess.run([sys.executable, "-B", str(SERVER)], env=settings, timeout=20).returncode
    assert code == 3, f"the crashing model ended with {code}"


if __name__ == "__main__":
    where, expected = Path(sys.argv[1]), json.load(sys.stdin)
    check_worth(expected)
    check_golden(where, expected)
    check_loading(where / "vision-1")
    check_requests(where / "vision-1")
    check_crash(where / "vision-crash")
