"""One pod on this node: a thread that brings the container runtime to what the pod says, and says what came of it."""

from __future__ import annotations

import datetime
import random
import threading
import time
import traceback

from standin_common import log, probes
from standin_common.apiclient import Refused
from standin_common.volumes import ConfigProblem, NotMountable, PodFiles, _expand

from .. import cri
from . import podstatus, runspec
from .node import second_now

SANDBOX_RETRY, MOUNT_RETRY = (10.0, 15.0), (0.5, 120.0)
BACK_OFF = (10.0, 300.0)
HEALTHY_SECONDS = 600.0
LAST_WORDS, LAST_WORDS_BYTES = "/dev/termination-log", 4096
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def _stamp(nanoseconds):
    return datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _active(state):
    """The probes of a container that are asked now: nothing else while it starts."""
    starting = [prober for prober in state.probers if prober.kind == "startupProbe"]
    return starting if starting and not state.started else list(state.probers)


class ContainerState:
    """What is known of one container of a pod."""

    def __init__(self, name):
        self.name, self.id, self.image_id = name, "", ""
        self.attempt = -1                   # of the newest container; the next one has one more
        self.state, self.last_state = {"waiting": {"reason": "ContainerCreating"}}, {}
        self.ready = self.started = False
        self.back_off = 0.0                 # seconds before the next restart
        self.not_before = 0.0
        self.image_failures, self.image_text = 0, ""
        self.probers, self.probed = [], ""  # of the container with this id

    @property
    def running(self):
        return "running" in self.state

    def wait(self, reason, message=None):
        self.state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}


