"""The lab's device plugin: stands in for NVIDIA's, with its environment variables and configuration file.

Offers every GPU that this container sees as nvidia.com/gpu, and answers the kubelet with CDI names, with mounts or with a
variable, as DEVICE_LIST_STRATEGY says. A GPU is seen through the driver (NVML), or by the variables that the lab's runtime
gives containers on simulated hardware. Like the real one it ends with an error where it sees none.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
from concurrent import futures
from pathlib import Path

import yaml

import device_messages as messages

VERSION = "v0.20.0"
DIRECTORY = Path(os.environ.get("DEVICE_PLUGIN_PATH", "/var/lib/kubelet/device-plugins"))
RESOURCE = "nvidia.com/gpu"
VOLUMES = "/var/run/nvidia-container-devices"
STRATEGIES = ("envvar", "volume-mounts", "cdi-cri", "cdi-annotations")
WATCH_SECONDS = 1.0
# The real one looks for its devices anew; until then the node has none.
RESTART_SECONDS = 2.0


class Failure(Exception):
    """Why there is nothing to offer."""


# -- what is there -----------------------------------------------------------------------------------
def discover(strategy, environment):
    """[(device id, CDI name)]; a Jetson has one device, called tegra."""
    simulated = environment.get("EDGEAI_SIMULATED_GPU", "")
    identities = [environment[name] for name in ("EDGEAI_SIMULATED_GPU_UUID",) if environment.get(name)]
    tegra = strategy == "tegra" or strategy == "auto" and (
        bool(simulated) and not identities or os.path.exists("/etc/nv_tegra_release"))
    if tegra:
        if not simulated and not any(os.path.exists(path) for path in ("/dev/nvhost-gpu", "/dev/nvmap", "/dev/nvidia0")):
            raise Failure("Failed to initialize: no Tegra devices in this container. Is it run by the NVIDIA runtime?")
        return [("tegra", "0")]
    found = identities or nvml_identities()
    return [(identity, str(index)) for index, identity in enumerate(found)]


def nvml_identities():
    """UUIDs of the GPUs that the driver knows."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError as problem:
        raise Failure(f"Failed to initialize NVML: could not load NVML library: {problem}") from None
    code = nvml.nvmlInit_v2()
    if code:
        raise Failure(f"Failed to initialize NVML: error {code}")
    count, found = ctypes.c_uint(), []
    nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
    for index in range(count.value):
        device, text = ctypes.c_void_p(), ctypes.create_string_buffer(96)
        nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device))
        nvml.nvmlDeviceGetUUID(device, text, 96)
        found.append(text.value.decode())
    return found


def sharing(path):
    """(replicas, name of the resource) from the configuration file; one replica without it."""
    document = (yaml.safe_load(Path(path).read_text()) or {}) if path else {}
    if document and document.get("version") != "v1":
        raise Failure(f"{path}: unknown version: {document.get('version')}")
    shared = document.get("sharing") or {}
    if len(shared) > 1:
        raise Failure(f"{path}: sharing can be timeSlicing or mps, not both")
    options = shared.get("timeSlicing") or shared.get("mps") or {}
    for resource in options.get("resources") or []:
        if resource["name"] in (RESOURCE, RESOURCE.rpartition("/")[2]):
            replicas = int(resource["replicas"])
            if replicas < 2:
                raise Failure(f"{path}: number of replicas must be >= 2")
            return replicas, RESOURCE + (".shared" if options.get("renameByDefault") else ""), \
                bool(options.get("failRequestsGreaterThanOne"))
    return 1, RESOURCE, False


def offer(devices, replicas):
    """The list that the kubelet gets: a shared GPU appears several times."""
    ids = [identity for identity, _ in devices]
    return [{"ID": f"{identity}::{number}" if replicas > 1 else identity, "health": "Healthy"}
            for identity in ids for number in range(replicas)]


def allocation(strategies, devices, asked):
    """What one container gets for device ids."""
    names = dict(devices)
    physical = sorted({identity.partition("::")[0] for identity in asked})
    unknown = [identity for identity in physical if identity not in names]
    if unknown:
        raise Failure(f"invalid allocation request for '{RESOURCE}': unknown device: {', '.join(unknown)}")
    qualified = [f"{RESOURCE}={names[identity]}" for identity in physical]
    answer = {"envs": {}, "mounts": [], "annotations": {}, "cdi_devices": []}
    if "envvar" in strategies:
        answer["envs"]["NVIDIA_VISIBLE_DEVICES"] = ",".join(physical if physical != ["tegra"] else ["all"])
    if "volume-mounts" in strategies:
        answer["envs"]["NVIDIA_VISIBLE_DEVICES"] = VOLUMES
        answer["mounts"] = [{"container_path": f"{VOLUMES}/{identity}", "host_path": "/dev/null"} for identity in physical]
    if "cdi-cri" in strategies:
        answer["cdi_devices"] = [{"name": name} for name in qualified]
    if "cdi-annotations" in strategies:
        answer["annotations"]["cdi.k8s.io/nvidia-device-plugin_lab"] = ",".join(qualified)
    return answer


