# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cloud host with K3s and CloudCore and an edge host with EdgeCore, of any make, out of a laboratory's release mirror."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from pathlib import Path

import yaml
from hosts import Host

VERSION = "v1.23.1"
TOKEN_FILE = "/etc/kubeedge/bootstrap-edgecore.conf"
CONFIG = "/etc/kubeedge/config/edgecore.yaml"
_UNIT = """[Unit]
Description={name}
[Service]
ExecStart=/usr/local/bin/{name}
Restart=always
RestartSec=10
KillMode=process
[Install]
WantedBy=multi-user.target
"""
_CONTAINERD = """version = 2
{disabled}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = {systemd}
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
"""
PAUSE = "docker.io/kubeedge/pause:3.6"
_CNI = {"cniVersion": "0.4.0", "name": "edge", "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "ipam": {
        "type": "host-local", "subnet": "10.244.21.0/24", "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": True}}]}


class Machine(Host):
    """A host with one unit whose journal is read by the name of its program."""

    def __init__(self, address, unit):
        super().__init__(address, "agent")
        self.unit = unit

    def install_unit(self):
        self.write(f"/etc/systemd/system/{self.unit}.service", _UNIT.format(name=self.unit), "644")
        self.run("systemctl daemon-reload")

    def journal(self, mark):
        return self.out(f"journalctl _SYSTEMD_UNIT={self.unit}.service --since @{mark} -o cat --no-pager")

    def mirror_file(self, mirror, path, target):
        url = f"https://{mirror}:8443/{path}"
        self.run(f"[ -s {target} ] || curl -sfko {target} '{url.replace('+', '%2B')}'", timeout=300)