class PodWorker(threading.Thread):
    """Others call `update`, `finish` and `poke`; everything else happens in its own thread."""

    def __init__(self, edged, pod, before=None):
        """before: the status that an earlier EdgeCore left in the database"""
        self.uid, self.pod, self.edged = pod["metadata"]["uid"], pod, edged
        super().__init__(daemon=True, name=f"pod-{pod['metadata']['name'][-20:]}")
        spec = pod["spec"]
        self.key = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        self.init = [ContainerState(c["name"]) for c in spec.get("initContainers") or []]
        self.containers = [ContainerState(c["name"]) for c in spec["containers"]]
        self.files = PodFiles(pod, edged.store, edged.address, edged.pods_dir, ("", ""))
        self.seen = second_now()
        self.status = pod.get("status") or {}
        self.start_time = self.status.get("startTime") or self.seen
        self.sandbox, self.ip = "", ""
        self.ended = False
        before = before or {}
        # Only a pod that this node did not take has a reason of its own.
        self.rejected = (before["reason"], before["message"]) if "reason" in before else None
        self._gone = False
        self._retry_at, self._mount_wait = 0.0, MOUNT_RETRY[0]
        self._was_started = False
        self._wake = threading.Event()

    # -- from other threads ------------------------------------------------------------------------
    def update(self, pod):
        self.pod = pod
        self.files.refresh(pod)
        self.poke()

    def finish(self):
        """The pod is gone in the cloud: end it here."""
        self._gone = True
        self.poke()

    def poke(self):
        self._wake.set()

    @property
    def finished(self):
        """Has all of it ended for good?"""
        return bool(self.rejected) or self.status.get("phase") in ("Failed", "Succeeded")

    # -- the loop ----------------------------------------------------------------------------------
    def run(self):
        while not self.ended:
            self._wake.clear()
            try:
                self._step()
            except cri.RuntimeProblem as problem:
                log.kubernetes("E", "pod_workers.go:1301", f'"Error syncing pod, skipping" err="{problem}" pod="{self.key}"')
                self._wake.wait(1.0)
            except Exception:
                traceback.print_exc()
                self._wake.wait(5.0)
            if not self.ended:
                self._wake.wait(self._pause())

    def _pause(self):
        moment = time.monotonic()
        due = [self._retry_at] if not self.sandbox else []
        due += [state.not_before for state in self.init + self.containers if not state.running]
        # What is over was tried by this step. A probe is different: it may have come due during the step.
        due = [at for at in due if at > moment]
        due += [prober.due for state in self.init + self.containers if state.running for prober in _active(state)]
        return max(0.05, min(due) - moment) if due else 30.0

    def _step(self):
        sandboxes, containers = self.edged.runtime_state(self.uid)
        if self._gone or self.pod["metadata"].get("deletionTimestamp"):
            return self._terminate(sandboxes, containers)
        if self.rejected:
            return self._publish_rejection()
        self._observe(sandboxes, containers)
        if podstatus.phase(self.pod["spec"], self.containers, self._init_done(), self._was_started) in ("Succeeded", "Failed"):
            return self._publish()
        if not self.sandbox and not self._make_sandbox(sandboxes, containers):
            return self._publish()
        if self._start_what_is_due(self.init, self.pod["spec"].get("initContainers") or [], init=True):
            self._start_what_is_due(self.containers, self.pod["spec"]["containers"])
        return self._publish()

    def _init_done(self):
        return all((state.state.get("terminated") or {}).get("exitCode") == 0 for state in self.init)

    # -- looking -----------------------------------------------------------------------------------
    def _observe(self, sandboxes, containers):
        ready = [s for s in sandboxes if s["state"] == cri.READY]
        newest = max(ready, key=lambda s: s["created_at"], default=None)
        self.sandbox = newest["id"] if newest else ""
        if newest and not self.ip:
            self.ip = self._address(newest["id"])
        for state in self.init + self.containers:
            mine = [c for c in containers if c["metadata"]["name"] == state.name]
            newest = max(mine, key=lambda c: c["metadata"]["attempt"], default=None)
            if newest:
                self._observe_container(state, newest)

    def _address(self, sandbox):
        if self.pod["spec"].get("hostNetwork"):
            return self.edged.address
        network = self.edged.runtime.call("PodSandboxStatus", pod_sandbox_id=sandbox)["status"]["network"] or {}
        return network.get("ip", "")

    def _observe_container(self, state, container):
        if container["id"] == state.id and (container["state"] == cri.RUNNING) == state.running and "waiting" not in state.state:
            return
        if container["id"] == state.id and "waiting" in state.state and container["state"] == cri.EXITED:
            return                           # ended before, and waits for its next start
        found = self.edged.runtime.call("ContainerStatus", container_id=container["id"])["status"]
        state.attempt, state.image_id = container["metadata"]["attempt"], found["image_ref"]
        was_running = state.running and state.id == container["id"]
        state.id = container["id"]
        if found["state"] == cri.RUNNING:
            state.state = {"running": {"startedAt": _stamp(found["started_at"])}}
            self._was_started = True
            self._arm(state)
        elif found["state"] == cri.EXITED:
            self._note_end(state, found, was_running)

    def _note_end(self, state, found, was_running):
        message = self._last_words(state) or found["message"]
        ended = {"exitCode": found["exit_code"], "reason": found["reason"] or ("Error" if found["exit_code"] else "Completed"),
                 "startedAt": _stamp(found["started_at"]), "finishedAt": _stamp(found["finished_at"]),
                 "containerID": f"containerd://{state.id}", **({"message": message} if message else {})}
        state.state, state.ready, state.started, state.probers = {"terminated": ended}, False, False, []
        self._was_started = self._was_started or bool(found["started_at"])
        ran = (found["finished_at"] - found["started_at"]) / 1e9
        if ran > HEALTHY_SECONDS or not was_running:
            state.back_off = 0.0             # the first restart comes at once
        state.not_before = time.monotonic() + state.back_off
        if state.back_off and self._restarts(state):
            name, uid = self.key.replace("/", "_"), self.uid
            pod = self.pod["metadata"]["name"]
            text = f"back-off {state.back_off:.0f}s restarting failed container={state.name} pod={pod}_{name.partition('_')[0]}({uid})"
            state.last_state = dict(state.state)
            log.kubernetes("E", "pod_workers.go:1301", f'"Error syncing pod, skipping" err="failed to \\"StartContainer\\" for '
                           f'\\"{state.name}\\" with CrashLoopBackOff: \\"{text}\\"" pod="{self.key}" podUID="{uid}"')
            state.wait("CrashLoopBackOff", text)
        state.back_off = min(BACK_OFF[1], state.back_off * 2 or BACK_OFF[0])

    def _restarts(self, state, init=False):
        ended = state.state.get("terminated") or state.last_state.get("terminated")
        if not ended:
            return True
        policy, code = self.pod["spec"].get("restartPolicy", "Always"), ended["exitCode"]
        if init and code == 0:
            return False
        return policy == "Always" or policy == "OnFailure" and code != 0

    # -- sandbox -----------------------------------------------------------------------------------
    def _make_sandbox(self, sandboxes, containers):
        spec = self.pod["spec"]
        if time.monotonic() < self._retry_at:
            return False
        if spec.get("runtimeClassName"):
            log.kubernetes("E", "kuberuntime_sandbox.go:45", '"Failed to generate sandbox config for pod" err="runtimeclass.node.k8s.io '
                           f'\\"{spec["runtimeClassName"]}\\" not found" pod="{self.key}"')
            return self._later(random.uniform(*SANDBOX_RETRY))
        if not self._mount(self.edged.address if spec.get("hostNetwork") else "127.0.0.1"):
            return False
        for sandbox in sandboxes:
            self.edged.runtime.call("StopPodSandbox", pod_sandbox_id=sandbox["id"])
        attempt = max([s["metadata"]["attempt"] for s in sandboxes], default=-1) + 1
        config = runspec.sandbox(self.pod, self.edged.settings.kubelet, attempt, self.edged.resolver(spec))
        try:
            self.sandbox = self.edged.runtime.call("RunPodSandbox", config=config)["pod_sandbox_id"]
        except cri.RuntimeProblem as problem:
            quoted = str(problem).replace("\\", "\\\\").replace('"', '\\"')
            log.kubernetes("E", "kuberuntime_sandbox.go:72", f'"Failed to create sandbox for pod" err="{quoted}" pod="{self.key}"')
            return self._later(random.uniform(*SANDBOX_RETRY))
        self.ip = self._address(self.sandbox)
        self.files.create(self.ip)
        self._config = config
        for sandbox in sandboxes:
            if not any(c["pod_sandbox_id"] == sandbox["id"] for c in containers):
                self.edged.runtime.call("RemovePodSandbox", pod_sandbox_id=sandbox["id"])
        return True

    def _mount(self, address):
        try:
            self.files.create(address)
        except (NotMountable, Refused) as problem:
            names = [v["name"] for v in self.pod["spec"].get("volumes") or [] if "projected" in v]
            source, text = ("projected.go:194", f"Error preparing data for projected volume {names[0]} for pod {self.key}: {problem}") \
                if names and "token" in str(problem) else ("nestedpendingoperations.go:348", f'"{problem}" pod="{self.key}"')
            log.kubernetes("E", source, text)
            self._later(self._mount_wait)
            self._mount_wait = min(MOUNT_RETRY[1], self._mount_wait * 2)
            return False
        self._mount_wait = MOUNT_RETRY[0]
        return True

    def _later(self, seconds):
        self._retry_at = time.monotonic() + seconds
        return False

    # -- containers --------------------------------------------------------------------------------
    def _start_what_is_due(self, states, specs, init=False):
        """Start or watch each; True where all init containers are done."""
        for spec, state in zip(specs, states):
            if state.running:
                self._probe(spec, state)
            elif time.monotonic() >= state.not_before and self._restarts(state, init):
                self._start(spec, state)
            if init and (state.state.get("terminated") or {}).get("exitCode") != 0:
                return False
        return True

    def _start(self, spec, state):
        image = self._image(spec, state)
        if image is None:
            return
        runtime, meta = self.edged.runtime, self.pod["metadata"]
        try:
            environment = self.files.environment(spec, None, self.ip)
        except ConfigProblem as problem:
            state.wait("CreateContainerConfigError", str(problem))
            state.not_before = time.monotonic() + 10
            return
        if not any(entry["name"] == "PATH" for entry in spec.get("env") or []):
            environment.pop("PATH")          # the image's
        mounts = [m for m in self.files.mounts(spec, None) if m["target"] != "/etc/resolv.conf"]
        attempt = state.attempt + 1
        mounts.append(self._words_mount(spec, attempt))
        config = runspec.container(self.pod, spec, attempt, image, environment, mounts, lambda text: _expand(text, environment),
                                   self.edged.devices.given(self.uid, spec["name"]))
        sandbox_config = runspec.sandbox(self.pod, self.edged.settings.kubelet, 0, self.edged.resolver(self.pod["spec"]))
        old = state.id
        if "terminated" in state.state:
            state.last_state = dict(state.state)
        try:
            made = runtime.call("CreateContainer", pod_sandbox_id=self.sandbox, config=config, sandbox_config=sandbox_config)
            state.attempt = attempt
            runtime.call("StartContainer", container_id=made["container_id"])
        except cri.RuntimeProblem as problem:
            log.kubernetes("E", "pod_workers.go:1301", f'"Error syncing pod, skipping" err="failed to \\"StartContainer\\" for '
                           f'\\"{spec["name"]}\\" with RunContainerError: \\"{problem}\\"" pod="{meta["namespace"]}/{meta["name"]}"')
            state.wait("RunContainerError", str(problem))
            state.back_off = min(BACK_OFF[1], state.back_off * 2 or BACK_OFF[0])
            state.not_before = time.monotonic() + state.back_off
            return
        if old:
            self._remove_older(spec["name"], attempt - 1)
        state.image_failures = 0
        _, containers = self.edged.runtime_state(self.uid, fresh=True)
        for container in containers:
            if container["id"] == made["container_id"]:
                self._observe_container(state, container)

    def _remove_older(self, name, attempt):
        """The last container that ended stays for its exit code, all older ones go."""
        for container in self.edged.runtime_state(self.uid)[1]:
            if container["metadata"]["name"] == name and container["metadata"]["attempt"] < attempt and container["state"] == cri.EXITED:
                log.kubernetes("I", "scope.go:117", f'"RemoveContainer" containerID="{container["id"]}"')
                self.edged.runtime.call("RemoveContainer", container_id=container["id"])

    def _image(self, spec, state):
        """The id of the image, or None with the container waiting for it."""
        reference, policy = spec["image"], spec.get("imagePullPolicy", "IfNotPresent")
        found = self.edged.runtime.call("ImageStatus", image={"image": reference})["image"]
        if found and policy != "Always":
            return found["id"]
        if policy == "Never":
            state.wait("ErrImageNeverPull", f'Container image "{reference}" is not present with pull policy of Never')
            state.not_before = time.monotonic() + 10
            return None
        if state.image_failures % 2:
            state.wait("ImagePullBackOff", f'Back-off pulling image "{reference}": ErrImagePull: {state.image_text}')
        else:
            try:
                return self.edged.runtime.call("PullImage", image={"image": reference})["image_ref"]
            except cri.RuntimeProblem as problem:
                state.image_text = problem.details
                log.kubernetes("E", "pod_workers.go:1301", f'"Error syncing pod, skipping" err="failed to \\"StartContainer\\" for '
                               f'\\"{spec["name"]}\\" with ErrImagePull: \\"{problem.details}\\"" pod="{self.key}"')
                state.wait("ErrImagePull", str(problem))
        state.image_failures += 1
        state.not_before = time.monotonic() + (1.0 if state.image_failures % 2 else min(BACK_OFF[1], 5 * state.image_failures))
        return None

    # -- probes ------------------------------------------------------------------------------------
    def _arm(self, state):
        spec = next(c for c in self.pod["spec"]["containers"] + (self.pod["spec"].get("initContainers") or []) if c["name"] == state.name)
        if state.probed != state.id:
            moment = time.monotonic()
            state.probers = [probes.Prober(kind, spec[kind], moment) for kind in _PROBES if kind in spec]
            state.probed = state.id
        kinds = [prober.kind for prober in state.probers]
        state.started = "startupProbe" not in kinds
        state.ready = state.started and "readinessProbe" not in kinds

    def _probe(self, spec, state):
        for prober in _active(state):
            if prober.due > time.monotonic():
                continue
            ok, message = probes.run(prober.probe, spec, self.ip, lambda command, timeout: self._execute(state, command, timeout))
            prober.note(ok)
            if not ok:
                log.kubernetes("I", "prober.go:107", f'"Probe failed" probeType="{prober.kind[:-5].title()}" pod="{self.key}" podUID='
                               f'"{self.uid}" containerName="{state.name}" probeResult="failure" output="{message}"')
            self._conclude(prober, state)

    def _conclude(self, prober, state):
        if prober.kind == "startupProbe" and prober.result:
            state.started, state.probers = True, [p for p in state.probers if p is not prober]
            state.ready = not any(p.kind == "readinessProbe" for p in state.probers)
        elif prober.kind == "readinessProbe" and prober.result is not None:
            state.ready = prober.result
        elif prober.kind != "readinessProbe" and prober.result is False:
            self.edged.runtime.call("StopContainer", container_id=state.id, timeout=self._grace())
            state.probers = []

    def _execute(self, state, command, timeout):
        try:
            done = self.edged.runtime.call("ExecSync", container_id=state.id, cmd=command, timeout=timeout)
        except cri.RuntimeProblem as problem:
            return (None, "") if problem.code == "DeadlineExceeded" else (1, str(problem))
        return done["exit_code"], (done["stdout"] + done["stderr"]).decode(errors="replace")

    # -- the end -----------------------------------------------------------------------------------
    def _grace(self):
        meta = self.pod["metadata"]
        seconds = meta.get("deletionGracePeriodSeconds")
        return int(seconds if seconds is not None else self.pod["spec"].get("terminationGracePeriodSeconds", 30))

    def _terminate(self, sandboxes, containers):
        for container in containers:
            if container["state"] == cri.RUNNING:
                self.edged.runtime.call("StopContainer", self._grace() + 120.0, container_id=container["id"], timeout=self._grace())
        for sandbox in sandboxes:
            self.edged.runtime.call("StopPodSandbox", pod_sandbox_id=sandbox["id"])
            self.edged.runtime.call("RemovePodSandbox", pod_sandbox_id=sandbox["id"])
        self.files.remove()
        self.ended = True
        self.edged.pod_ended(self, self._gone)

    # -- last words ----------------------------------------------------------------------------------
    def _words(self, name, attempt):
        """Where one container may leave why it ends."""
        return self.files.directory / "containers" / name / str(attempt)

    def _words_mount(self, spec, attempt):
        path = self._words(spec["name"], attempt)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(0o666)
        return {"source": str(path), "target": spec.get("terminationMessagePath", LAST_WORDS)}

    def _last_words(self, state):
        try:
            with self._words(state.name, state.attempt).open("rb") as file:
                return file.read(LAST_WORDS_BYTES).decode(errors="replace")
        except OSError:
            return ""

    # -- telling -----------------------------------------------------------------------------------
    def _publish_rejection(self):
        reason, message = self.rejected
        status = {"phase": "Failed", "reason": reason, "message": message, "startTime": self.start_time,
                  "containerStatuses": None, "initContainerStatuses": None}
        if status != self.status:
            self.status = status
            self.edged.pod_changed(self)

    def _publish(self):
        spec = self.pod["spec"]
        initialized = self._init_done()
        phase = podstatus.phase(spec, self.containers, initialized, self._was_started)
        unready = [state.name for state in self.containers if not state.ready]
        terminal = {"Failed": "PodFailed", "Succeeded": "PodCompleted"}.get(phase)
        values = {"PodReadyToStartContainers": bool(self.sandbox), "Initialized": initialized,
                  "Ready": not unready and not terminal, "ContainersReady": not unready and not terminal}
        status = {"phase": phase, "startTime": self.start_time, "hostIP": self.edged.address, "hostIPs": [{"ip": self.edged.address}],
                  "qosClass": {"besteffort": "BestEffort"}.get(runspec.quality(spec), runspec.quality(spec).title()),
                  "conditions": podstatus.conditions(self.status.get("conditions") or [], second_now(), values, unready, terminal),
                  "containerStatuses": [podstatus.container(s, state) for s, state in zip(spec["containers"], self.containers)]}
        if self.init:
            status["initContainerStatuses"] = [podstatus.container(s, state) for s, state in zip(spec["initContainers"], self.init)]
        if self.ip:
            status.update(podIP=self.ip, podIPs=[{"ip": self.ip}])
        if not self.status.get("conditions") or podstatus.without_times(status) != podstatus.without_times(
                {**self.status, "conditions": self.status["conditions"]}):
            self.status = status
            self.edged.pod_changed(self)
