"""What the scenarios of EdgeCore nodes share: a workload that goes on without its cloud, and what is asked about it."""
from __future__ import annotations

import json
import shlex

from scenario import wait_until

HEALTH = "curl --silent --fail --max-time 2 http://127.0.0.1:18080/health"


class EdgeSite:
    """A scenario with a K3s server, on which CloudCore is, and edge nodes."""

    def __init__(self, scenario, server):
        self.scenario, self.server = scenario, server

    def kubectl(self, arguments, manifest=None):
        """The output of kubectl on the server."""
        given = "" if manifest is None else f"echo {shlex.quote(json.dumps(manifest))} | "
        return self.scenario.host(self.server).check_output(f"{given}k3s kubectl {arguments.replace('%', '%%')}")

    def node(self, name):
        """The Node, or None."""
        text = self.kubectl(f"get node {name} --ignore-not-found -o json")
        return json.loads(text) if text.strip() else None

    def is_ready(self, name):
        """Whether the Node is Ready in the cloud's eyes."""
        conditions = (self.node(name) or {}).get("status", {}).get("conditions", [])
        return [item["status"] for item in conditions if item["type"] == "Ready"] == ["True"]

    def pods(self, node):
        """`{uid: pod}` of the workload on a node, those on their way out left out."""
        items = json.loads(self.kubectl(f"get pods -l app=vision-{node} -o json"))["items"]
        return {pod["metadata"]["uid"]: pod for pod in items if "deletionTimestamp" not in pod["metadata"]}

    def deploy(self, *nodes):
        """Run the model on nodes, and wait until it answers."""
        (image,) = [item["image"] for item in self.scenario.artifacts() if (item["kind"], item["name"], item["version"]) == ("image", "vision", "1")]
        for name in nodes:
            self.kubectl("apply -f -", deployment(name, f"{image['reference'].rpartition(':')[0]}@{image['digest']}"))
        for name in nodes:
            self.wait_for_answer(name, 60)

    def answers(self, name):
        """Whether the model on a node answers there."""
        done = self.scenario.host(name).run(HEALTH)
        return done.rc == 0 or done.stdout + done.stderr

    def wait_for_answer(self, name, seconds):
        """Wait until it does."""
        wait_until(lambda: self.answers(name), seconds, f"the model on {name}")

    def containers(self, name):
        """Ids of the running containers of the workload on a node, without sandboxes."""
        text = self.scenario.host(name).check_output(
            "ctr --namespace k8s.io containers ls 'labels.\"io.kubernetes.container.name\"==vision' | tail -n +2 | cut -d' ' -f1")
        running = self.scenario.host(name).check_output("ctr --namespace k8s.io tasks ls | grep RUNNING | cut -d' ' -f1").split()
        return sorted(set(text.split()) & set(running))


def deployment(node, image):
    """One pod, bound to a node, that neither needs the cloud nor is evicted by it."""
    labels = {"app": f"vision-{node}"}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": f"vision-{node}", "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "strategy": {"type": "Recreate"}, "template": {
            "metadata": {"labels": labels}, "spec": {
                "nodeSelector": {"kubernetes.io/hostname": node}, "automountServiceAccountToken": False, "enableServiceLinks": False,
                "tolerations": [{"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"} for key in ("unreachable", "not-ready")],
                "containers": [{
                    "name": "vision", "image": image, "imagePullPolicy": "IfNotPresent", "ports": [{"containerPort": 8080, "hostPort": 18080}],
                    "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 2},
                    "resources": {"limits": {"memory": "256Mi"}}}]}}},
    }