class Cloud(Machine):
    def __init__(self, address, mirror):
        super().__init__(address, "cloudcore")
        self.mirror = mirror

    def prepare(self, lock):
        """K3s serves, CloudCore is installed and running."""
        k3s = next(a for a in lock["artifacts"] if a["kind"] == "k3s")["version"]
        self.mirror_file(self.mirror, f"k3s/{k3s}/k3s", "/usr/local/bin/k3s")
        self.run("chmod 755 /usr/local/bin/k3s")
        self.write("/etc/rancher/k3s/config.yaml", yaml.safe_dump({
            "kubelet-arg": ["fail-cgroupv1=false"], "flannel-backend": "host-gw", "disable-network-policy": True,
            "disable": ["traefik", "servicelb", "metrics-server", "local-storage", "coredns"]}))
        self.write("/etc/systemd/system/k3s.service", "[Service]\nType=notify\nDelegate=yes\nKillMode=process\nTimeoutStartSec=0\n"
                   "Restart=always\nExecStart=/usr/local/bin/k3s server\n", "644")
        self.run("systemctl daemon-reload; systemctl start k3s", timeout=180)
        for artifact in lock["artifacts"]:
            if artifact["kind"] == "manifest":
                path = artifact["file"].replace("{version}", artifact["version"])
                self.run(f"curl -sfk https://{self.mirror}:8443/{path} | k3s kubectl apply --server-side -f -")
        self.program("cloud/cloudcore/cloudcore", "cloudcore")
        self.write("/etc/kubeedge/config/cloudcore.yaml", yaml.safe_dump({
            "kubeAPIConfig": {"kubeConfig": "/etc/rancher/k3s/k3s.yaml"},
            "modules": {"cloudHub": {"advertiseAddress": [self.address], "dnsNames": ["cloud1"], "tlsCAFile": "", "tlsCAKeyFile": "",
                                     "tlsCertFile": "", "tlsPrivateKeyFile": ""},
                        "cloudStream": {"enable": False}, "dynamicController": {"enable": True},
                        "iptablesManager": {"enable": False, "mode": "internal"}}}))
        self.install_unit()
        self.serve()

    def serve(self):
        """Start CloudCore again and wait until it serves."""
        self.run("systemctl restart cloudcore")
        self.wait_for(f"curl -skf https://{self.address}:10002/ca.crt -o /dev/null", 60)

    def wait_for(self, command, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done = self.run(command, check=False)
            if done.returncode == 0:
                return done.stdout
            time.sleep(0.5)
        raise AssertionError(f"{self.address}: {command} did not succeed in {seconds} s")

    def program(self, member, name):
        tarball = f"kubeedge-{VERSION}-linux-amd64.tar.gz"
        self.run(f"rm -f /root/{tarball}")      # the mirror may have another one now
        self.mirror_file(self.mirror, f"kubeedge/{VERSION}/{tarball}", f"/root/{tarball}")
        self.run(f"tar -xzf /root/{tarball} -O kubeedge-{VERSION}-linux-amd64/{member} > /usr/local/bin/{name}.new && chmod 755 "
                 f"/usr/local/bin/{name}.new && mv /usr/local/bin/{name}.new /usr/local/bin/{name}")

    def secret(self, name):
        """{key: bytes} of a secret in the namespace kubeedge."""
        found = json.loads(self.out(f"k3s kubectl get secret {name} -n kubeedge -o json"))
        return {key: base64.b64decode(value) for key, value in found["data"].items()}

    def token(self):
        return self.secret("tokensecret")["tokendata"].decode()

    def minted(self, expires, key=None):
        """A token made here, as CloudCore makes them."""
        secret = self.secret("casecret")

        def segment(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=")

        body = segment(b'{"alg":"HS256","typ":"JWT"}') + b"." + segment(json.dumps({"exp": int(expires)}).encode())
        signature = segment(hmac.new(key or secret["cakeydata"], body, hashlib.sha256).digest())
        return hashlib.sha256(secret["cadata"]).hexdigest() + "." + (body + b"." + signature).decode()

    def delete_node(self, name):
        self.run(f"k3s kubectl delete node {name}", check=False)

    def node(self, name):
        """The Node, or None."""
        done = self.run(f"k3s kubectl get node {name} -o json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def ready(self, name):
        """The Ready condition of a node, {} without one."""
        node = self.node(name) or {"status": {"conditions": []}}
        return next((c for c in node["status"].get("conditions", []) if c["type"] == "Ready"), {})


class Edge(Machine):
    def __init__(self, address, mirror, cloud):
        super().__init__(address, "edgecore")
        self.mirror, self.cloud, self.name = mirror, cloud, "edge-under-test"

    program = Cloud.program
    wait_for = Cloud.wait_for

    def prepare(self, lock, image):
        """Containers run, EdgeCore is installed and has never joined."""
        for artifact in lock["artifacts"]:
            if artifact["kind"] == "package" and artifact["file"].startswith("debian/"):
                name, = [n for n in artifact["sha256"] if n.endswith("_amd64.deb")]
                self.mirror_file(self.mirror, f"debian/{name}", f"/root/{name}")
        self.run("dpkg -s containerd >/dev/null 2>&1 || dpkg -i /root/*.deb", timeout=180)
        self.containerd()
        for name in ("pause-3.6", image):
            self.mirror_file(self.mirror, f"images/{name}-amd64.tar", f"/root/{name}.tar")
            self.run(f"ctr -n k8s.io images import /root/{name}.tar", timeout=120)
        self.write("/etc/cni/net.d/10-edge.conflist", json.dumps(_CNI), "644")
        self.program("edge/edgecore", "edgecore")
        self.install_unit()

    def containerd(self, pause=PAUSE, disabled="", systemd="false"):
        self.write("/etc/containerd/config.toml", _CONTAINERD.format(pause=pause, disabled=disabled, systemd=systemd), "644")
        self.run("systemctl restart containerd")

    def settings(self):
        return {
            "apiVersion": "edgecore.config.kubeedge.io/v1alpha2", "kind": "EdgeCore", "edgecoreVersion": VERSION, "modules": {
                "edged": {"hostnameOverride": self.name, "nodeIP": self.address, "nodeLabels": {"site": "a"},
                          "podSandboxImage": "kubeedge/pause:3.6", "tailoredKubeletConfig": {
                              "cgroupDriver": "cgroupfs", "cgroupRoot": f"/edgelab/{self.name}"}},
                "edgeHub": {"httpServer": f"https://{self.cloud.address}:10002",
                            "websocket": {"enable": True, "server": f"{self.cloud.address}:10000"},
                            "quic": {"enable": False, "server": f"{self.cloud.address}:10001"}},
                "eventBus": {"enable": False}, "metaManager": {"metaServer": {"enable": True}}}}

    def configure(self, settings):
        self.write(CONFIG, settings if isinstance(settings, str) else yaml.safe_dump(settings))

    def give_token(self, text):
        self.write(TOKEN_FILE, text)

    def wipe(self):
        """Back to a host that never joined; no Node in the cloud."""
        self.stop()
        self.cloud.run("k3s kubectl delete pods --all -n default --grace-period=0 --force --wait=false", check=False)
        self.cloud.delete_node(self.name)
        self.run("rm -rf /etc/kubeedge/ca /etc/kubeedge/certs /var/lib/kubeedge " + TOKEN_FILE)
        self.run("for s in $(ctr -n k8s.io tasks ls -q); do ctr -n k8s.io tasks kill -s 9 $s; done; sleep 0.5; "
                 "for s in $(ctr -n k8s.io tasks ls -q); do ctr -n k8s.io tasks rm -f $s; done; for c in $(ctr -n k8s.io containers ls -q); "
                 "do ctr -n k8s.io containers rm $c; done; rm -rf /var/lib/cni/networks/*; systemctl restart containerd", check=False)
        # What the network of such dead sandboxes leaves behind would send the next pod's packets astray.
        self.run("iptables -t nat -F; iptables -t nat -X; for l in $(ls /sys/class/net | grep -E '^(veth|cni0)'); do ip link del $l; done; "
                 "for n in $(ip netns list | cut -d' ' -f1); do ip netns del $n; done", check=False)
        self.run("mkdir -p $(for c in /sys/fs/cgroup/*/; do echo $c/edgelab/" + self.name + "; done)", check=False)

    def join(self, **change):
        """A host that joined: Node Ready. change: of `settings`, by module"""
        self.wipe()
        settings = self.settings()
        settings["modules"].update(change)
        self.configure(settings)
        self.give_token(self.cloud.token())
        mark = self.start()
        self.await_ready(60)
        return mark

    def await_ready(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.cloud.ready(self.name).get("status") == "True":
                return
            time.sleep(0.5)
        raise AssertionError(f"not Ready: {self.cloud.ready(self.name)}; {self.state()}\n" + self.out(
            "journalctl _SYSTEMD_UNIT=edgecore.service -o cat --no-pager -n 30"))

    def local_pods(self):
        return json.loads(self.out("curl -sf http://127.0.0.1:10350/pods"))["items"] or []


def lock_of_mirror(folder):
    """bundle.lock.yml of the mirror that a laboratory serves."""
    return yaml.safe_load((Path(folder) / "bundle.lock.yml").read_text())


def image_under_test():
    """File name in the mirror, without architecture, of EDGEAI_CONTRACT_IMAGE (default vision:1)."""
    reference = os.environ.get("EDGEAI_CONTRACT_IMAGE", "lab.edgeai.example/vision:1")
    return reference.rpartition("/")[2].replace(":", "-"), reference
