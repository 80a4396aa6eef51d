"""The two camera lines of the scenario ``rollout``: what they are asked to run, what runs and answers there, and the way back."""
from __future__ import annotations

import json

from releases import Releases
from scenario import Scenario

SERVER, NODE_A, NODE_B = "roll-server", "roll-a", "roll-b"
LINE_A, LINE_B = "vision-line-a", "vision-line-b"
A, B = f"test-factory/{LINE_A}", f"test-factory/{LINE_B}"
NODES = {LINE_A: NODE_A, LINE_B: NODE_B}


class CameraLines:
    """Line a is the canary of the releases made here."""

    def __init__(self, test_file):
        self.scenario = Scenario(test_file)
        self.releases = Releases(self.scenario, expect=2)

    def kubectl(self, arguments):
        """The output of kubectl on the server, in the namespace of the workloads."""
        return self.scenario.host(SERVER).check_output(f"k3s kubectl -n edgeai {arguments.replace('%', '%%')}")

    def deployment(self, name):
        return json.loads(self.kubectl(f"get deployment {name} -o json"))

    def asked_for(self, name):
        return self.releases.asked_for(self.deployment(name))

    def both(self):
        return self.asked_for(LINE_A), self.asked_for(LINE_B)

    def revisions(self):
        """How often each line got another image so far. (A record that is kept on a Deployment makes a generation, but no revision.)"""
        return [int(self.deployment(name)["metadata"]["annotations"]["deployment.kubernetes.io/revision"]) for name in (LINE_A, LINE_B)]

    def versions(self):
        """Any change of the workloads, their status included."""
        return [self.deployment(name)["metadata"]["resourceVersion"] for name in (LINE_A, LINE_B)]

    def pods(self, name):
        """The pods of a line, oldest first."""
        items = json.loads(self.kubectl(f"get pods -l edgeai.sites/target={name} -o json"))["items"]
        return sorted(items, key=lambda pod: pod["metadata"]["creationTimestamp"])

    def answer(self, line, pod):
        """The version of the model that answers an inference in a pod, asked on its node: also while no API can be had; "" for none."""
        asked = json.dumps({"inputs": [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [7]}]})
        done = self.scenario.host(NODES[line]).run(
            f"curl --silent --fail --max-time 3 -d '{asked}' http://{pod['status']['podIP']}:8080/v2/models/vision/infer")
        return json.loads(done.stdout)["model_version"] if done.rc == 0 else ""

    def is_ready(self, name):
        """Whether the Node is Ready in the server's eyes."""
        node = json.loads(self.kubectl(f"get node {name} -o json"))
        return [item["status"] for item in node["status"]["conditions"] if item["type"] == "Ready"] == ["True"]

    def digest(self, image):
        """The digest that the bundle has for name:version."""
        (found,) = [entry["image"]["digest"] for entry in self.scenario.artifacts() if f"{entry['name']}:{entry['version']}" == image]
        return found

    def put(self, image):
        """Both lines run a model, whatever was before."""
        workloads = [{**self.scenario.fleet["workloads"][0], "image": image}]
        done = self.scenario.play("converge.yml", variables={"edge_workloads": workloads})
        assert done.failed == set(), done.text
        assert self.both() == (image, image)

    def release(self, name, image, **changes):
        return self.releases.write(name, image, **{"waves": waves(), **changes})


def waves(soak="4s", **rest):
    """The canary soaks as long as asked; rest: keys of the wave of all others."""
    return [{"name": "canary", "pick": {"per": "site", "prefer": {"first": "1"}}, "soak": soak},
            {"name": "rest", "percent": 100, "soak": "4s", **rest}]
