"""The pods of this node: one worker thread each, from sandbox to end."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import threading
import time
import traceback
from pathlib import Path

from standin_common import pki
from .. import build_info
from ..api.objects import now
from standin_common.apiclient import Refused, Unreachable
from ..controllers import events
from standin_common import probes
from standin_common import volumes
from . import injection, podstatus
from .network import NetworkError
from .runtime import StartError

LOGS = Path("/var/log/pods")
SANDBOX_RETRY = (12.0, 15.0)
CRASH_BACKOFF, IMAGE_BACKOFF = (10.0, 300.0), (10.0, 300.0)
HEALTHY_SECONDS = 600.0
_HTTP_KINDS = ("startupProbe", "readinessProbe", "livenessProbe")


class ContainerState:
    """What is known of one container of a pod."""

    def __init__(self, name):
        self.name = name
        self.id, self.image_id, self.handle = "", "", None
        self.restarts, self.attempt = 0, 0
        self.state = {"waiting": {"reason": "ContainerCreating"}}
        self.last_state = {}
        self.ready = self.started = False
        self.not_before = 0.0            # monotonic time of the next try
        self.crash_backoff = 0.0
        self.image_backoff = 0.0
        self.image_failed = 0.0          # monotonic time of the last failed pull
        self.running_since = 0.0
        self.probers = []
        self.killing = None              # reason why we are killing it

    @property
    def running(self):
        return "running" in self.state

    def wait(self, reason, message=None):
        self.state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}

    def record(self):
        return {"id": self.id, "image_id": self.image_id, "restarts": self.restarts, "attempt": self.attempt,
                "state": self.state, "last_state": self.last_state, "crash_backoff": self.crash_backoff}

    def restore(self, record):
        for key, value in record.items():
            setattr(self, key, value)


class PodWorker(threading.Thread):
    """Drives one pod. Everything happens in its thread; others only call `update` and `poke`."""

    def __init__(self, kubelet, pod):
        meta = pod["metadata"]
        super().__init__(daemon=True, name=f"pod-{meta['name'][-24:]}")
        self.kubelet, self.pod, self.uid = kubelet, pod, meta["uid"]
        self.key = f"{meta['namespace']}/{meta['name']}"
        self._wake = threading.Condition()
        self._poked = True
        self.finished = False
        self.rejected = None             # (reason, message)
        self.sandbox, self.address, self._netns = "", "", None
        self._sandbox_try = 0.0
        self._init_done = False
        self._start_time = (pod.get("status") or {}).get("startTime") or now()
        self._was_started = (pod.get("status") or {}).get("phase") == "Running"
        spec = pod["spec"]
        self.init_containers = [ContainerState(c["name"]) for c in spec.get("initContainers") or []]
        self.containers = [ContainerState(c["name"]) for c in spec["containers"]]
        self.files = volumes.PodFiles(pod, kubelet.client, kubelet.address, kubelet.pods_dir)
        self._published = None
        self._events = {}

    # -- from other threads ------------------------------------------------------------------------
    def update(self, pod):
        self.pod = pod
        self.files.refresh(pod)
        self.poke()

    def poke(self):
        with self._wake:
            self._poked = True
            self._wake.notify()

    # -- the loop ----------------------------------------------------------------------------------
    def run(self):
        while not self.finished:
            try:
                self._step()
                delay = self._next_delay()
            except Unreachable:
                delay = 1.0
            except Exception:
                traceback.print_exc()
                delay = 5.0
            with self._wake:
                if not self._poked and not self.finished:
                    self._wake.wait(delay)
                self._poked = False
        self.kubelet.forget(self)

    def _step(self):
        if self.pod["metadata"].get("deletionTimestamp"):
            self._terminate()
            return
        if self.rejected:
            self._publish_rejection()
            return
        if self._phase() in ("Failed", "Succeeded"):
            self._publish()
            return
        if not self._ensure_sandbox():
            self._publish()
            return
        if not self._init_done:
            self._run_init()
        if self._init_done:
            for spec, container in zip(self.pod["spec"]["containers"], self.containers):
                self._drive(spec, container)
        self._publish()

    def _next_delay(self):
        """Seconds until something is due; None waits for news."""
        moment, due = time.monotonic(), []
        if self.finished:
            return 0.0
        if not self.sandbox and not self.rejected:
            due.append(self._sandbox_try)
        for container in self.init_containers + self.containers:
            if container.running:
                due += [p.due for p in self._active_probers(container)]
            elif container.not_before > moment:
                due.append(container.not_before)
        return max(0.02, min(due) - moment) if due else None

    # -- sandbox -----------------------------------------------------------------------------------
    def _ensure_sandbox(self):
        if self.sandbox:
            return True
        if time.monotonic() < self._sandbox_try:
            return False
        if not self._sandbox_try:
            self._publish()
        problem = self._make_sandbox()
        if problem is None:
            self._save()
            return True
        self._event("Warning", "FailedCreatePodSandBox", "Failed to create pod sandbox: rpc error: code = Unknown desc = "
                    + problem)
        self._sandbox_try = time.monotonic() + random.uniform(*SANDBOX_RETRY)
        return False

    def _make_sandbox(self):
        """None, or why there is no sandbox."""
        spec = self.pod["spec"]
        runtime_class = spec.get("runtimeClassName")
        if runtime_class:
            handler = self.kubelet.runtime_handler(runtime_class)
            if handler not in self.kubelet.handlers:
                return f'failed to get sandbox runtime: no runtime for "{handler}" is configured'
        pause = self.kubelet.pause_image
        if self.kubelet.images.find(pause) is None:
            return _missing_pause(pause)
        try:
            self.files.create(self.kubelet.address if spec.get("hostNetwork") else "127.0.0.1")
        except volumes.NotMountable as problem:
            self._event("Warning", "FailedMount", str(problem))
            return str(problem)
        except Refused as refusal:
            return f"failed to get volume contents: {refusal}"
        sandbox = secrets.token_hex(32)
        if spec.get("hostNetwork"):
            self.address, self._netns = self.kubelet.address, None
        else:
            try:
                self._netns, self.address = self.kubelet.network.add_pod(sandbox)
            except (NetworkError, OSError) as problem:
                return f"failed to setup network for sandbox \"{sandbox}\": {problem}"
            self.files.create(self.address)
        self.sandbox = sandbox
        return None

    # -- containers --------------------------------------------------------------------------------
    def _run_init(self):
        for spec, container in zip(self.pod["spec"].get("initContainers") or [], self.init_containers):
            ended = container.state.get("terminated")
            if ended and ended["exitCode"] == 0 and not container.running:
                continue
            self._drive(spec, container, init=True)
            if not (container.state.get("terminated") or {}).get("exitCode", 1) == 0:
                return
        self._init_done = True

    def _drive(self, spec, container, init=False):
        if container.running:
            self._watch_running(spec, container)
        if container.running or time.monotonic() < container.not_before:
            return
        ended = container.state.get("terminated")
        if ended and (init and ended["exitCode"] == 0 or not self._restarts_after(ended["exitCode"], init)):
            return
        self._start(spec, container)

    def _restarts_after(self, code, init):
        policy = self.pod["spec"].get("restartPolicy", "Always")
        return policy == "OnFailure" and code != 0 or policy == "Always" and (code != 0 or not init)

    def _start(self, spec, container):
        image = self._image(spec, container)
        if image is None:
            return
        meta = self.pod["metadata"]
        log_file = LOGS / f"{meta['namespace']}_{meta['name']}_{self.uid}" / spec["name"] / f"{container.attempt}.log"
        try:
            runtime_spec = self._runtime_spec(spec, image, log_file)
            self._inject(spec, runtime_spec)
        except (volumes.ConfigProblem, injection.NotInjected) as problem:
            if isinstance(problem, injection.RuntimeFailed):
                self._event("Normal", "Created", "Container created", spec["name"])
                container.restarts = container.attempt
                container.attempt += 1
                self._start_failed(spec, container, problem, container.attempt > 1)
                return
            kind = "CreateContainerConfigError" if isinstance(problem, volumes.ConfigProblem) else "CreateContainerError"
            container.wait(kind, str(problem))
            self._event("Warning", "Failed", f"Error: {problem}", spec["name"])
            container.not_before = time.monotonic() + 10
            return
        self._event("Normal", "Created", "Container created", spec["name"])
        self._remove_old(container)
        container.image_id = image["name"].rpartition(":")[0] + "@" + image["digest"]
        had_attempt = container.attempt > 0
        container.restarts = container.attempt
        container.attempt += 1
        try:
            container.handle = self.kubelet.runtime.start(runtime_spec, log_file, self.poke)
        except (StartError, OSError) as problem:
            self._start_failed(spec, container, problem, had_attempt)
            return
        container.id = container.handle.id
        container.state = {"running": {"startedAt": now()}}
        container.running_since, container.killing = time.monotonic(), None
        container.not_before = 0.0
        self._was_started = True
        self._arm_probes(spec, container)
        self._event("Normal", "Started", "Container started", spec["name"])
        self._save()

    def _start_failed(self, spec, container, problem, had_attempt):
        text = str(problem)
        self._event("Warning", "Failed", f"Error: {text}", spec["name"])
        self._was_started = True
        stamp = now()
        container.last_state = {"terminated": {"exitCode": 128, "reason": "StartError", "message": text,
                                               "startedAt": "1970-01-01T00:00:00Z", "finishedAt": stamp}}
        container.wait("RunContainerError", text)
        self._back_off(spec, container, had_attempt)

    def _runtime_spec(self, spec, image, log_file):
        config = image["config"]
        entrypoint, arguments = config.get("Entrypoint") or [], config.get("Cmd") or []
        if spec.get("command"):
            entrypoint, arguments = spec["command"], []
        if spec.get("args"):
            arguments = spec["args"]
        security = {**(self.pod["spec"].get("securityContext") or {}), **(spec.get("securityContext") or {})}
        user = str(security["runAsUser"]) if security.get("runAsUser") is not None else config.get("User", "")
        environment = self.files.environment(spec, config.get("Env"), self.address)
        return {"rootfs": image["rootfs"], "env": environment, "user": user,
                "args": [volumes._expand(a, environment) for a in [*entrypoint, *arguments]],
                "cwd": spec.get("workingDir") or config.get("WorkingDir") or "/",
                "mounts": self.files.mounts(spec, log_file), "netns": self._netns,
                "hostname": self.pod["spec"].get("hostname") or self.pod["metadata"]["name"][:63],
                "host_network": bool(self.pod["spec"].get("hostNetwork"))}

    def _inject(self, spec, runtime_spec):
        """Devices of plugins, then what the program of the pod's runtime adds."""
        injection.apply_devices(runtime_spec, self.kubelet.devices.given(self.uid, spec["name"]))
        runtime_class = self.pod["spec"].get("runtimeClassName")
        program = runtime_class and self.kubelet.runtime_programs.get(self.kubelet.runtime_handler(runtime_class))
        if program:
            metadata = self.pod["metadata"]
            runtime_spec["runtime"] = program
            runtime_spec["annotations"] = {"io.kubernetes.cri.sandbox-namespace": metadata["namespace"],
                                           "io.kubernetes.cri.sandbox-name": metadata["name"]}
            injection.through_runtime(runtime_spec, program, spec.get("securityContext") or {})

    def _image(self, spec, container):
        """The image, or None with the container waiting for it."""
        reference, policy = spec["image"], spec.get("imagePullPolicy", "IfNotPresent")
        image = self.kubelet.images.find(reference)
        if image and policy != "Always":
            container.image_backoff = 0.0
            self._event("Normal", "Pulled", f'Container image "{reference}" already present on machine and can be '
                        "accessed by the pod", spec["name"])
            return image
        if policy == "Never":
            container.wait("ErrImageNeverPull", f'Container image "{reference}" is not present with pull policy of Never')
            self._event("Warning", "ErrImageNeverPull", f'Container image "{reference}" is not present with pull policy '
                        "of Never", spec["name"])
            container.not_before = time.monotonic() + 10
            return None
        moment = time.monotonic()
        retry_at = container.image_failed + container.image_backoff
        if container.image_failed and moment < retry_at:
            container.wait("ImagePullBackOff", f'Back-off pulling image "{reference}": ErrImagePull: '
                           + _no_such_registry(reference))
            self._event("Normal", "BackOff", f'Back-off pulling image "{reference}"', spec["name"])
            self._event("Warning", "Failed", "Error: ImagePullBackOff", spec["name"])
            container.not_before = retry_at
            return None
        self._event("Normal", "Pulling", f'Pulling image "{reference}"', spec["name"])
        text = _no_such_registry(reference)
        container.wait("ErrImagePull", text)
        self._event("Warning", "Failed", f'Failed to pull image "{reference}": {text}', spec["name"])
        self._event("Warning", "Failed", "Error: ErrImagePull", spec["name"])
        container.image_failed = moment
        container.image_backoff = min(IMAGE_BACKOFF[1], container.image_backoff * 2 or IMAGE_BACKOFF[0])
        container.not_before = moment + container.image_backoff * 0.4  # the back-off shows at the next look
        return None

    # -- running containers ------------------------------------------------------------------------
    def _arm_probes(self, spec, container):
        moment = time.monotonic()
        container.probers = [probes.Prober(kind, spec[kind], moment) for kind in _HTTP_KINDS if spec.get(kind)]
        kinds = {p.kind for p in container.probers}
        container.started = "startupProbe" not in kinds
        container.ready = container.started and "readinessProbe" not in kinds

    @staticmethod
    def _active_probers(container):
        starting = [p for p in container.probers if p.kind == "startupProbe" and p.result is not True]
        return starting or [p for p in container.probers if p.kind != "startupProbe"]

    def _watch_running(self, spec, container):
        code = container.handle.exit_code() if container.handle else 255
        if code is not None:
            self._ended(spec, container, code)
            return
        for prober in self._active_probers(container):
            if time.monotonic() >= prober.due and container.running:
                self._probe(spec, container, prober)

    def _probe(self, spec, container, prober):
        ok, message = self.kubelet.probe(prober.probe, spec, self.address,
                                         lambda command, timeout: self.kubelet.runtime.exec(
                                             container.handle, command, timeout))
        if container.handle.exit_code() is not None:
            self.poke()
            return
        changed = prober.note(ok)
        kind = {"startupProbe": "Startup", "readinessProbe": "Readiness", "livenessProbe": "Liveness"}[prober.kind]
        if not ok:
            self._event("Warning", "Unhealthy", f"{kind} probe failed: {message}", spec["name"])
        if prober.kind == "startupProbe" and prober.result:
            container.started = True
            container.ready = not any(p.kind == "readinessProbe" for p in container.probers)
            for other in container.probers:
                other.due = max(other.due, time.monotonic() if other is not prober else other.due)
        elif prober.kind == "readinessProbe" and changed:
            container.ready = prober.result
        elif prober.kind != "readinessProbe" and prober.result is False and not container.killing:
            container.killing = f"Container {spec['name']} failed {kind.lower()} probe, will be restarted"
            self._event("Normal", "Killing", container.killing, spec["name"])
            self._stop_container(container, self.pod["spec"].get("terminationGracePeriodSeconds", 30))
            self.poke()

    def _ended(self, spec, container, code):
        reason = "Completed" if code == 0 else "Unknown" if code == 255 and not (
            container.handle and (container.handle.directory / "exit").exists()) else "Error"
        ended = {"exitCode": code, "reason": reason, "finishedAt": now(), "containerID": f"containerd://{container.id}",
                 "startedAt": (container.state.get("running") or {}).get("startedAt") or now()}
        lived = time.monotonic() - container.running_since if container.running_since else 0.0
        container.state = {"terminated": ended}
        container.ready = container.started = False
        container.probers = []
        if not self._restarts_after(code, container in self.init_containers):
            return
        container.last_state = {"terminated": ended}
        if lived > HEALTHY_SECONDS:
            container.crash_backoff = 0.0
        self._back_off(spec, container, container.restarts > 0)

    def _back_off(self, spec, container, had_attempt):
        """The first restart comes at once, later ones after 10, 20, … 300 s."""
        if not had_attempt:
            container.not_before = time.monotonic() + 0.9
            return
        container.crash_backoff = min(CRASH_BACKOFF[1], container.crash_backoff * 2 or CRASH_BACKOFF[0])
        container.not_before = time.monotonic() + container.crash_backoff
        meta = self.pod["metadata"]
        text = (f"back-off {int(container.crash_backoff)}s restarting failed container={spec['name']} "
                f"pod={meta['name']}_{meta['namespace']}({self.uid})")
        container.wait("CrashLoopBackOff", text)
        self._event("Warning", "BackOff", f"Back-off restarting failed container {spec['name']} in pod "
                    f"{meta['name']}_{meta['namespace']}({self.uid})", spec["name"])

    def _remove_old(self, container):
        if container.id:
            self.kubelet.runtime.remove(container.id)
            container.id = ""

    # -- the end -----------------------------------------------------------------------------------
    def _stop_container(self, container, grace):
        """SIGTERM, and SIGKILL after the grace period."""
        handle = container.handle
        if not handle or handle.exit_code() is not None:
            return
        self.kubelet.runtime.signal(handle, signal.SIGTERM)
        end = time.monotonic() + grace
        while handle.exit_code() is None and time.monotonic() < end:
            with self._wake:
                self._wake.wait(min(0.5, max(0.01, end - time.monotonic())))
            if self.pod["metadata"].get("deletionTimestamp"):
                end = min(end, time.monotonic() + self.pod["metadata"].get("deletionGracePeriodSeconds", 30))
        if handle.exit_code() is None:
            self.kubelet.runtime.kill(handle)
            for _ in range(200):
                if handle.exit_code() is not None:
                    break
                time.sleep(0.01)

    def _terminate(self):
        grace = self.pod["metadata"].get("deletionGracePeriodSeconds", 30)
        if not self.rejected:
            running = [c for c in self.containers + self.init_containers if c.running]
            self._publish()
            for container in running:
                self._event("Normal", "Killing", f"Stopping container {container.name}", container.name)
            for container in running:
                self._stop_container(container, grace)
                code = container.handle.exit_code() if container.handle else 137
                self._final_state(container, 137 if code is None else code)
            for container in self.containers:
                if "terminated" not in container.state:
                    self._final_state(container, 137, "ContainerStatusUnknown")
            self._publish(final=True)
        self._clean_up()
        time.sleep(0.3)
        self._delete_from_api()
        self.finished = True

    @staticmethod
    def _final_state(container, code, reason=None):
        reason = reason or ("Completed" if code == 0 else "Error")
        ended = {"exitCode": code, "reason": reason, "finishedAt": now(),
                 "startedAt": (container.state.get("running") or {}).get("startedAt") or now()}
        if container.id:
            ended["containerID"] = f"containerd://{container.id}"
        if reason == "ContainerStatusUnknown":
            ended["message"] = ("The container could not be located when the pod was terminated")
        container.state = {"terminated": ended}
        container.ready = container.started = False

    def _clean_up(self):
        for container in self.containers + self.init_containers:
            if container.id:
                self.kubelet.runtime.remove(container.id)
        if self.sandbox and self._netns:
            self.kubelet.network.remove_pod(self.sandbox, self.address)
        self.files.remove()
        meta = self.pod["metadata"]
        shutil.rmtree(LOGS / f"{meta['namespace']}_{meta['name']}_{self.uid}", ignore_errors=True)

    def _delete_from_api(self):
        meta = self.pod["metadata"]
        try:
            self.kubelet.client.request(
                "DELETE", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}",
                {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
                 "preconditions": {"uid": self.uid}})
        except Refused as refusal:
            if refusal.status not in (404, 409):
                raise

    def vanish(self):
        """The pod is gone from the API without a word (forced deletion): end its processes."""
        for container in self.containers + self.init_containers:
            if container.running:
                self._stop_container(container, 2)
        self._clean_up()
        self.finished = True
        self.poke()

    # -- memory ------------------------------------------------------------------------------------
    def _save(self):
        record = {"namespace": self.pod["metadata"]["namespace"], "name": self.pod["metadata"]["name"],
                  "sandbox": self.sandbox, "address": self.address, "netns": self._netns, "init_done": self._init_done,
                  "containers": {c.name: c.record() for c in self.containers + self.init_containers}}
        self.files.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        pki.write_file(self.files.directory / "containers.json", json.dumps(record), 0o600)

    def restore(self):
        """Finds again what an earlier K3s started for this pod."""
        try:
            record = json.loads((self.files.directory / "containers.json").read_text())
        except (OSError, ValueError):
            return
        sandbox_alive = not record["netns"] or os.path.exists(record["netns"])
        for container in self.containers + self.init_containers:
            if container.name in record["containers"]:
                container.restore(record["containers"][container.name])
                if container.running:
                    container.handle = self.kubelet.runtime.find(container.id, self.poke)
                    self._readopt(container)
        if sandbox_alive and any(c.handle for c in self.containers):
            self.sandbox, self.address, self._netns = record["sandbox"], record["address"], record["netns"]
            self._init_done = record["init_done"]
        elif record["netns"]:
            self.kubelet.network.remove_pod(record["sandbox"], record["address"])
        self._was_started = True

    def known(self):
        """Was this pod admitted before?"""
        return bool(self.sandbox or self._was_started)

    def lost_all(self):
        """Was it started, and is nothing of it left (a reboot)?"""
        return not any(c.handle for c in self.containers)

    def _readopt(self, container):
        spec = next(c for c in self.pod["spec"]["containers"] + (self.pod["spec"].get("initContainers") or [])
                    if c["name"] == container.name)
        if container.handle is None:      # a reboot: nobody saw it end
            ended = {"exitCode": 255, "reason": "Unknown", "startedAt": container.state["running"]["startedAt"],
                     "finishedAt": now(), "containerID": f"containerd://{container.id}"}
            container.state, container.last_state = {"terminated": ended}, {"terminated": ended}
            return
        self._arm_probes(spec, container)
        container.running_since = time.monotonic()
        before = next((s for s in (self.pod.get("status") or {}).get("containerStatuses") or []
                       if s["name"] == container.name), {})
        if before.get("ready") and before.get("containerID") == f"containerd://{container.id}":
            container.ready = container.started = True    # a restart of K3s does not make a pod NotReady
            container.probers = [p for p in container.probers if p.kind != "startupProbe"]

    # -- telling the API ---------------------------------------------------------------------------
    def _phase(self):
        return podstatus.phase(self.pod["spec"], self.containers, self._init_done or not self.init_containers,
                               self._was_started)

    def _publish(self, final=False):
        meta, spec = self.pod["metadata"], self.pod["spec"]
        present = (self.pod.get("status") or {}).get("conditions") or []
        unready = [c.name for c in self.containers if not c.ready]
        phase = self._phase()
        if final:
            phase = "Failed" if any(c.state["terminated"]["exitCode"] for c in self.containers) else "Succeeded"
        terminal = {"Failed": "PodFailed", "Succeeded": "PodCompleted"}.get(phase)
        status = {"phase": phase, "observedGeneration": meta.get("generation", 1), "startTime": self._start_time,
                  "hostIP": self.kubelet.address, "hostIPs": [{"ip": self.kubelet.address}],
                  "qosClass": (self.pod.get("status") or {}).get("qosClass", "BestEffort"),
                  "conditions": podstatus.conditions(present, meta.get("generation", 1), now(), bool(self.sandbox),
                                                     self._init_done or not self.init_containers, unready, terminal),
                  "containerStatuses": [podstatus.container_status(s, c)
                                        for s, c in zip(spec["containers"], self.containers)]}
        if self.init_containers:
            status["initContainerStatuses"] = [podstatus.container_status(s, c) for s, c in zip(
                spec["initContainers"], self.init_containers)]
        if self.address:
            status.update(podIP=self.address, podIPs=[{"ip": self.address}])
        self._send(status)

    def _publish_rejection(self):
        reason, message = self.rejected
        self._send({"phase": "Failed", "reason": reason, "message": message, "startTime": self._start_time,
                    "containerStatuses": None, "initContainerStatuses": None,
                    "observedGeneration": self.pod["metadata"].get("generation", 1)})

    def _send(self, status):
        have = self.pod.get("status") or {}
        if all(have.get(k) == v for k, v in status.items()) or status == self._published and self._still_same(have):
            return
        meta = self.pod["metadata"]
        try:
            answer = self.kubelet.client.request(
                "PATCH", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/status",
                {"metadata": {"uid": self.uid}, "status": status}, "application/merge-patch+json")
        except Refused as refusal:
            if refusal.status in (404, 409):
                return
            raise
        self._published = status
        if int(answer["metadata"]["resourceVersion"]) > int(self.pod["metadata"]["resourceVersion"]):
            self.pod = answer
            self.files.refresh(answer)

    def _still_same(self, have):
        """Did nobody else (the node controller) change our conditions since we wrote them?"""
        return have.get("conditions") == self._published.get("conditions")

    def _event(self, kind, reason, message, container=None):
        path = f"spec.containers{{{container}}}" if container else None
        self.kubelet.event(self.pod, kind, reason, message, path)


def _missing_pause(image):
    full = "docker.io/" + image if image.count("/") == 1 else image
    name, tag = full.split("/", 1)[1].rsplit(":", 1)
    return (f'failed to get sandbox image "{image}": failed to pull image "{image}": failed to pull and unpack image '
            f'"{full}": failed to resolve reference "{full}": failed to do request: Head '
            f'"https://registry-1.docker.io/v2/{name}/manifests/{tag}": dial tcp: lookup registry-1.docker.io: '
            "no such host")


def _no_such_registry(reference):
    from .images import normalize
    full = normalize(reference)
    host, _, path = full.partition("/")
    name, _, version = path.partition("@") if "@" in path else path.rpartition(":")
    return (f'failed to pull and unpack image "{full}": failed to resolve reference "{full}": failed to do request: '
            f'Head "https://{host}/v2/{name}/manifests/{version}": dial tcp: lookup {host}: no such host')


def event_document(pod, kind, reason, message, component, node, field_path):
    return events.body(events.involved(pod, field_path), kind, reason, message, component, node)


PAUSE_IMAGE = build_info.PAUSE_IMAGE
