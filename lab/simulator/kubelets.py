"""The kubelets of all nodes of a site: they take pods to Running and Ready, end them, renew leases, and run scripted models."""

from __future__ import annotations

import datetime
import itertools
import secrets
import time
from dataclasses import dataclass, field

from k3s_standin.api import errors
from k3s_standin.api.objects import now as stamp
from k3s_standin.kubelet import node, podstatus
from standin_common.http import Response

from simulator import models

IMAGE = "lab.example/vision"


@dataclass
class Container:
    """The one container of a pod, as the stand-in's status documents want it, and the hours of its life."""

    kind: str
    ready_at: float
    address: str
    ends_at: float = float("inf")
    id: str = field(default_factory=lambda: secrets.token_hex(32))
    image_id: str = ""
    started_at: str = ""
    ready: bool = False
    restarts: int = 0
    running: bool = True
    started: bool = True
    last_state: dict = field(default_factory=dict)

    @property
    def state(self) -> dict:
        return {"running": {"startedAt": self.started_at}}


class Kubelets:
    """A controller for the stand-in's Runner.

    load_seconds: from a container's start to its readiness; stop_seconds: from a pod's deletion to its end; kinds: digest ->
    what the model of that image is like (models.KINDS). ``silent``: names of nodes that do nothing any more.
    """

    watches = {"pods"}

    def __init__(self, objects, load_seconds: float, stop_seconds: float, kinds: dict[str, str]):
        self._objects = objects
        self.load_seconds, self.stop_seconds, self.kinds = load_seconds, stop_seconds, kinds
        self.silent: set[str] = set()
        # Containers that are there when the simulation begins have run for an hour.
        self.begun = False
        self._containers: dict[str, Container] = {}
        self._renewals: dict[str, float] = {}
        self._numbers = itertools.count(2)
        self.wake_in = None

    def join(self, name: str, images: list[str]) -> None:
        """Register a node that is Ready and has these images (digests)."""
        status = node.status(name, "127.0.0.1", [{"names": [f"{IMAGE}@{digest}"], "sizeBytes": 1 << 20} for digest in images],
                             [], None, True)
        status["nodeInfo"]["architecture"] = "amd64"
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}
        made = self._objects.create(self._objects.registry["nodes"], None, {"metadata": {"name": name, "labels": labels}, "status": status})
        self._objects.create(self._objects.registry["leases"], "kube-node-lease", node.lease(name, made["metadata"]["uid"]))
        # Each at its own time, as kubelets that were started one after the other.
        self._renewals[name] = time.monotonic() + node.LEASE_SECONDS * (len(self._renewals) % 10) / 10

    def hurry(self) -> None:
        """Let all renewals be due now."""
        self._renewals = dict.fromkeys(self._renewals, 0.0)

    def sync(self) -> None:
        """Do what is due now, and say when there is more to do."""
        now = time.monotonic()
        due = [self._renew(name, now) for name in self._renewals if name not in self.silent]
        there = set()
        for pod in self._objects.all("pods"):
            there.add(pod["metadata"]["uid"])
            if pod["spec"].get("nodeName") and pod["spec"]["nodeName"] not in self.silent:
                due.append(self._tend(pod, now))
        for uid in set(self._containers) - there:
            del self._containers[uid]
        self.wake_in = max(0.0, min(due, default=now + 1.0) - time.monotonic())

    def _renew(self, name: str, now: float) -> float:
        if now >= self._renewals[name]:
            self._renewals[name] = now + node.LEASE_SECONDS
            lease = self._objects.find("leases", "kube-node-lease", name)
            self._objects.edit("leases", lease, lambda new: new["spec"].update(renewTime=node.micro_now()))
        return self._renewals[name]

    def _tend(self, pod: dict, now: float) -> float:
        """One pod; returns when it has to be looked at again."""
        uid = pod["metadata"]["uid"]
        container = self._containers.get(uid)
        if pod["metadata"].get("deletionTimestamp"):
            return self._end(pod, container, now)
        if container is None:
            container = self._containers[uid] = self._start(pod, now)
            self._report(pod, container)
        if container.ready or container.kind == models.STUCK:
            return float("inf")
        if now < container.ready_at:
            return container.ready_at
        container.ready = True
        self._report(pod, container)
        return float("inf")

    def _start(self, pod: dict, now: float) -> Container:
        image = pod["spec"]["containers"][0]["image"]
        kind = self.kinds.get(image.partition("@")[2], models.RIGHT)
        hour = datetime.timedelta(0 if self.begun else 1 / 24)
        began = (datetime.datetime.now(datetime.timezone.utc) - hour).strftime("%Y-%m-%dT%H:%M:%SZ")
        number = next(self._numbers)
        return Container(kind, now + (self.load_seconds if self.begun else 0), f"10.42.{number // 250 % 250}.{number % 250 + 2}",
                         image_id=image, started_at=began)

    def _end(self, pod: dict, container: Container | None, now: float) -> float:
        if container is not None and container.running:
            container.running, container.ends_at = False, now + self.stop_seconds
        if container is None or now >= container.ends_at:
            self._objects.delete(self._objects.registry["pods"], pod, {"gracePeriodSeconds": 0})
            return float("inf")
        return container.ends_at

    def _report(self, pod: dict, container: Container) -> None:
        spec, meta = pod["spec"], pod["metadata"]
        unready = [] if container.ready else [spec["containers"][0]["name"]]

        def change(new):
            new["status"].update(
                phase="Running", podIP=container.address, hostIP="127.0.0.1", startTime=new["status"].get("startTime") or stamp(),
                containerStatuses=[podstatus.container_status(spec["containers"][0], container)],
                conditions=podstatus.conditions(new["status"].get("conditions") or [], meta.get("generation", 1), stamp(), True, True, unready))
        self._objects.edit("pods", pod, change, "status")

    def to_pod(self, pod, _scheme, port_text, path, request) -> Response:
        """Answer for the model of a pod: what the API server passes a request on to."""
        container = self._containers.get(pod["metadata"]["uid"])
        address = (pod.get("status") or {}).get("podIP")
        if container is None or not container.running or not address:
            raise errors.ApiError(503, "ServiceUnavailable",
                                  f"error trying to reach service: dial tcp {address}:{port_text}: connect: connection refused")
        loaded = container.kind != models.STUCK and time.monotonic() >= container.ready_at
        status, document = models.answer(container.kind, loaded, request.method, path, request.body)
        return Response(status, b"" if document is None else document)
