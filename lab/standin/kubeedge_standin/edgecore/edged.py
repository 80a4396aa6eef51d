"""The kubelet inside EdgeCore: the Node, its status and lease, the pods of the database, and what was there before."""

from __future__ import annotations

import os
import threading
import time
import traceback
from pathlib import Path

from standin_common import device_server, devices, durations, log

from .. import cri, version
from . import node, runspec
from .database import key
from .link import NoAnswer, NotConnected, Rejected
from .pods import PodWorker
from .store_client import StoreClient

# Without its Node in the database EdgeCore gives up after this time, and systemd starts it again.
CSI_SECONDS = 27.0
RELIST_SECONDS = 1.0
# Containers that no pod of the database owns end a while after the start.
ORPHAN_SECONDS = 8.0


class StartFailed(Exception):
    """The kubelet does not start; the text is that of its fatal line."""


class Edged:
    def __init__(self, settings, database, link):
        self.settings, self.database, self.link = settings, database, link
        self.name, self.architecture = settings.name, version.build_info()["arch"]
        self.address = node.address(settings.edged)
        self.store = StoreClient(database, link)
        self.pods_dir = Path(settings.edged["rootDirectory"]) / "pods"
        self.runtime, self._runtime_version = None, ""
        self.workers, self._lock = {}, threading.Lock()
        self.devices = devices.DeviceManager()
        self._state, self._state_lock = ({}, {}), threading.Lock()
        self._dirty, self._dirty_pods = threading.Event(), set()
        self._conditions, self._registered = [], threading.Event()
        self._status_due = threading.Event()

    # -- the start ---------------------------------------------------------------------------------
    def start(self):
        """Raises StartFailed."""
        log.kubernetes("I", "edged.go:137", "Starting edged...")
        endpoint = self.settings.kubelet["containerRuntimeEndpoint"]
        self.runtime = cri.Runtime(endpoint)
        try:
            found = self.runtime.call("Version", 10.0, version="v1")
        except cri.RuntimeProblem as problem:
            text = str(problem)
            if problem.code == "Unimplemented":
                text = "rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService"
            raise StartFailed(f'failed to run Kubelet: validate service connection: validate CRI v1 runtime API for endpoint '
                              f'"{endpoint}": {text}') from None
        self._check_cgroups()
        self._runtime_version = found["runtime_version"]
        self._make_directories()
        device_server.start(self.devices, wanted=True)
        log.kubernetes("E", "log.go:32", '"RuntimeConfig from runtime service failed" err="rpc error: code = Unimplemented desc = '
                       'unknown method RuntimeConfig for service runtime.v1.RuntimeService"')
        log.kubernetes("I", "kuberuntime_manager.go:267", f'"Container runtime initialized" containerRuntime='
                       f'"{found["runtime_name"]}" version="{found["runtime_version"]}" apiVersion="v1"')
        log.kubernetes("I", "server.go:885", '"Started kubelet"')

    def run(self):
        """Begin with the pods; returns at once."""
        log.kubernetes("I", "kubelet.go:2244", '"Starting kubelet main sync loop"')
        self._relist()
        for worker in [self._worker(pod) for pod in self.database.of_kind("pod")]:
            self._begin(worker)                # after all are known: each may hold a device
        for target in (self._run_relist, self._run_node, self._run_status, self._run_lease, self._run_reports, self._run_csi):
            threading.Thread(target=self._forever, args=(target,), daemon=True, name=target.__name__.strip("_")).start()

    def _forever(self, target):
        while True:
            try:
                return target()
            except Exception:
                traceback.print_exc()
                time.sleep(1.0)

    def _check_cgroups(self):
        """The systemd driver wants slices that exist only where this host's systemd is the root of the cgroup tree."""
        if self.settings.kubelet["cgroupDriver"] == "systemd" and ":/\n" not in Path("/proc/1/cgroup").read_text().replace(
                "/init.scope", "/"):
            raise StartFailed("failed to run Kubelet: invalid configuration: cgroup [\"kubepods\"] has some missing paths: "
                              "kubepods.slice")

    def _make_directories(self):
        root = Path(self.settings.edged["rootDirectory"])
        for path, mode in ((root, 0o755), (self.pods_dir, 0o750), (root / "device-plugins", 0o750), (Path(runspec.LOGS), 0o755),
                           (Path(self.settings.kubelet["staticPodPath"]), 0o755)):
            path.mkdir(mode=mode, parents=True, exist_ok=True)
        state = root / "cpu_manager_state"
        if not state.exists():
            state.touch(0o600)
            state.write_text('{"policyName":"none","defaultCpuSet":"","checksum":1353318690}')

    # -- what the runtime has ----------------------------------------------------------------------
    def runtime_state(self, uid, fresh=False):
        """-> (sandboxes, containers) of a pod"""
        if fresh:
            self._relist()
        sandboxes, containers = self._state
        return sandboxes.get(uid, []), containers.get(uid, [])

    def _relist(self):
        with self._state_lock:
            sandboxes, containers = {}, {}
            for item in self.runtime.call("ListPodSandbox")["items"]:
                sandboxes.setdefault(item["labels"].get(runspec.POD_UID, ""), []).append(item)
            for item in self.runtime.call("ListContainers")["containers"]:
                containers.setdefault(item["labels"].get(runspec.POD_UID, ""), []).append(item)
            self._state = sandboxes, containers

    def _run_relist(self):
        before, started = None, time.monotonic()
        while True:
            try:
                self._relist()
                now = {uid: sorted((i["id"], i["state"]) for part in self._state for i in part.get(uid, []))
                       for uid in set(self._state[0]) | set(self._state[1])}
                for uid, worker in list(self.workers.items()):
                    if before is not None and now.get(uid) != before.get(uid):
                        worker.poke()
                before = now
                if time.monotonic() - started > ORPHAN_SECONDS:
                    self._end_orphans(now)
            except cri.RuntimeProblem:
                pass                          # the Node's status says that the runtime is down
            time.sleep(RELIST_SECONDS)

    def _end_orphans(self, present):
        for uid in [uid for uid in present if uid and uid not in self.workers]:
            for sandbox in self._state[0].get(uid, []):
                log.kubernetes("I", "kubelet.go:2360", f'"SyncLoop REMOVE" source="runtime" podUID="{uid}"')
                for method in ("StopPodSandbox", "RemovePodSandbox"):
                    self.runtime.call(method, pod_sandbox_id=sandbox["id"])

    # -- pods --------------------------------------------------------------------------------------
    def _take(self, pod):
        with self._lock:
            worker = self.workers.get(pod["metadata"]["uid"])
        if worker:
            worker.update(pod)
        else:
            self._begin(self._worker(pod))

    def _worker(self, pod):
        meta = pod["metadata"]
        worker = PodWorker(self, pod, self.database.get(f"{meta['namespace']}/podpatch/{meta['name']}") or {})
        with self._lock:
            self.workers[meta["uid"]] = worker
        return worker

    def _begin(self, worker):
        """Devices are given before anything of a pod runs; what runs from before keeps its own."""
        running = any(container["state"] == cri.RUNNING for container in self.runtime_state(worker.uid)[1])
        if not running and not worker.finished:
            worker.rejected = self._rejection(worker)
        worker.start()

    def _rejection(self, worker):
        """(reason, message) of a pod that this node cannot take, or None."""
        with self._lock:
            others = [other.pod for other in self.workers.values() if other is not worker and not other.finished]
        try:
            self.devices.admit(worker.pod, {pod["metadata"]["uid"] for pod in others})
        except devices.NotAdmitted as problem:
            return devices.rejection(problem)
        short = devices.exceeds(worker.pod, others, self.devices.totals())
        return devices.out_of(short) if short else None

    def hear(self, message):
        """What CloudCore says by itself; None after every new connection."""
        if message is None:
            self._report_everything()
        elif message["type"] == "present":
            for uid in [uid for uid in self.workers if uid not in message["pods"]]:
                self.workers[uid].finish()
        elif message["plural"] == "pods":
            self._hear_pod(message["action"], message["object"])
        else:
            self._hear_object(message["plural"], message["action"], message["object"])

    def _hear_pod(self, action, pod):
        worker = self.workers.get(pod["metadata"]["uid"])
        if action == "delete":
            if worker:
                worker.finish()
            else:
                self.database.remove(key("pod", pod))
            return
        if pod["metadata"].get("deletionTimestamp") and not worker:
            self._report_end(pod)
            return
        self.database.put(key("pod", pod), "pod", pod)
        self._take(pod)

    def _hear_object(self, plural, action, obj):
        kind = plural[:-1]
        if kind == "node":
            self.database.put(f"null/node/{self.name}", "node", obj)
        elif action == "delete":
            self.database.remove(key(kind, obj))
        else:
            self.database.put(key(kind, obj), kind, obj)

    def _report_everything(self):
        with self._lock:
            self._dirty_pods.update(self.workers)
        self._dirty.set()
        self._status_due.set()

    def pod_changed(self, worker):
        meta = worker.pod["metadata"]
        self.database.put(f"{meta['namespace']}/podpatch/{meta['name']}", "podpatch", worker.status)
        with self._lock:
            self._dirty_pods.add(worker.uid)
        self._dirty.set()

    def pod_ended(self, worker, gone):
        """All of a pod has ended here; gone: it is not in the cloud any more."""
        with self._lock:
            self.workers.pop(worker.uid, None)
            self._dirty_pods.discard(worker.uid)
        self.devices.forget(worker.uid)
        meta = worker.pod["metadata"]
        self.database.remove(f"{meta['namespace']}/podpatch/{meta['name']}")
        self.database.remove(key("pod", worker.pod))
        if not gone:
            threading.Thread(target=self._report_end, args=(worker.pod,), daemon=True, name="pod-end").start()

    def _report_end(self, pod):
        meta = pod["metadata"]
        try:
            self.link.request("pod-deleted", {"namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]})
        except (NotConnected, NoAnswer, Rejected) as problem:
            log.kubernetes("W", "status_manager.go:1017", f'"Failed to delete status for pod" pod="{meta["name"]}" err="{problem}"')

    def _run_reports(self):
        while True:
            self._dirty.wait()
            self._dirty.clear()
            with self._lock:
                pending = [self.workers[uid] for uid in self._dirty_pods if uid in self.workers]
            for worker in pending:
                self._report(worker)
            time.sleep(0.05)

    def _report(self, worker):
        meta = worker.pod["metadata"]
        if not worker.rejected and not worker.status.get("conditions"):
            return
        with self._lock:
            self._dirty_pods.discard(worker.uid)    # before it is told: what changes meanwhile is told again
        try:
            self.link.request("pod-status", {"namespace": meta["namespace"], "name": meta["name"], "uid": worker.uid,
                                             "status": worker.status})
        except Rejected as refusal:
            if refusal.status in (404, 409):  # deleted, or another pod of this name
                worker.finish()
        except (NotConnected, NoAnswer) as problem:
            with self._lock:
                self._dirty_pods.add(worker.uid)    # again when the line is back
            if isinstance(problem, NoAnswer):
                self._dirty.set()

    def pods(self):
        """The pods as the local API shows them."""
        found = []
        for worker in list(self.workers.values()):
            meta = {**worker.pod["metadata"], "annotations": {
                **(worker.pod["metadata"].get("annotations") or {}), "kubernetes.io/config.seen": worker.seen,
                "kubernetes.io/config.source": "api"}}
            found.append({"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": worker.pod["spec"], "status": worker.status})
        return found

    # -- the node ----------------------------------------------------------------------------------
    def _known(self):
        return self.database.get(f"null/node/{self.name}")

    def _status(self, first=False):
        problem = "CSINode is not yet initialized" if first else self._problem()
        status = node.status(self.name, self.address, self.architecture, self._runtime_version.partition("~")[0], problem,
                             self._conditions, self.devices.amounts())
        self._conditions = status["conditions"]
        return status

    def _problem(self):
        try:
            return node.runtime_problem(self.runtime.call("Status", 10.0)["status"]["conditions"])
        except cri.RuntimeProblem:
            return node.RUNTIME_DOWN

    def _run_node(self):
        """Register until it succeeded, or until the Node of an earlier start is all that there is to be had."""
        document = node.document(self.name, self.settings.edged, self.architecture, self._status(first=True))
        pause = 0.1
        while not self._registered.is_set():
            log.kubernetes("I", "kubelet_node_status.go:73", f'"Attempting to register node" node="{self.name}"')
            problem = self._register(document)
            if problem is None:
                self._registered.set()
                self._status_due.set()
                return
            log.kubernetes("E", "kubelet_node_status.go:111", '"Unable to register node with API server, error getting existing node" '
                           f'err="{problem}" node="{self.name}"')
            time.sleep(pause)
            pause = min(7.0, pause * 2)

    def _register(self, document):
        """None, or why not."""
        try:
            registered = self.link.request("register", document)
            self.database.put(f"null/node/{self.name}", "node", registered)
            log.kubernetes("I", "kubelet_node_status.go:76", f'"Successfully registered node" node="{self.name}"')
        except Rejected as refusal:
            if refusal.status != 409:
                return str(refusal)
            if self._known() is None:
                return "node length from meta db is 0"
            log.kubernetes("I", "kubelet_node_status.go:115", f'"Node was previously registered" node="{self.name}"')
        except (NotConnected, NoAnswer) as problem:
            log.kubernetes("W", "process.go:206", f"process remote failed, req[resource[null/node/{self.name}]], err: {problem}")
            return "invalid character 'i' in literal null (expecting 'u')" if self._known() else "node length from meta db is 0"
        return None

    def _run_csi(self):
        """The part of EdgeCore that ends it where its Node stays unknown."""
        time.sleep(CSI_SECONDS)
        if self._known() is None:
            log.kubernetes("F", "csi_plugin.go:322", "Failed to initialize CSINode after retrying: timed out waiting for the condition")
            os._exit(255)

    def _run_status(self):
        self._registered.wait()
        reported, sent = 0.0, None
        every = durations.seconds(self.settings.kubelet["nodeStatusUpdateFrequency"])
        while True:
            status = self._status()
            fresh = node.without_time(status)
            if fresh != sent or time.monotonic() - reported > durations.seconds(self.settings.kubelet["nodeStatusReportFrequency"]):
                try:
                    self.database.put(f"null/node/{self.name}", "node", self.link.request("node-status", status))
                    self.database.put(f"null/nodepatch/{self.name}", "nodepatch", {"status": status})
                    reported, sent = time.monotonic(), fresh
                except (NotConnected, NoAnswer, Rejected) as problem:
                    log.kubernetes("E", "kubelet_node_status.go:549", f'"Error updating node status, will retry" err="{problem}"')
            forced = self._status_due.wait(every)
            self._status_due.clear()
            if forced:
                sent = None

    def _run_lease(self):
        seconds = int(self.settings.kubelet["nodeLeaseDurationSeconds"])
        while True:
            time.sleep(seconds / 4)
            found = self._known()
            document = node.lease(self.name, found["metadata"].get("uid") if found else None, seconds)
            try:
                self.link.request("lease", document)
                self.database.put(f"kube-node-lease/lease/{self.name}", "lease", document)
            except (NotConnected, NoAnswer, Rejected) as problem:
                log.kubernetes("E", "controller.go:145", f'"Failed to ensure lease exists, will retry" err="{problem}" interval="7s"')

    # -- for pods ----------------------------------------------------------------------------------
    def resolver(self, spec):
        """The DNS settings of a pod."""
        cluster = self.settings.kubelet.get("clusterDNS")
        policy = spec.get("dnsPolicy", "ClusterFirst")
        if cluster and (policy == "ClusterFirstWithHostNet" or policy == "ClusterFirst" and not spec.get("hostNetwork")):
            domain = self.settings.kubelet.get("clusterDomain", "cluster.local")
            return {"servers": list(cluster), "searches": [f"svc.{domain}", domain], "options": ["ndots:5"]}
        found = {"servers": [], "searches": [], "options": []}
        try:
            lines = Path(self.settings.kubelet["resolvConf"]).read_text().splitlines()
        except OSError:
            lines = []
        for line in lines:
            word, *rest = line.split() or [""]
            if word in ("nameserver", "search", "options"):
                found[{"nameserver": "servers", "search": "searches", "options": "options"}[word]] += rest
        return found