# -- talking to the kubelet --------------------------------------------------------------------------
class Server:
    """The plugin's own socket. A new one is made whenever the kubelet made its socket anew."""

    def __init__(self, grpc, resource, strategies, devices, replicas, one_only):
        self._grpc, self._resource, self._strategies = grpc, resource, strategies
        self._devices, self._replicas, self._one_only = devices, replicas, one_only
        self._socket = DIRECTORY / f"nvidia-{resource.rpartition('/')[2].replace('.', '-')}.sock"
        self._server, self._ended = None, threading.Event()

    def start(self):
        grpc = self._grpc
        self._socket.unlink(missing_ok=True)
        self._ended = threading.Event()
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        empty, options = messages.decoder("Empty"), messages.encoder("DevicePluginOptions")
        handlers = {
            "GetDevicePluginOptions": unary(lambda *_: {}, empty, options),
            "ListAndWatch": stream(self._watch, empty, messages.encoder("ListAndWatchResponse")),
            "Allocate": unary(self._allocate, messages.decoder("AllocateRequest"), messages.encoder("AllocateResponse")),
            "PreStartContainer": unary(lambda *_: {}, empty, messages.encoder("Empty")),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("v1beta1.DevicePlugin", handlers),))
        self._server.add_insecure_port(f"unix:{self._socket}")
        self._server.start()
        with grpc.insecure_channel(f"unix:{DIRECTORY}/kubelet.sock") as channel:
            register = channel.unary_unary(messages.REGISTER, messages.encoder("RegisterRequest"), messages.decoder("Empty"))
            register({"version": messages.VERSION, "endpoint": self._socket.name, "resource_name": self._resource,
                      "options": {}}, timeout=10)
        say(f"Registered device plugin for '{self._resource}' with Kubelet")

    def stop(self):
        self._ended.set()
        if self._server:
            self._server.stop(0.5).wait()
        self._socket.unlink(missing_ok=True)

    def alive(self):
        return self._socket.exists()

    def _watch(self, _request, context):
        context.add_callback(self._ended.set)
        yield {"devices": offer(self._devices, self._replicas)}
        self._ended.wait()

    def _allocate(self, request, context):
        answers = []
        for one in request["container_requests"]:
            if self._one_only and self._replicas > 1 and len(one["devices_ids"]) > 1:
                context.abort(self._grpc.StatusCode.UNKNOWN, f"request for '{self._resource}: {len(one['devices_ids'])}' too "
                              "large: maximum request size for shared resources is 1")
            try:
                answers.append(allocation(self._strategies, self._devices, one["devices_ids"]))
            except Failure as problem:
                context.abort(self._grpc.StatusCode.UNKNOWN, str(problem))
        return {"container_responses": answers}


def say(text):
    print(text, flush=True)


def stamp(path):
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


def main():
    say(f"Starting NVIDIA Device Plugin {VERSION} (stand-in of the lab)")
    strategies = os.environ.get("DEVICE_LIST_STRATEGY", "envvar").split(",")
    try:
        unknown = [name for name in strategies if name not in STRATEGIES]
        if unknown:
            raise Failure(f"invalid --device-list-strategy option {','.join(unknown)}")
        replicas, resource, one_only = sharing(os.environ.get("CONFIG_FILE", ""))
        devices = discover(os.environ.get("DEVICE_DISCOVERY_STRATEGY", "auto"), os.environ)
        if not devices:
            raise Failure("No devices found")
    except (Failure, OSError, yaml.YAMLError, KeyError, ValueError) as problem:
        say(f"error starting plugins: {problem}")
        if os.environ.get("FAIL_ON_INIT_ERROR", "true") != "false":
            return 1
        say("Waiting indefinitely.")
        signal.pause()
    say(json.dumps({"resource": resource, "devices": devices, "replicas": replicas, "deviceListStrategy": strategies}))
    return serve(resource, strategies, devices, replicas, one_only)


def serve(resource, strategies, devices, replicas, one_only):
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    import grpc

    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server, seen = None, None
    while not stopped.is_set():
        now = stamp(DIRECTORY / "kubelet.sock")
        if now and (now != seen or not server.alive()):
            if server:
                say("inotify: kubelet.sock created, restarting")
                server.stop()
                stopped.wait(RESTART_SECONDS)
            server = Server(grpc, resource, strategies, devices, replicas, one_only)
            try:
                server.start()
                seen = now
            except grpc.RpcError as problem:
                say(f"Failed to register device plugin: {problem.code()}: {problem.details()}")
                server.stop()
                time.sleep(WATCH_SECONDS)
        stopped.wait(WATCH_SECONDS)
    if server:
        server.stop()
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--version"]:
        say(f"NVIDIA Device Plugin {VERSION} (stand-in of the lab)")
        sys.exit(0)
    sys.exit(main())
