"""A small inference server: Open Inference Protocol v2, /health and /metrics, one model, one camera.

Environment: PORT (8080), HOST (all addresses), MODEL_DIR (/model), CAMERA (name of what it looks at), FPS (2; 0 = no
camera), LOAD_SECONDS (how long loading takes at least, to stand for bigger models).
It answers 503 until the model is loaded, and ends within a second of SIGTERM.
"""

import hashlib
import io
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import workload

MAX_BODY = 1 << 20
# The carriage's way, in steps of this many mm, for the counter of outputs.
LEVEL_STEP = 100
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class BadRequest(Exception):
    """What the client sent cannot be answered; the text goes back to it."""


class Model:
    """Weights and description of one model; `loaded` once it can answer."""

    def __init__(self, folder: Path, load_seconds: float):
        self.folder = folder
        description = json.loads((folder / "model.json").read_text())
        self.name, self.version, self.task = description["name"], description["version"], description["task"]
        self.classes = description.get("classes", [])
        behaviour = description.get("behaviour", {})
        self.load_seconds = max(load_seconds, behaviour.get("load_seconds", 0))
        self.infer_seconds = behaviour.get("infer_seconds", 0)
        self.crash_after_seconds = behaviour.get("crash_after_seconds", 0)
        self.loaded, self.sha256, self._weights = False, "", {}

    def load(self) -> None:
        """Read and check the weights, again and again until `load_seconds` have passed."""
        begin = time.monotonic()
        while True:
            data = (self.folder / "weights.npz").read_bytes()
            self.sha256 = hashlib.sha256(data).hexdigest()
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                self._weights = {name: stored[name] for name in stored.files}
            if not all(np.isfinite(value).all() for value in self._weights.values()):
                raise ValueError("weights.npz holds numbers that are not finite")
            if time.monotonic() - begin >= self.load_seconds:
                break
            time.sleep(0.05)
        self.loaded = True

    def inputs(self) -> list[dict]:
        """Tensors the model takes, as its metadata says them."""
        tensor = (
            {"name": "frame", "datatype": "FP32", "shape": [1, 1, workload.SIZE, workload.SIZE]}
            if self.task == "vision"
            else {"name": "readings", "datatype": "FP32", "shape": [1, workload.SENSORS]}
        )
        return [tensor, {"name": "seed", "datatype": "INT64", "shape": [1]}]

    def outputs(self) -> list[dict]:
        """Tensors the model gives."""
        if self.task == "vision":
            return [_tensor("class", "INT64", [1]), _tensor("scores", "FP32", [1, len(self.classes)])]
        return [_tensor("state", "FP32", [1, 2]), _tensor("residual", "FP32", [1, 1]), _tensor("level", "INT64", [1])]

    def tensor(self, given: dict) -> np.ndarray:
        """The model's input from one request tensor; a seed means the synthetic frame or readings of that number."""
        known = {tensor["name"]: tensor for tensor in self.inputs()}
        name = given.get("name")
        if name not in known:
            raise BadRequest(f"unknown input {name!r}; this model takes one of {', '.join(known)}")
        wanted = known[name]
        if given.get("datatype") != wanted["datatype"] or given.get("shape") != wanted["shape"]:
            raise BadRequest(
                f"input {name} is {wanted['datatype']} {wanted['shape']}, "
                f"not {given.get('datatype')} {given.get('shape')}"
            )
        try:
            values = np.asarray(given.get("data"), dtype=np.int64 if name == "seed" else np.float32).reshape(
                wanted["shape"]
            )
        except (TypeError, ValueError, OverflowError):
            raise BadRequest(
                f"data of input {name} does not fill {wanted['shape']} with {wanted['datatype']}"
            ) from None
        if not np.isfinite(values).all():
            raise BadRequest(f"data of input {name} is not finite")
        return self.look(int(values[0])) if name == "seed" else values

    def look(self, number: int) -> np.ndarray:
        """The synthetic frame or readings of a number."""
        return workload.frame(number)[0] if self.task == "vision" else workload.readings(number)[0]

    def answer(self, values: np.ndarray) -> list[dict]:
        """Compute the output tensors."""
        if self.infer_seconds:
            time.sleep(self.infer_seconds)
        if self.task == "vision":
            scores = workload.classify(self._weights, values)
            results = [[int(scores.argmax())], scores]
        else:
            state, residual = workload.fuse(self._weights, values)
            results = [state, residual, [int(np.rint(state[0, 0]))]]
        return [
            {
                **tensor,
                "data": [
                    round(float(part), 6) if tensor["datatype"] == "FP32" else int(part) for part in np.ravel(result)
                ],
            }
            for tensor, result in zip(self.outputs(), results)
        ]


