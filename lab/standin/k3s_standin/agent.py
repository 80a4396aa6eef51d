"""`k3s agent`, and the agent half of a server: from a token to a registered node."""

from __future__ import annotations

import base64
import os
import random
import threading
from pathlib import Path

from standin_common import host, log, pki
from . import build_info, config, loadbalancer, ports, registries, tokens
from standin_common.apiclient import Client, Refused, Unreachable, client_context
from .kubelet.kubelet import Kubelet, KubeletRefused

NODE_PASSWORD = Path("/etc/rancher/node/password")
VALIDATE_SECONDS = 2.0
RETRY_SECONDS = (5.0, 10.0)
_REJECTED = ("Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match "
             "server node-passwd entry, try enabling a unique node name with the --with-node-id flag")


class Stopped(Exception):
    """The unit is being stopped while the agent still waits."""


class NotReady(Exception):
    """The server cannot serve this agent (yet); the text is what the journal shows."""


class Agent:
    def __init__(self, settings, stop):
        self.settings, self._stop = settings, stop
        self.data_dir = settings.data_dir
        self.dir = self.data_dir / "agent"
        self.address = None
        self.name = host.node_name(settings)
        self.kubelet = None

    # -- `k3s agent` -------------------------------------------------------------------------------
    def run(self):
        settings = self.settings
        token = settings.text("token")
        if not token and settings.has("token-file"):
            token = Path(settings.text("token-file")).read_text().strip()
        joined = all((self.dir / f"client-kubelet.{kind}").exists() for kind in ("crt", "key"))
        if not token and not joined:
            log.fatal("Error: --token is required")
        url = settings.text("server").rstrip("/")
        if not url:
            log.fatal("Error: --server is required")
        log.info(f"Starting k3s agent {build_info.version()} ({build_info.COMMIT})")
        try:
            self.address = host.node_address(settings)
        except host.NoDefaultRoute as problem:
            log.fatal(f"Error: failed to get node name and addresses: {problem}")
        self.make_directories(server=False)
        port = int(settings.text("lb-server-port", "6444"))
        server = url.split("://", 1)[1].rstrip("/")
        server = server if ":" in server.rsplit("]", 1)[-1] else f"{server}:443"
        balancer = loadbalancer.LoadBalancer(server, port, self.dir / "etc" / "k3s-agent-load-balancer.json").start()
        local = f"https://127.0.0.1:{port}"
        last = [""]
        try:
            self._validate(url, local, token, last)
            self._retrieve(local, token, last)
        except Stopped:
            log.fatal(f"Error: failed to retrieve agent configuration: {last[0]}")
        log.info("Getting list of apiserver endpoints from server")
        self.start_runtime()
        self._remember_servers(balancer, local, url)
        ports.hold([10248, 10249, 10256, 10010])
        log.info(f"Running kube-proxy --cluster-cidr=10.42.0.0/16 --hostname-override={self.name} "
                 f"--kubeconfig={self.dir}/kubeproxy.kubeconfig --proxy-mode=iptables")
        self.import_images()
        try:
            self.start_kubelet(local)
            if not self.kubelet.wait_registered(self._stop):
                os._exit(0)
        except KubeletRefused as refusal:
            report_refusal(refusal)
            os._exit(0)
        log.info(f"Annotations and labels have been set successfully on node: {self.name}")
        log.info(f"Starting flannel with backend {self.flannel_backend}")
        log.info(f"Flannel found PodCIDR assigned for node {self.name}")
        log.info("k3s agent is up and running")
        host.notify_systemd("READY=1")
        if not self.flannel_ends():
            self._stop.wait()
            log.info("Shutdown request received: \"terminated\"")
        self.kubelet.stop()
        os._exit(0)

    def flannel_ends(self):
        """Whether flannel finds no interface, says so, and takes K3s with it."""
        if self.flannel_backend == "none" or self.settings.text("flannel-iface"):
            return False
        try:
            host.default_interface()
        except host.NoDefaultRoute:
            log.error('Shutdown request received: "flannel exited: failed to find the interface: failed to get default interface: '
                      'unable to find default route"')
            return True
        return False

    def make_directories(self, server):
        for path, mode in ((self.data_dir, 0o755), (self.dir, 0o700), (self.dir / "etc", 0o700 if server else 0o755),
                           (self.dir / "etc" / "cni", 0o755), (self.dir / "etc" / "cni" / "net.d", 0o755),
                           (self.dir / "etc" / "containerd", 0o755), (self.dir / "etc" / "flannel", 0o755),
                           (self.dir / "etc" / "kubelet.conf.d", 0o700), (self.dir / "containerd", 0o700),
                           (self.dir / "pod-manifests", 0o750)):
            path.mkdir(mode=mode, parents=True, exist_ok=True)

    def _wait(self, seconds):
        if self._stop.wait(seconds):
            raise Stopped()

    def _validate(self, url, local, token, last):
        """Loops until the server's CA is fetched and, where the token pins it, verified."""
        while True:
            try:
                self._fetch_ca(local, token)
                return
            except NotReady as problem:
                last[0] = str(problem)
                log.error(f"Failed to validate connection to cluster at {url}: {problem}")
            self._wait(VALIDATE_SECONDS)

    def _fetch_ca(self, local, token):
        if not token:
            raise NotReady("token must not be empty")
        client = Client(local, client_context(), timeout=20)
        try:
            status, pem, _ = client.raw("GET", "/cacerts")
        except Unreachable as problem:
            raise NotReady(f"failed to get CA certs: {problem}") from None
        finally:
            client.close()
        if status != 200:
            raise NotReady(f"failed to get CA certs: https://{client.host}:{client.port}/cacerts: {status} "
                           "Service Unavailable")
        wanted = tokens.parse(token).ca_hash
        if wanted and wanted != pki.ca_hash(pem):
            raise NotReady("token CA hash does not match the Cluster CA certificate hash: "
                           f"{wanted} != {pki.ca_hash(pem)}")
        if not wanted:
            log.warning("Cluster CA certificate is not trusted by the host CA bundle, but the token does not include "
                        "a CA hash. Use the full token from the server's node-token file to enable Cluster CA "
                        "validation.")
        pki.write_file(self.dir / "server-ca.crt", pem, 0o600)

    def _retrieve(self, local, token, last):
        while True:
            try:
                self.retrieve(local, token)
                return
            except (NotReady, config.ConfigError) as problem:
                last[0] = str(problem)
                log.info(f"Waiting to retrieve agent configuration; server is not ready: {problem}")
            self._wait(random.uniform(*RETRY_SECONDS))

    # -- getting certificates ----------------------------------------------------------------------
    def retrieve(self, url, token):
        """One try to get configuration and certificates from the supervisor."""
        parsed = tokens.parse(token)
        user = parsed.user if parsed.user == "node" else "node"
        if parsed.is_bootstrap:
            credentials = parsed.secret.replace(".", ":", 1)
        else:
            credentials = f"{user}:{parsed.secret}"
        headers = {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}
        certificate, key = self.dir / "client-kubelet.crt", self.dir / "client-kubelet.key"
        clients = []
        if certificate.exists() and key.exists():
            try:
                clients.append(Client(url, client_context(self.dir / "server-ca.crt", certificate, key)))
            except OSError:
                pass  # damaged files: the token decides
        clients.append(Client(url, client_context(self.dir / "server-ca.crt"), headers))
        client, configuration = self._first_answer(clients)
        self.flannel_backend = configuration.get("FlannelBackend", "vxlan")
        registries.load(self.settings)
        password = self._node_password()
        node = {"K3s-Node-Name": self.name, "K3s-Node-Password": password, "K3s-Node-IP": self.address}
        for name in ("serving-kubelet", "client-kubelet"):
            self._certificate(client, name, node)
        for name in ("client-kube-proxy", "client-k3s-controller"):
            self._certificate(client, name, {})
        pki.write_file(self.dir / "client-ca.crt", self._text(client, "client-ca.crt"), 0o600)
        self._write_kubeconfigs(url)
        for one in clients:
            one.close()

    @staticmethod
    def _first_answer(clients):
        problem = None
        for client in clients:
            try:
                return client, client.request("GET", "/v1-k3s/config")
            except Refused as refusal:
                problem = NotReady(f"failed to retrieve configuration from server: {refusal}")
            except Unreachable as failure:
                problem = NotReady(f"failed to retrieve configuration from server: {failure}")
        raise problem

    @staticmethod
    def _text(client, name, headers=None, method="GET"):
        status, body, _ = client.raw(method, f"/v1-k3s/{name}", headers=headers)
        if status >= 400:
            raise Refused(status, body.decode(errors="replace"))
        return body.decode()

    def _certificate(self, client, name, headers):
        path = self.dir / f"{name}.crt"
        try:
            pem = self._text(client, f"{name}.crt", headers)
        except Refused as refusal:
            if refusal.status == 403 and headers:
                raise NotReady(f"{path}: {_REJECTED}") from None
            raise NotReady(f"{path}: {client.url}/v1-k3s/{name}.crt: {refusal.status} "
                           f"{'Service Unavailable' if refusal.status == 503 else refusal}") from None
        except Unreachable as problem:
            raise NotReady(f"{path}: {problem}") from None
        certificates, mark, key = pem.partition("-----BEGIN PRIVATE KEY-----")
        pki.write_file(path, certificates, 0o600)
        pki.write_file(self.dir / f"{name}.key", mark + key, 0o600)

    def _node_password(self):
        if not NODE_PASSWORD.exists():
            NODE_PASSWORD.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            pki.write_file(NODE_PASSWORD, tokens.random_secret() + "\n", 0o600)
        return NODE_PASSWORD.read_text().strip()

    def _write_kubeconfigs(self, url):
        for name, certificate in (("kubelet", "client-kubelet"), ("kubeproxy", "client-kube-proxy"),
                                  ("k3scontroller", "client-k3s-controller")):
            text = (f"apiVersion: v1\nclusters:\n- cluster:\n    server: {url}\n    certificate-authority: "
                    f"{self.dir}/server-ca.crt\n  name: local\ncontexts:\n- context:\n    cluster: local\n"
                    "    namespace: default\n    user: user\n  name: Default\ncurrent-context: Default\nkind: Config\n"
                    f"preferences: {{}}\nusers:\n- name: user\n  user:\n    client-certificate: {self.dir}/"
                    f"{certificate}.crt\n    client-key: {self.dir}/{certificate}.key\n")
            pki.write_file(self.dir / f"{name}.kubeconfig", text, 0o600)

    def _remember_servers(self, balancer, local, url):
        client = Client(local, client_context(self.dir / "server-ca.crt", self.dir / "client-kubelet.crt",
                                              self.dir / "client-kubelet.key"))
        try:
            addresses = client.request("GET", "/v1-k3s/apiservers")
        except (Refused, Unreachable):
            return
        finally:
            client.close()
        balancer.save(url, addresses)
        tunnel = f"wss://{addresses[0]}/v1-k3s/connect"
        log.info("Connecting to proxy", url=tunnel)
        log.info("Connected to proxy", url=tunnel)
        log.info("Remotedialer connected to proxy", url=tunnel)

    # -- runtime and kubelet -----------------------------------------------------------------------
    def start_runtime(self):
        self.kubelet = Kubelet(self)
        self.kubelet.prepare_runtime()
        log.info(f"Logging containerd to {self.dir}/containerd/containerd.log")
        log.info(f"Running containerd -c {self.dir}/etc/containerd/config.toml")
        log.info("containerd is now running")

    def import_images(self):
        self.kubelet.import_images()

    def start_kubelet(self, url):
        """KubeletRefused where the real kubelet would exit."""
        self.kubelet.check_arguments()
        self.kubelet.start(url)


def report_refusal(refusal):
    """What the journal shows when the kubelet ends K3s."""
    log.plain(f"Error: {refusal}")
    quoted = f"kubelet exited: {refusal}".replace("\n", "\\n")
    log.error(f'Shutdown request received: "{quoted}"')


def run(settings, stop):
    host.set_process_name("k3s-agent")
    threading.current_thread().name = "agent"
    Agent(settings, stop).run()
