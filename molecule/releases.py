"""What the scenarios of rollouts share: releases made for a test, runs that carry them out, and what they leave behind."""
from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
from contextlib import contextmanager

import yaml
from scenario import ROOT, run

GOLDEN = ROOT / "releases/golden/vision.json"
GATES = yaml.safe_load((ROOT / "releases/vision-2.4.yml").read_text(encoding="utf-8"))["gates"]
REPORT = "Report on the rollout"


class Releases:
    """Releases of the workload ``vision`` of a scenario. expect: how many targets it has."""

    def __init__(self, scenario, expect):
        self.scenario, self.expect = scenario, expect
        self.directory = scenario.state / "releases"

    def write(self, name, image, **changes):
        """Write a release file, and return its path."""
        document = {"release": name, "workloads": [{"name": "vision", "image": image, "load_seconds": 5}], "targets": {"expect": self.expect},
                    "gates": {**GATES, "ready": {"timeout": "90s"}}, **changes}
        self.directory.mkdir(exist_ok=True)
        path = self.directory / f"{name}.yml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path

    @staticmethod
    def variables(path, **more):
        return {"release": str(path), "rollout_golden_dir": str(GOLDEN.parent), "rollout_by": "eva", **more}

    def rollout(self, path, *arguments, **more):
        """Run the playbook to its end."""
        return self.scenario.play("edgeai.sites.rollout", *arguments, variables=self.variables(path, **more))

    @contextmanager
    def running(self, path, **more):
        """The same in the background; what it prints is in ``said``."""
        command = [str(part) for part in self.scenario.command("edgeai.sites.rollout", "-e", json.dumps(self.variables(path, **more)))]
        with open(self._log(path.stem), "ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, env={
                **os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")})
        try:
            yield process
        finally:
            if process.poll() is None:
                self.kill(process)

    @staticmethod
    def kill(process, alone=False):
        """As when the controller loses its power: it and all that it has begun; alone: its children are not hit."""
        found = [process.pid]
        rows = [line.split() for line in run("ps", "-e", "-o", "pid=,ppid=").stdout.splitlines()]
        for pid in found:
            found += [int(child) for child, parent in rows if int(parent) == pid and not alone]
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended by itself
        process.wait()

    def said(self, name):
        """What the runs in the background have printed, for people."""
        return self._log(name).read_text(encoding="utf-8")

    def _log(self, name):
        return self.directory / f"{name}.log"

    def order(self, name, kind, **more):
        """Give an order to a rollout."""
        return self.scenario.play("edgeai.sites.rollout_control", variables={
            "rollout_ledger": str(self.ledger(name)), "rollout_order": kind, "rollout_by": "eva", **more})

    def ledger(self, name):
        return self.scenario.state / "state/rollouts" / name

    def journal(self, name):
        """The events of a ledger that are on the disk."""
        path = self.ledger(name) / "journal.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()[1:] if line.endswith("}")] if path.exists() else []

    def happened(self, name, kind, target=None):
        return [event for event in self.journal(name) if event["type"] == kind and target in (None, event.get("target"))]

    def is_free(self, name):
        """Whether no process holds a ledger."""
        with open(self.ledger(name) / "lock", "rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            return True

    def asked_for(self, deployment):
        """What a Deployment asks for, as name:version of the bundle."""
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        (found,) = [f"{entry['name']}:{entry['version']}" for entry in self.scenario.artifacts()
                    if entry["kind"] == "image" and container["image"].endswith("@" + entry["image"]["digest"])]
        return found

    @staticmethod
    def next(done):
        """What a run says that a person does next."""
        return done.one("Say what comes next", "localhost")["msg"]

    @staticmethod
    def row(done, name):
        """What the report of a run has of a target."""
        return {found["target"]: found for found in done.one(REPORT, "localhost")["report"]["targets"]}[name]

    @staticmethod
    def states(done):
        """{target: state} of the report of a run."""
        return {row["target"]: row["state"] for row in done.one(REPORT, "localhost")["report"]["targets"]}