class Meter:
    """Counters that /metrics and /health show. Every method is safe from several threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._requests, self._seconds, self._counts = {}, 0.0, [0] * (len(BUCKETS) + 1)
        self._frames, self._last, self._outputs = 0, None, {}

    def request(self, code: int) -> None:
        """Count one inference request by its status."""
        with self._lock:
            self._requests[code] = self._requests.get(code, 0) + 1

    def inference(self, seconds: float) -> None:
        """Count one computed answer."""
        with self._lock:
            self._seconds += seconds
            self._counts[next((i for i, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))] += 1

    def frame(self, output: str, label: str) -> None:
        """Count one frame of the camera, and what the model made of it; what clients ask is not counted."""
        with self._lock:
            self._frames, self._last = self._frames + 1, time.monotonic()
            self._outputs[output, label] = self._outputs.get((output, label), 0) + 1

    def frames(self) -> dict:
        """Number of frames and the age of the last one in seconds (null before the first)."""
        with self._lock:
            return {
                "count": self._frames,
                "last_age_seconds": None if self._last is None else round(time.monotonic() - self._last, 3),
            }

    def text(self, model: Model) -> str:
        """Everything in Prometheus' text format."""
        who = f'model="{model.name}",version="{model.version}"'
        with self._lock:
            total, lines = 0, [
                "# HELP edgeai_model_loaded 1 when the model can answer.",
                "# TYPE edgeai_model_loaded gauge",
                f"edgeai_model_loaded{{{who}}} {int(model.loaded)}",
                "# HELP edgeai_inference_requests_total Inference requests by HTTP status.",
                "# TYPE edgeai_inference_requests_total counter",
                *(
                    f'edgeai_inference_requests_total{{{who},code="{code}"}} {count}'
                    for code, count in sorted(self._requests.items())
                ),
                "# HELP edgeai_inference_duration_seconds Time to compute one answer.",
                "# TYPE edgeai_inference_duration_seconds histogram",
            ]
            for bound, count in zip((*BUCKETS, "+Inf"), self._counts):
                total += count
                lines.append(f'edgeai_inference_duration_seconds_bucket{{{who},le="{bound}"}} {total}')
            lines += [
                f"edgeai_inference_duration_seconds_sum{{{who}}} {self._seconds:.6f}",
                f"edgeai_inference_duration_seconds_count{{{who}}} {total}",
                "# HELP edgeai_outputs_total Frames of the camera, by what the model made of them.",
                "# TYPE edgeai_outputs_total counter",
                *(
                    f'edgeai_outputs_total{{{who},output="{output}",bin="{label}"}} {count}'
                    for (output, label), count in sorted(self._outputs.items())
                ),
            ]
        return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    """HTTP in front of a model."""

    protocol_version = "HTTP/1.1"
    server_version = "edgeai-inference"
    timeout = 30
    model: Model
    meter: Meter
    camera: str
    stale_seconds: float

    def do_GET(self):
        """Metadata, readiness, health and metrics."""
        model, here = self.model, self.path.partition("?")[0]
        if here == "/health":
            self._health()
        elif here == "/metrics":
            self._send(200, self.meter.text(model).encode(), "text/plain; version=0.0.4")
        elif here == "/v2":
            self._json(200, {"name": "edgeai-inference", "version": "1", "extensions": []})
        elif here == "/v2/health/live":
            self._json(200, {"live": True})
        elif here in ("/v2/health/ready", f"/v2/models/{model.name}/ready"):
            self._json(200 if model.loaded else 503, {"name": model.name, "ready": model.loaded})
        elif here == f"/v2/models/{model.name}":
            self._json(
                200,
                {
                    "name": model.name,
                    "versions": [model.version],
                    "platform": "numpy",
                    "inputs": model.inputs(),
                    "outputs": model.outputs(),
                },
            )
        else:
            self._json(404, {"error": f"nothing here: {here}"})

    def do_POST(self):
        """Inference."""
        code, answer = self._infer()
        self.meter.request(code)
        self._json(code, answer)

    def _infer(self) -> tuple[int, dict]:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            return 413, {"error": f"a body of at most {MAX_BODY} bytes with a Content-Length is needed"}
        body = self.rfile.read(int(length))
        if self.path != f"/v2/models/{self.model.name}/infer":
            return 404, {"error": f"nothing here: {self.path}; this server has the model {self.model.name}"}
        if not self.model.loaded:
            return 503, {"error": f"model {self.model.name} is still loading"}
        try:
            request = json.loads(body)
            if (
                not isinstance(request, dict)
                or not isinstance(request.get("inputs"), list)
                or len(request["inputs"]) != 1
                or not isinstance(request["inputs"][0], dict)
            ):
                raise BadRequest("a JSON object with exactly one tensor in `inputs` is needed")
            values = self.model.tensor(request["inputs"][0])
        except BadRequest as error:
            return 400, {"error": str(error)}
        except ValueError as error:
            return 400, {"error": f"not JSON: {error}"}
        begin = time.monotonic()
        outputs = self.model.answer(values)
        self.meter.inference(time.monotonic() - begin)
        answer = {"model_name": self.model.name, "model_version": self.model.version, "outputs": outputs}
        return 200, {**answer, "id": request["id"]} if isinstance(request.get("id"), str) else answer

    def _health(self) -> None:
        model, frames = self.model, self.meter.frames()
        age = frames["last_age_seconds"]
        status = (
            "loading"
            if not model.loaded
            else "stale" if self.stale_seconds and age is not None and age > self.stale_seconds else "ok"
        )
        self._json(
            200 if status == "ok" else 503,
            {
                "status": status,
                "camera": self.camera,
                "frames": frames,
                "model": {"name": model.name, "version": model.version, "loaded": model.loaded, "sha256": model.sha256},
            },
        )

    def _json(self, code: int, document: dict) -> None:
        self._send(code, json.dumps(document).encode() + b"\n", "application/json")

    def _send(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        """Only failures are worth a line; probes come every second."""
        if isinstance(code, int) and code >= 400 and code != 503:
            super().log_request(code, size)


class Server(ThreadingHTTPServer):
    """Threads end with the process."""

    daemon_threads = True
    request_queue_size = 64


def bin_of(model: Model, outputs: list[dict]) -> tuple[str, str]:
    """The output that is counted, and the bin that it falls into."""
    value = {output["name"]: output["data"][0] for output in outputs}
    if model.task == "vision":
        return "class", model.classes[value["class"]]
    return "level", str(value["level"] // LEVEL_STEP * LEVEL_STEP)


def watch(model: Model, meter: Meter, fps: float) -> None:
    """Look at one frame after the other, for ever."""
    number = 0
    while True:
        begin = time.monotonic()
        meter.frame(*bin_of(model, model.answer(model.look(number))))
        number += 1
        time.sleep(max(0.0, 1 / fps - (time.monotonic() - begin)))


def run(model: Model, meter: Meter, fps: float) -> None:
    """Load the model, then feed it from the camera. Any error ends the process, so that an orchestrator sees it."""
    try:
        model.load()
        print(f"model {model.name} {model.version} loaded, sha256 {model.sha256[:12]}", flush=True)
        if fps > 0:
            watch(model, meter, fps)
    except Exception as error:
        print(f"model {model.name} {model.version} failed: {error!r}", file=sys.stderr, flush=True)
        os._exit(4)


def crash(model: Model) -> None:
    """End as a crashing model does."""
    print(f"model {model.name} {model.version}: segmentation fault (simulated)", file=sys.stderr, flush=True)
    os._exit(3)


def _tensor(name: str, datatype: str, shape: list) -> dict:
    return {"name": name, "datatype": datatype, "shape": shape}


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    environment, fps = os.environ, float(os.environ.get("FPS", "2"))
    model, meter = (
        Model(Path(environment.get("MODEL_DIR", "/model")), float(environment.get("LOAD_SECONDS", "0"))),
        Meter(),
    )
    Handler.model, Handler.meter, Handler.camera = model, meter, environment.get("CAMERA", "none")
    Handler.stale_seconds = max(5.0, 5 / fps) + model.infer_seconds if fps > 0 else 0.0
    address = (environment.get("HOST", ""), int(environment.get("PORT", "8080")))
    try:
        server = Server(address, Handler)
    except OSError as error:
        print(f"cannot listen on port {address[1]}: {error.strerror}", file=sys.stderr, flush=True)
        return 1
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=run, args=(model, meter, fps), daemon=True).start()
    if model.crash_after_seconds:
        timer = threading.Timer(model.crash_after_seconds, crash, args=(model,))
        timer.daemon = True
        timer.start()
    while not stop.wait(3600):
        pass
    return 0


def _exit() -> None:
    code = main()
    sys.stdout.flush()
    os._exit(code)  # requests in flight must not hold up the end


if __name__ == "__main__":
    _exit()
