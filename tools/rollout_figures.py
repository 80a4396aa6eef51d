"""Figures of rollouts that need no hosts: the planner, and the engine over simulated sites with a ledger on the disk."""
from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ansible/dev"))

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import HEALTHY, PROGRESSING, Finding, TargetJudgement
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.ledger_file import LedgerFile
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.engine import Engine
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import Answers
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.forecast import forecast
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.hands import Device, Hands, Sight
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import make_plan
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.release import expand

OLD, NEW = ("sha256:" + letter * 64 for letter in "ab")
REQUEST = {"inputs": [{"name": "x", "shape": [1], "datatype": "INT64", "data": [1]}]}
WORKLOAD = {"name": "cam", "image": "cam:1", "runs_on": {"labels": {"cam": "1"}}, "port": 80, "gpu": 1,
            "health": {"path": "/", "expression": "x"}, "golden": {"request": REQUEST, "expect": "x"}}
NIGHT = [{"days": ["sat", "sun"], "start": "01:00", "end": "05:00"}]
BEGIN = 1790000000
LOAD_SECONDS, AT_ONCE = 10, 3
WAVES = [{"name": "canary", "pick": {"per": "class"}, "soak": "0s"}, {"name": "one-per-site", "pick": {"per": "site"}, "soak": "0s"},
         {"name": "quarter", "percent": 25, "soak": "0s"}, {"name": "rest", "percent": 100, "soak": "0s"}]
RESUME_GOAL, LATENCY_GOAL, OVERHEAD_GOAL, PLANNER_GOAL = 3.0, 1.0, 2.0, 1.0


def fleet(sites: int, nodes: int, windows: list, wan_mbit: int) -> dict:
    return {"name": "f", "workloads": [WORKLOAD], "sites": [
        {"name": f"site-{site}", "timezone": "Europe/Berlin", "windows": windows, "wan_mbit": wan_mbit, "nodes": [
            {"name": f"s{site}-n{number}", "runtime": "k3s_agent", "arch": ("amd64", "arm64")[number % 2], "gpu": "tegra", "labels": {"cam": "1"},
             "lines": [], "facts": {"gpus": 1}} for number in range(nodes)]} for site in range(sites)]}


def release(expect: int, **changes) -> dict:
    artifacts = {arch: {"digest": NEW, "size_mib": 100} for arch in ("amd64", "arm64")}
    return expand({"release": "r", "targets": {"expect": expect}, "gates": {}, "timeouts": {"total": "200d"},
                   "workloads": [{"name": "cam", "image": "cam:2", "artifacts": artifacts}], **changes})


def planner() -> None:
    """Everything of a plan: binding, images, lots, waves, strategies, hash; and apart from it the forecast. CPU time: it computes only."""
    wanted, where = release(10000), fleet(500, 20, NIGHT, 50)
    plan = make_plan(wanted, where)
    made = statistics.median(_cpu(lambda: make_plan(wanted, where)) for _round in range(5))
    foreseen = statistics.median(_cpu(lambda: forecast(plan, BEGIN)) for _round in range(5))
    print(f"planner 10000 nodes, 500 sites: {made:.2f} s (goal {PLANNER_GOAL:.1f} s), its forecast {foreseen:.2f} s; CPU time, median of 5")


def _cpu(work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


class SimulatedSite(Hands):
    """Devices that load a model in LOAD_SECONDS and answer at once; what would go to the site's API is counted."""

    def __init__(self, names: list[str], calls: Counter):
        self.now, self.calls = BEGIN, calls
        self.runs = {name: (OLD, BEGIN - LOAD_SECONDS) for name in names}
        self.asked: dict = {}

    def refresh(self):
        pass

    def asked_for(self, name):
        return self.runs[name][0]

    def device(self, name, digest):
        return Device(True, digest=self.runs[name][0], present=True, checks=dict.fromkeys(("arch", "driver", "disk", "gpu_free", "clock"), True))

    def see(self, question):
        digest, since = self.runs[question.name]
        if digest != question.digest or self.now - since < LOAD_SECONDS:
            return Sight(TargetJudgement(question.name, (Finding("workload.rollout", PROGRESSING, "it is starting", "healthy"),)))
        key = question.name, digest, repr(question.exam)
        if self.asked.get(key, -1) < question.after:
            self.asked[key] = self.now
            self.calls["questions to models"] += 1 + question.exam.http_turns + question.exam.warm_ups + len(question.exam.requests)
        pod = {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"imageID": "x@" + digest, "state": {"running": {}}, "restartCount": 0}]}}
        return Sight(TargetJudgement(question.name, (Finding("workload.rollout", HEALTHY, "", "healthy"),), pod=pod),
                     Answers(f"{digest}@{since}", self.asked[key], health={}, answers=({},) * len(question.exam.requests),
                             times=(1.0,) * len(question.exam.requests)))

    def switch(self, name, digest, version, record):
        self.calls["changes of Deployments"] += 1
        self.runs[name] = (digest, self.now)

    def remember(self, name, record):
        self.calls["records on Deployments"] += 1

    def records(self):
        return {}


