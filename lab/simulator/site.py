"""One site: objects, controllers, nodes, and its API over HTTPS on loopback."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

from k3s_standin import kubeconfig
from k3s_standin.api.auth import ServiceAccountTokens
from k3s_standin.api.objects import Objects
from k3s_standin.api.routes import KubernetesApi
from k3s_standin.api.store import Store
from k3s_standin.controllers import deployment, namespaces, nodes, replicaset, scheduler
from k3s_standin.controllers.events import Recorder
from k3s_standin.controllers.runner import Runner
from standin_common import http, pki

from simulator.faults import Faults, Reset
from simulator.kubelets import IMAGE, Kubelets
from simulator.record import Record

NAMESPACE = "edgeai"
PORT = 8080
WORKLOAD = MODEL = "vision"
SETTLE_SECONDS = 120


class Authority:
    """Certificates that all sites share: an authority, a server on loopback, an administrator."""

    def __init__(self, directory: Path):
        directory.mkdir(parents=True, exist_ok=True)
        self.ca, self.server, self.admin = (directory / name for name in ("ca", "server", "admin"))
        self._save(self.ca, pki.make_ca("simulated-fleet"))
        self._save(self.server, self._leaf("kube-apiserver", sans=["127.0.0.1", "localhost"], server=True))
        self._save(self.admin, self._leaf("system:admin", "system:masters"))

    def context(self) -> ssl.SSLContext:
        """Return the TLS settings of a server."""
        return http.server_context(_crt(self.server), _key(self.server), _crt(self.ca))

    def kubeconfig(self, url: str) -> str:
        """Return a kubeconfig for an administrator of the API at ``url``."""
        return kubeconfig.document(url, *(path.read_bytes() for path in (_crt(self.ca), _crt(self.admin), _key(self.admin))))

    def _leaf(self, *names, **more):
        return pki.make_leaf(_crt(self.ca), _key(self.ca), *names, **more)

    @staticmethod
    def _save(path: Path, pair) -> None:
        pki.write_file(_crt(path), pair[0], 0o644)
        pki.write_file(_key(path), pair[1], 0o600)


class Listener(http.Server):
    """The stand-in's HTTPS server behind a link that can be cut."""

    def __init__(self, address, answer, context, hold):
        self._hold = hold
        super().__init__(address, answer, context)

    def process_request_thread(self, request, client_address):
        """Before the handshake: whoever connects over a cut link hears nothing at all."""
        self._hold()
        super().process_request_thread(request, client_address)


class Site:
    """A running site with one model on each of its ``nodes`` (names), all of the image with digest ``image``.

    images: digests that are on every node; api: the stand-in's API, behind the link that ``faults`` breaks.
    """

    def __init__(self, name: str, node_names: list[str], image: str, images: list[str], authority: Authority, record: Record, *,
                 load_seconds: float = 1.0, stop_seconds: float = 0.1, kinds: dict[str, str] | None = None):
        self.name, self.nodes = name, node_names
        self.faults = Faults(name)
        self._record = record
        self._store = Store(":memory:")
        self.objects = Objects(self._store)
        self.kubelets = Kubelets(self.objects, load_seconds, stop_seconds, kinds or {})
        self.api = KubernetesApi(self.objects, ServiceAccountTokens(b"simulated"), faults=self.faults, to_pod=self.kubelets.to_pod)
        self._fill(image, images)
        recorder = Recorder(self.objects)
        self._runner = Runner(self._store, [controller(self.objects, recorder) for controller in (
            deployment.DeploymentController, replicaset.ReplicaSetController, scheduler.Scheduler, nodes.NodeMonitor)] + [self.kubelets]).start()
        self._listener = Listener(("127.0.0.1", 0), self.answer, authority.context(), self.faults.hold).start()
        self.url = f"https://127.0.0.1:{self._listener.server_port}"
        self.kubeconfig = authority.kubeconfig(self.url)

    def _fill(self, image: str, images: list[str]) -> None:
        objects = self.objects
        objects.create(objects.registry["namespaces"], None, {"metadata": {"name": NAMESPACE}})
        namespaces.NamespaceDefaults(objects, None, "").sync()
        for name in self.nodes:
            self.kubelets.join(name, images)
            objects.create(objects.registry["deployments"], NAMESPACE, workload(name, image))

    def settle(self) -> None:
        """Wait until all models serve; what starts from now on takes its time. RuntimeError after SETTLE_SECONDS."""
        end = time.monotonic() + SETTLE_SECONDS
        while any((each.get("status") or {}).get("availableReplicas") != 1 for each in self.objects.all("deployments")):
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name}: its models do not all serve after {SETTLE_SECONDS} s")
            time.sleep(0.05)
        self.kubelets.begun = True

    def answer(self, request) -> http.Response:
        """Answer a request, and note it; or break the connection."""
        status = 0
        try:
            if self.faults.cut:
                self.faults.hold()
                raise Reset()  # it was on its way when the link was cut, and its sender has given up
            if self.faults.strikes("reset"):
                raise Reset()
            response = self.api.answer(request)
            if self.faults.cut or self.faults.strikes("lost"):
                self.faults.hold()
                raise Reset()
            status = response.status
        finally:
            self._record.note(self.name, request, status)
        if response.stream is not None:
            response.stream = self._over_the_link(response.stream)
        return response

    def _over_the_link(self, stream):
        try:
            for event in stream:
                self.faults.hold()
                if self.faults.strikes("reset"):
                    raise Reset()
                yield event
        finally:
            stream.close()

    def images(self) -> dict[str, str]:
        """Return what each Deployment asks for: name -> digest."""
        return {each["metadata"]["name"]: each["spec"]["template"]["spec"]["containers"][0]["image"].partition("@")[2]
                for each in self.objects.all("deployments")}

    def close(self) -> None:
        """Stop answering. Threads that still serve a watch end with their clients."""
        self.faults.set()
        self._runner.stop()
        self._listener.stop()


def workload(node: str, digest: str) -> dict:
    """Return the Deployment of the model on a node, as the collection makes it, without what only a real kubelet reads."""
    name = f"{WORKLOAD}-{node}"
    labels = {"app.kubernetes.io/managed-by": "edgeai.sites", "app.kubernetes.io/name": WORKLOAD, "edgeai.sites/workload": WORKLOAD,
              "edgeai.sites/target": name}
    container = {"name": "inference", "image": f"{IMAGE}@{digest}", "imagePullPolicy": "IfNotPresent",
                 "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
                 "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "16Mi"}}}
    return {"metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {"replicas": 1, "strategy": {"type": "Recreate"}, "revisionHistoryLimit": 3,
                     "selector": {"matchLabels": {"edgeai.sites/target": name}},
                     "template": {"metadata": {"labels": labels}, "spec": {
                         "nodeSelector": {"kubernetes.io/hostname": node}, "terminationGracePeriodSeconds": 5,
                         "automountServiceAccountToken": False, "containers": [container]}}}}


def _crt(path: Path) -> Path:
    return path.with_suffix(".crt")


def _key(path: Path) -> Path:
    return path.with_suffix(".key")
