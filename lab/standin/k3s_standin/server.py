"""`k3s server`: datastore, certificates, API, controllers, and the server's own node."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import threading
import time
from pathlib import Path

from . import agent as agents
from standin_common import durations, host, log, pki
from . import bootstrap, build_info, faults, kubeconfig, ports, supervisor, tokens
from standin_common import http as api_http
from .api.auth import ServiceAccountTokens
from .api.objects import Objects, seconds_since
from .api.routes import KubernetesApi
from .api.store import open_store
from standin_common.apiclient import client_context
from .controllers import daemonset, deployment, garbage, job, namespaces, nodes, replicaset, scheduler
from .controllers.events import Recorder
from .controllers.runner import Runner
from .kubelet import hollow
from .kubelet.kubelet import KubeletRefused

KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"
CLOUD_CONTROLLER_SECONDS = 4.8   # after READY of a new cluster: until then its first node is Ready and tainted
API_BEFORE_READY_SECONDS = 2.5   # the API answers this long before systemd hears READY and the kubelet starts
KUBELET_REFUSAL_SECONDS = 2.9    # a server lives this long after its kubelet refused
FLANNEL_GONE_SECONDS = 2.0       # and this long after its flannel ended
_AUTHORITIES = ("server-ca", "client-ca", "request-header-ca")
_CLIENTS = {  # file: (common name, organization)
    "client-admin": ("system:admin", "system:masters"),
    "client-supervisor": ("system:k3s-supervisor", "system:masters"),
    "client-controller": ("system:kube-controller-manager", None),
    "client-scheduler": ("system:kube-scheduler", None),
    "client-kube-apiserver": ("system:apiserver", "system:masters"),
    "client-k3s-cloud-controller": ("k3s-cloud-controller-manager", None),
}
_KUBECONFIGS = {"admin": "client-admin", "supervisor": "client-supervisor", "controller": "client-controller",
                "scheduler": "client-scheduler", "api-server": "client-kube-apiserver",
                "cloud-controller": "client-k3s-cloud-controller"}


class Server:
    def __init__(self, settings, stop):
        self.settings, self._stop = settings, stop
        self.api_only = settings.flag("lab-api-only")
        self.data_dir = settings.data_dir
        self.dir = self.data_dir / "server"
        self.tls = self.dir / "tls"
        self.port = int(settings.text("https-listen-port", "6443"))
        self.name = host.node_name(settings)
        self.secret = self.agent_secret = ""
        self.address = "127.0.0.1"
        self.ready_at = None

    # -- the start, in K3s's order -----------------------------------------------------------------
    def run(self):
        if not self.api_only:
            try:
                self.address = host.node_address(self.settings)
            except host.NoDefaultRoute as problem:
                log.fatal(f"Error: {problem}")
        log.info(f"Starting k3s {build_info.version()} ({build_info.COMMIT})")
        self._make_directories()
        self._open_datastore()
        new_cluster = not bootstrap.exists(self.store)
        random_secret = self._choose_secret()
        self._prepare_certificates(random_secret)
        self._listen()
        if random_secret and bootstrap.exists(self.store):
            # The datastore belongs to a token that nobody gave: noticed late, after the agent's half is prepared.
            self._write_credentials()
            time.sleep(1.5)
            self._fatal("starting kubernetes: failed to start cluster: " + str(bootstrap.DifferentToken()))
        self.supervisor.phase = "core"
        agent = None
        if not self.api_only:
            agent = self._start_agent()
        log.info("Saving cluster bootstrap data to datastore")
        bootstrap.save(self.store, self.secret, self._authority_files())
        log.info("ETCD server is now running")
        self._start_api()
        self._write_credentials()
        self._write_kubeconfig()
        if not self.api_only and self._stop.wait(API_BEFORE_READY_SECONDS):
            os._exit(0)
        log.info("Kube API server is now running")
        log.info("k3s is up and running")
        self.ready_at = time.monotonic() + (CLOUD_CONTROLLER_SECONDS if new_cluster and not self.api_only else 0.1)
        host.notify_systemd("READY=1")
        for number in range(int(self.settings.text("lab-hollow-nodes", "0"))):
            self._start_hollow_node(f"hollow-{number + 1}")
        if agent:
            threading.Thread(target=self._start_kubelet, args=(agent,), daemon=True, name="kubelet-start").start()
        threading.Timer(2.0, namespaces.bootstrap_addons, (self.objects,)).start()
        self._stop.wait()
        log.info("Shutdown request received: \"terminated\"")
        if agent and agent.kubelet:
            agent.kubelet.stop()
        self.runner.stop()
        self.store.close()
        os._exit(0)

    def _fatal(self, message):
        log.info("Shutdown request received")
        log.info("Waiting up to 2s for graceful shutdown of Kine GRPC server...")
        log.info("Closing database connections...")
        log.fatal(f"Error: {message}")

    def _make_directories(self):
        self.data_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path in (self.dir, self.tls, self.dir / "cred", self.dir / "etc", self.dir / "db"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.dir / "manifests").mkdir(mode=0o700, exist_ok=True)

    def _open_datastore(self):
        log.info("Configuring database table schema and indexes, this may take a moment...")
        self.store = open_store(self.dir / "db")
        log.info("Database tables and indexes are up to date")
        kine = self.dir / "kine.sock"
        kine.unlink(missing_ok=True)
        self._kine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._kine.bind(str(kine))
            os.chmod(kine, 0o600)
        except OSError:
            pass  # path too long for a socket: only in scratch directories
        log.info("Kine available at unix://kine.sock")
        log.info("Opening etcd client connection with endpoints [unix://kine.sock]")

    def _choose_secret(self):
        """Sets self.secret from config or cred/passwd. True where neither had one and a new one was made up."""
        given = self.settings.text("token")
        if not given and self.settings.has("token-file"):
            given = Path(self.settings.text("token-file")).read_text().strip()
        passwd = self.dir / "cred" / "passwd"
        saved = _passwd_secret(passwd)
        made_up = False
        if given:
            self.secret = tokens.parse(given).secret
        elif saved:
            self.secret = saved
        else:
            self.secret, made_up = tokens.random_secret(), True
        if given and bootstrap.exists(self.store):
            log.info("Reconciling bootstrap data between datastore and disk")
            try:
                bootstrap.load(self.store, self.secret)
            except bootstrap.DifferentToken as problem:
                self._fatal(f"preparing server: failed to bootstrap cluster data: {problem}")
            if saved and saved != self.secret:
                log.fatal(f"{passwd} newer than datastore and could cause a cluster outage. Remove the file(s) from "
                          "disk and restart to be recreated from datastore.")
        else:
            log.info("Datastore connection validated successfully, proceeding with bootstrap data generation")
        agent_token = self.settings.text("agent-token")
        self.agent_secret = tokens.parse(agent_token).secret if agent_token else self.secret
        return made_up

    def _authority_files(self):
        names = [f"{name}.{kind}" for name in _AUTHORITIES for kind in ("crt", "key")] + ["service.key"]
        return {name: (self.tls / name).read_text() for name in names}

    def _prepare_certificates(self, secret_is_random):
        saved = None
        if not secret_is_random:
            try:
                saved = bootstrap.load(self.store, self.secret)
            except bootstrap.DifferentToken as problem:
                self._fatal(f"preparing server: failed to bootstrap cluster data: {problem}")
        for name, text in (saved or {}).items():
            pki.write_file(self.tls / name, text, 0o644 if name.endswith(".crt") else 0o600)
        for name in _AUTHORITIES:
            if not (self.tls / f"{name}.crt").exists():
                certificate, key = pki.make_ca(f"k3s-{name}")
                self._save_pair(name, certificate, key)
                log.info(f"generated self-signed CA certificate CN={pki.describe(self.tls / (name + '.crt'))[0]['subject']}")
        if not (self.tls / "service.key").exists():
            pki.write_file(self.tls / "service.key", os.urandom(32).hex() + "\n", 0o600)
        for name, (common_name, organization) in _CLIENTS.items():
            self._leaf(name, "client-ca", common_name, organization)
        self._leaf("serving-kube-apiserver", "server-ca", "kube-apiserver", sans=self._names(), server=True)

    def _names(self):
        names = ["127.0.0.1", "::1", "localhost", self.name, self.address, "10.43.0.1", "kubernetes",
                 "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
        return names + self.settings.many("tls-san")

    def _leaf(self, name, authority, common_name, organization=None, sans=(), server=False):
        """Makes a certificate unless a good one is there (same authority, same names)."""
        crt, stamp = self.tls / f"{name}.crt", self.tls / f".{name}.names"
        wanted = "\n".join(sans) + pki.ca_hash((self.tls / f"{authority}.crt").read_bytes())
        if crt.exists() and stamp.exists() and stamp.read_text() == wanted:
            return
        certificate, key = pki.make_leaf(self.tls / f"{authority}.crt", self.tls / f"{authority}.key", common_name,
                                         organization, sans, server)
        self._save_pair(name, certificate, key)
        pki.write_file(stamp, wanted, 0o600)
        subject = f"CN={common_name}" + (f",O={organization}" if organization else "")
        log.info(f"certificate {subject} signed by CN=k3s-{authority}")

    def _save_pair(self, name, certificate, key):
        pki.write_file(self.tls / f"{name}.crt", certificate, 0o644)
        pki.write_file(self.tls / f"{name}.key", key, 0o600)

    def _listen(self):
        context = api_http.server_context(self.tls / "serving-kube-apiserver.crt",
                                          self.tls / "serving-kube-apiserver.key", self.tls / "client-ca.crt")
        self.supervisor = supervisor.Supervisor(
            self.tls, self._secrets, supervisor.agent_config(self.settings), f"{self.address}:{self.port}",
            lambda request: self.api.answer(request))
        address = ("127.0.0.1", self.port) if self.api_only else api_http.wildcard_address(self.port)
        try:
            self._https = api_http.Server(address, self.supervisor.answer, context).start()
        except OSError as problem:
            self._fatal(f"preparing server: failed to start supervisor listener: listen tcp :{self.port}: bind: "
                        f"{(problem.strerror or str(problem)).lower()}")
        if not self.api_only:
            self._local = api_http.Server(("127.0.0.1", 6444), self.supervisor.answer, context).start()
            ports.hold([10010, 10248, 10249, 10256, 10257, 10258, 10259])

    def _secrets(self):
        bootstrap_tokens = []
        if self.supervisor.objects:
            for secret in self.supervisor.objects.all("secrets", "kube-system"):
                if secret.get("type") == "bootstrap.kubernetes.io/token":
                    data = {k: base64.b64decode(v).decode() for k, v in (secret.get("data") or {}).items()}
                    if data.get("expiration") and seconds_since(data["expiration"]) > 0:
                        continue
                    bootstrap_tokens.append(f"{data.get('token-id')}.{data.get('token-secret')}")
        return {"node": self.agent_secret, "server": self.secret, "bootstrap": bootstrap_tokens}

    def _start_agent(self):
        """The agent half up to its images; the kubelet comes with READY."""
        agent = agents.Agent(self.settings, self._stop)
        agent.address = self.address
        agent.make_directories(server=True)
        pki.write_file(agent.dir / "server-ca.crt", (self.tls / "server-ca.crt").read_bytes(), 0o600)
        self.supervisor.local_node = (agent.name, agent._node_password())
        try:
            agent._retrieve(f"https://127.0.0.1:{self.port}", tokens.full("0" * 64, self.agent_secret, "node"), [""])
        except agents.Stopped:
            os._exit(0)
        agent.start_runtime()
        agent.import_images()
        return agent

    def _start_api(self):
        self.objects = Objects(self.store)
        arguments = self.settings.arguments_of("kube-apiserver")
        for taint in ("not-ready", "unreachable"):
            seconds = arguments.get(f"default-{taint}-toleration-seconds")
            if seconds:
                self.objects.toleration_seconds[f"node.kubernetes.io/{taint}"] = int(seconds)
        self.api = KubernetesApi(self.objects, ServiceAccountTokens((self.tls / "service.key").read_bytes()),
                                 self._kubelet_context, faults.Faults())
        recorder = Recorder(self.objects)
        namespaces.bootstrap_cluster(self.objects, self.address)
        ca_bundle = (self.tls / "server-ca.crt").read_text()
        server_node = "" if self.api_only else self.name
        controllers = [
            nodes.NodeInitializer(self.objects, recorder, server_node, lambda: self.ready_at),
            self._node_monitor(recorder), deployment.DeploymentController(self.objects, recorder),
            replicaset.ReplicaSetController(self.objects, recorder),
            daemonset.DaemonSetController(self.objects, recorder), job.JobController(self.objects, recorder),
            scheduler.Scheduler(self.objects, recorder), garbage.GarbageCollector(self.objects, recorder),
            garbage.PodGarbageCollector(self.objects, recorder),
            namespaces.NamespaceDefaults(self.objects, recorder, ca_bundle)]
        log.info("Running kube-apiserver --advertise-port=6443 --anonymous-auth=false --authorization-mode=Node,RBAC")
        log.info("Running kube-scheduler --leader-elect=false")
        log.info("Running kube-controller-manager --allocate-node-cidrs=true --cluster-cidr=10.42.0.0/16")
        log.info("Running cloud-controller-manager --allocate-node-cidrs=true")
        self.runner = Runner(self.store, controllers).start()
        self.supervisor.objects = self.objects
        self.supervisor.phase = "ready"

    def _node_monitor(self, recorder):
        arguments = self.settings.arguments_of("kube-controller-manager")
        return nodes.NodeMonitor(self.objects, recorder,
                                 durations.seconds(arguments.get("node-monitor-grace-period", nodes.GRACE_SECONDS)),
                                 durations.seconds(arguments.get("node-monitor-period", nodes.MONITOR_SECONDS)))

    def _start_hollow_node(self, name):
        directory = self.data_dir / "hollow" / name
        directory.mkdir(parents=True, exist_ok=True)
        for file, common_name, organization in (("client-kubelet", f"system:node:{name}", "system:nodes"),
                                                ("client-k3s-controller", "system:k3s-controller", None)):
            certificate, key = pki.make_leaf(self.tls / "client-ca.crt", self.tls / "client-ca.key", common_name,
                                             organization)
            pki.write_file(directory / f"{file}.crt", certificate, 0o600)
            pki.write_file(directory / f"{file}.key", key, 0o600)
        shutil.copy(self.tls / "server-ca.crt", directory / "server-ca.crt")
        hollow.HollowKubelet(name, self.settings, directory).start(f"https://127.0.0.1:{self.port}")

    def _kubelet_context(self):
        return client_context(self.tls / "server-ca.crt", self.tls / "client-kube-apiserver.crt",
                              self.tls / "client-kube-apiserver.key")

    def _start_kubelet(self, agent):
        try:
            agent.start_kubelet("https://127.0.0.1:6444")
            if not agent.kubelet.wait_registered(self._stop):
                return
        except KubeletRefused as refusal:
            agents.report_refusal(refusal)
            time.sleep(KUBELET_REFUSAL_SECONDS)
            os._exit(0)
        log.info(f"Annotations and labels have been set successfully on node: {self.name}")
        log.info(f"Starting flannel with backend {agent.flannel_backend}")
        if agent.flannel_ends():
            log.info("Waiting up to 2s for graceful shutdown of Kine GRPC server...")
            time.sleep(FLANNEL_GONE_SECONDS)
            os._exit(0)

    # -- files for people and tools ----------------------------------------------------------------
    def _write_credentials(self):
        passwd = f"{self.agent_secret},node,node,k3s:agent\n{self.secret},server,server,k3s:server\n"
        target = self.dir / "cred" / "passwd"
        if not target.exists() or target.read_text() != passwd:
            pki.write_file(target, passwd, 0o600)
        if self.supervisor.phase != "ready":
            return
        ca_hash = pki.ca_hash((self.tls / "server-ca.crt").read_bytes())
        token = self.dir / "token"
        pki.write_file(token, tokens.full(ca_hash, self.secret) + "\n", 0o600)
        for link in ("node-token", "agent-token"):
            path = self.dir / link
            if path.is_symlink() or path.exists():
                path.unlink()
            if link == "agent-token" and self.agent_secret != self.secret:
                pki.write_file(path, tokens.full(ca_hash, self.agent_secret, "node") + "\n", 0o600)
            else:
                os.symlink(token, path)
        log.info(f"Server node token is available at {token}")
        log.info(f"To join server node to cluster: k3s server -s https://{self.address}:{self.port} "
                 "-t ${SERVER_NODE_TOKEN}")
        log.info(f"Agent node token is available at {self.dir}/agent-token")
        log.info(f"To join agent node to cluster: k3s agent -s https://{self.address}:{self.port} "
                 "-t ${AGENT_NODE_TOKEN}")
        for name, certificate in _KUBECONFIGS.items():
            pki.write_file(self.dir / "cred" / f"{name}.kubeconfig", self._kubeconfig(certificate), 0o600)
        for name, text in (("cloud-config.yaml", "{}\n"), ("egress-selector-config.yaml", "{}\n")):
            pki.write_file(self.dir / "etc" / name, text, 0o600)

    def _kubeconfig(self, certificate, name="default"):
        return kubeconfig.document(f"https://127.0.0.1:{self.port}", *((self.tls / file).read_bytes() for file in (
            "server-ca.crt", certificate + ".crt", certificate + ".key")), name)

    def _write_kubeconfig(self):
        default = KUBECONFIG if not self.api_only else str(self.data_dir / "k3s.yaml")
        path = Path(self.settings.text("write-kubeconfig", default))
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        mode = int(self.settings.text("write-kubeconfig-mode", "0600"), 8)
        pki.write_file(path, self._kubeconfig("client-admin", self.settings.text("write-kubeconfig-name", "default")),
                       mode)
        group = self.settings.text("write-kubeconfig-group")
        if group:
            shutil.chown(path, group=group)
        log.info(f"Wrote kubeconfig {path}")
        log.info("Run: k3s kubectl")


def _passwd_secret(path):
    """The server's secret in cred/passwd, "" without one."""
    try:
        for line in path.read_text().splitlines():
            fields = line.split(",")
            if len(fields) >= 4 and fields[1] == "server":
                return fields[0]
    except OSError:
        pass
    return ""


def run(settings, stop):
    host.set_process_name("k3s-server")
    Server(settings, stop).run()
