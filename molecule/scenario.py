"""What the tests of all scenarios share: hosts over SSH, the lab's commands, and playbooks with their results.

A test asks Ansible only where Ansible is what it tests; for questions to a host plain SSH takes a tenth of the time.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import testinfra
import yaml

ROOT = Path(__file__).resolve().parents[1]
LAB = ROOT / ".lab"
DEADLINE = 420
CONTROLLER = ("ansible.builtin.include_role", "ansible.builtin.validate_argument_spec")


def run(*command, timeout=DEADLINE, **environment):
    """Run a command from the repository with its tools and settings; never raises for an exit code."""
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout,
        # Molecule has settings of its own in the environment; the tests want what a run from a checkout has.
        env={**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
             **environment},
    )


def lab(*arguments):
    """Run `lab/lab …` and return what it printed; a failure fails the test with its words."""
    done = run(ROOT / "lab/lab", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def reboot(*names):
    """Reboot hosts, all at once, and wait until each answers again."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: lab("reboot", name), names))


def wait_until(condition, seconds, what):
    """Wait until `condition()` is True; the last other thing that it returned is in the failure."""
    deadline = time.monotonic() + seconds
    while True:
        seen = condition()
        if seen is True:
            return
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s, last seen: {seen}"
        time.sleep(0.5)


@dataclass
class Play:
    """A finished playbook: exit code, all that was printed, and the result of each task on each host."""

    code: int
    text: str
    stats: dict = field(default_factory=dict)
    results: list = field(default_factory=list)  # (task, host, result)

    def of(self, task, host=None):
        """Results of the tasks of this name, on one host or all; skipped ones left out."""
        return [result for name, where, result in self.results
                if name == task and host in (None, where) and not result.get("skipped")]

    def one(self, task, host):
        """The one result of a task on a host."""
        found = self.of(task, host)
        assert len(found) == 1, f"{task}: {len(found)} results on {host}\n{self.text}"
        return found[0]

    def executions(self, host):
        """Names of the tasks that ran on a host. Arguments are validated and roles included on the controller."""
        return [name for name, where, result in self.results
                if where == host and not result.get("skipped") and result.get("action") not in CONTROLLER]

    def error(self, host):
        """The one error message of a host."""
        (message,) = [result["msg"] for _name, where, result in self.results
                      if where == host and result.get("failed") and result.get("msg")]
        return message

    @property
    def changed(self):
        """`{host: changed tasks}` of the hosts where something changed. No host at all is a failure, not calm."""
        assert self.stats, self.text
        return {host: numbers["changed"] for host, numbers in self.stats.items() if numbers["changed"]}

    @property
    def failed(self):
        """Hosts on which something failed or that gave no answer."""
        assert self.stats, self.text
        return {host for host, numbers in self.stats.items() if numbers["failures"] or numbers["unreachable"]}


class Scenario:
    """One scenario's hosts and playbooks: `Scenario(__file__)` in a test of molecule/<name>/tests."""

    def __init__(self, test_file):
        self.directory = Path(test_file).resolve().parents[1]
        self.inventory = self.directory / "inventory"
        self.fleet = yaml.safe_load((self.inventory / "fleet.yml").read_text())
        self.state = LAB / f"edgelab-{self.fleet['fleet']}"
        self.bundle = self.state / "bundle"
        places = [*self.fleet["sites"], self.fleet.get("cloud") or {}]
        self.nodes = {node["name"]: node for place in places for node in place.get("nodes", [])}
        assert self.nodes, f"{self.inventory} has no node"
        # All scenarios have the same addresses: without this, tests could meet the hosts of another one.
        assert (self.state / "mirror").exists(), f"no hosts: tools/scenario {self.directory.name} create"
        # One connection per host carries all questions. A new directory, for its path is short, and so that no test
        # meets a connection to an earlier host of the same address.
        self.connections = tempfile.TemporaryDirectory(prefix="scenario-")

    def host(self, name):
        """A testinfra host over SSH."""
        options = {
            "UserKnownHostsFile": LAB / "ssh/known_hosts", "StrictHostKeyChecking": "yes",
            "ControlPath": f"{self.connections.name}/%h",
            # Ends the connection to a host that lost its link or its power.
            "ServerAliveInterval": 1, "ServerAliveCountMax": 3,
        }
        return testinfra.get_host(
            f"ssh://root@{self.nodes[name]['address']}", ssh_identity_file=str(LAB / "ssh/id_ed25519"),
            ssh_extra_args=" ".join(f"-o {option}={value}" for option, value in options.items()))

    def artifacts(self):
        """The entries of the bundle that this scenario built."""
        return json.loads((self.bundle / "bundle.json").read_text())["artifacts"]

    def command(self, playbook, *arguments):
        """The command line of a playbook: a path, `edgeai.sites.<name>`, or `converge.yml` of the scenario."""
        path = self.directory / playbook
        return ["ansible-playbook", "-i", ROOT / "molecule/lab", "-i", self.inventory, path if path.exists() else playbook, *arguments]

    def play(self, playbook, *arguments, variables=None, **environment):
        """Run a playbook and read its results."""
        more = ["-e", json.dumps(variables)] if variables else []
        done = run(*self.command(playbook, *arguments, *more), **{
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "EDGEAI_REPORT_DIR": str(self.state / "report"), **environment})
        text = done.stdout + done.stderr
        begin = re.search(r"^\{$", done.stdout, re.MULTILINE)
        if not begin:
            return Play(done.returncode, text)
        document, _end = json.JSONDecoder().raw_decode(done.stdout[begin.start():])
        results = [
            (task["task"]["name"].rpartition(" : ")[2], host, result)
            for play in document["plays"] for task in play["tasks"] for host, result in task["hosts"].items()
        ]
        return Play(done.returncode, text, document["stats"], results)

    def report(self):
        """What the last run's report says, as data."""
        return json.loads((self.state / "report/report.json").read_text())