def rounds_of(plan: dict, at_once: int) -> list[int]:
    """Of each wave: how often its slowest site takes ``at_once`` targets down together, each for as long as its model loads."""
    return [max(-(-sum(plan["targets"][name]["site"] == site for name in wave["targets"]) // at_once) for site in plan["sites"])
            for wave in plan["waves"]]


class _Exam(dict):
    """What the inventory asks of every target."""

    def __missing__(self, _name):
        return {"health_path": "/", "request": REQUEST, "expect": "x"}


def engine(sites: int, nodes: int) -> None:
    """A whole rollout at zero soak, in four waves. Its clock jumps; what is measured is the time that the engine itself takes."""
    count = sites * nodes
    plan = make_plan(release(count, waves=WAVES, windows={"switch": "always", "prepull": "always"},
                             budgets={"max_unavailable": {"site": AT_ONCE}, "concurrent_targets": count, "concurrent_sites": sites}),
                     fleet(sites, nodes, [], 0))
    calls: Counter = Counter()
    names: dict[str, list[str]] = {}
    for name, row in plan["targets"].items():
        names.setdefault(row["site"], []).append(name)
    devices = {site: SimulatedSite(own, calls) for site, own in names.items()}
    busy, longest, resumed, now = 0.0, 0.0, 0.0, BEGIN
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory(prefix="edgeai-bench-") as directory:
        ledger = LedgerFile(directory, plan, now)
        ledger.append({"type": "start", "at": now, "by": "bench"})
        turning = Engine(plan, ledger, devices, _Exam(), None, lambda _expression, _document: True)
        while ledger.state.status not in s.FINISHED:
            if now - BEGIN > 24 * 3600:
                raise SystemExit(f"the simulated rollout of {count} targets does not end: {ledger.state.status} {ledger.state.reason}")
            news = True
            while news:
                began = time.monotonic()
                news = turning.turn(now)
                took = time.monotonic() - began
                # A turn without news happens while models load, and keeps nobody waiting.
                busy, longest = busy + took * news, max(longest, took)
            now += 1
            for site in devices.values():
                site.now = now
            done = sum(ledger.state.targets[name].state == s.SUCCEEDED for name in plan["targets"])
            if not resumed and done > count // 2:
                # The next controller: it reads the ledger, and does what is due.
                ledger.close()
                began = time.monotonic()
                ledger = LedgerFile(directory, None, now)
                turning = Engine(plan, ledger, devices, _Exam(), None, lambda _expression, _document: True)
                turning.turn(now)
                resumed = time.monotonic() - began
        events, size = ledger.state.seq, (Path(directory) / "journal.jsonl").stat().st_size
        ledger.close()
    if done != count or calls["changes of Deployments"] != count:
        raise SystemExit(f"the simulated rollout ended wrong: {done} of {count} done, {dict(calls)}")
    rounds = rounds_of(plan, AT_ONCE)
    bound = sum(rounds) * LOAD_SECONDS
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"engine {sites} sites, {count} targets, 4 waves, soak 0: {busy:.2f} s from evidence to acts in all (goal {OVERHEAD_GOAL:.1f} s); "
          f"simulated time {now - BEGIN} s, bound = rounds {'+'.join(map(str, rounds))} x {LOAD_SECONDS} s of loading = {bound} s, in steps of 1 s")
    print(f"  longest of them: {longest:.2f} s (goal {LATENCY_GOAL:.1f} s); next controller to its next act, half way: {resumed:.2f} s "
          f"(goal {RESUME_GOAL:.1f} s)")
    print(f"  {events} events in {size / 1e6:.1f} MB, each intent on the disk before its act; memory +{grown:.0f} MiB; "
          + ", ".join(f"{value / count:.1f} {name} per target" for name, value in sorted(calls.items())))


def print_figures() -> None:
    planner()
    for nodes in (17, 84):
        engine(12, nodes)


if __name__ == "__main__":
    print_figures()
