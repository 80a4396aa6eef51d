"""Figures over simulated APIs (`lab simulate`): what verification and rollouts ask of each site, and the time and memory they take.

Requests are counted by the simulator, which is a process of its own on the same machine: it takes its share of the cores.
"""
from __future__ import annotations

import contextlib
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ansible/dev"))

from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import MIN_UPTIME_SECONDS
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.watch import HEALTH_KINDS, WATCH_SECONDS
from ansible_collections.edgeai.sites.tests.scale.controller import Controller
from rollout_figures import WAVES, rounds_of
from simulator.record import counts, of_the_api, read

BIN = ROOT / ".venv/bin"
SITES, LOAD_SECONDS, STOP_SECONDS, AT_ONCE = 12, 2.0, 0.1, 10
VERIFY_GOAL, REQUESTS_GOAL = 5.0, 5
ROUNDS = 3
# The change of a Deployment, and two records on it; three exams, each of health, one answer to warm up and one that counts.
CHANGES, QUESTIONS = 3, 9
LONGEST_SECONDS = 1800


@contextlib.contextmanager
def simulated(nodes: int):
    """Yield the directory of a running fleet and the path of its record."""
    with tempfile.TemporaryDirectory(prefix="edgeai-scale-") as scratch:
        directory = Path(scratch) / "fleet"
        command = [ROOT / "lab/lab", "simulate", directory, "--sites", str(SITES), "--nodes", str(nodes), "--load", str(LOAD_SECONDS)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            said = [process.stdout.readline() for _line in range(2)]
            if not said[-1]:
                raise SystemExit("the simulated fleet did not start")
            yield directory, directory / "requests.jsonl"
        finally:
            process.terminate()
            process.wait(30)


def verify(nodes: int) -> None:
    """The whole playbook, Ansible's own start included."""
    with simulated(nodes) as (directory, requests):
        walls, cpu = [], _cpu_of_children()
        for _round in range(ROUNDS):
            began = time.monotonic()
            done = subprocess.run([BIN / "ansible-playbook", "-i", directory / "inventory", "playbooks/verify.yml"], cwd=ROOT, capture_output=True,
                                  text=True, check=False, env={**os.environ, "HOME": str(directory), "PATH": f"{BIN}:{os.environ['PATH']}"})
            walls.append(time.monotonic() - began)
            if done.returncode:
                raise SystemExit(f"verify.yml failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        seen, cpu = read(requests), (_cpu_of_children() - cpu) / ROUNDS
    api, watches = of_the_api(seen), sum(one.watch for one in seen)
    each = len(api) / SITES / ROUNDS
    print(f"verify {nodes} nodes {SITES} sites: {statistics.median(walls):.1f} s, {each:.1f} requests a site "
          f"(goal {VERIFY_GOAL:.0f} s, {REQUESTS_GOAL}); wall of ansible-playbook, median of {ROUNDS}, {cpu:.1f} CPU-s; "
          f"one list of each of 5 kinds, {watches} watches; {(len(seen) - len(api)) / nodes / ROUNDS:.1f} questions a model = health + 4 inferences")


class Memory:
    """Resident memory of this process in MiB, sampled once a second in the background."""

    def __init__(self):
        self.samples, self._over = [self._now()], threading.Event()

    def __enter__(self) -> "Memory":
        threading.Thread(target=self._sample, daemon=True).start()
        return self

    def __exit__(self, *_error) -> None:
        self._over.set()
        self.samples.append(self._now())

    def _sample(self) -> None:
        while not self._over.wait(1.0):
            self.samples.append(self._now())

    @staticmethod
    def _now() -> float:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def rollout(nodes: int) -> None:
    """Four waves at zero soak, carried out by the action rollout_step."""
    with simulated(nodes) as (directory, requests):
        controller = Controller(directory)
        plan = controller.plan("2", WAVES, AT_ONCE)
        controller.begin(plan, directory / "ledger")
        cpu, began = time.process_time(), time.monotonic()
        with Memory() as memory, contextlib.redirect_stdout(io.StringIO()):
            result = controller.carry_out(plan, directory / "ledger", LONGEST_SECONDS)
        wall, cpu = time.monotonic() - began, time.process_time() - cpu
        seen = read(requests)
        before = _cpu_of_children()
    simulator = _cpu_of_children() - before
    if result["status"] != "done":
        raise SystemExit(f"the rollout over {nodes} simulated nodes ended wrong: {result}")
    rounds = rounds_of(plan, AT_ONCE)
    counts_after = max(LOAD_SECONDS, MIN_UPTIME_SECONDS)
    bound = sum(rounds) * (STOP_SECONDS + counts_after)
    api = of_the_api(seen)
    changes = sum(one.method == "PATCH" for one in api)
    samples = memory.samples
    print(f"rollout {nodes} targets {SITES} sites over HTTP, soak 0: {wall:.0f} s; bound = rounds {'+'.join(map(str, rounds))} x "
          f"({STOP_SECONDS} s to stop + {counts_after} s until a container counts) = {bound:.0f} s, "
          f"overhead {wall - bound:.0f} s; CPU: controller {cpu:.0f} s, simulated sites {simulator:.0f} s, which have one core for all of them")
    kinds = len(HEALTH_KINDS)
    print(f"  {(len(api) - changes) / SITES:.1f} requests a site = {kinds} lists + {kinds} watches for each {WATCH_SECONDS} s "
          f"(here {kinds * (1 + -(-int(wall) // WATCH_SECONDS))}); {changes / nodes:.1f} changes a target (goal {CHANGES}); "
          f"{(len(seen) - len(api)) / nodes:.1f} questions a target (goal {QUESTIONS})")
    print(f"  memory of the controller: {samples[0]:.0f} MiB at the beginning, {samples[len(samples) // 2]:.0f} in the middle, "
          f"{samples[-1]:.0f} at the end")
    print("  by kind: " + ", ".join(f"{kind} {number}" for kind, number in sorted(counts(seen).items())))
    if {one.status for one in seen} != {200}:
        print(f"  answers: {dict(Counter(one.status for one in seen))}")


def _cpu_of_children() -> float:
    """CPU seconds of child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def print_figures() -> None:
    verify(200)
    for nodes in (200, 1000):
        rollout(nodes)


if __name__ == "__main__":
    print_figures()
