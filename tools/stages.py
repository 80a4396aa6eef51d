"""Runs named commands, one line each with its duration, and what a failed one printed."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "logs"
DEADLINE = 2100  # seconds; a stage that needs more hangs
# It starts ansible-playbook for each playbook and role: without an inventory, so without the plugins for one.
LINT = "env ANSIBLE_INVENTORY_ENABLED=host_list ansible-lint --offline --profile production --nocolor -q".split()
# What begins the lines that say why, in the output of pytest, Ansible and these stages; colours and frames come before it.
DECISIVE = re.compile(r"(?:E   |FAILED |ERROR |fatal: |killed: )")
DECORATION = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Stage:
    name: str
    command: list[str]
    # A stage that finds nothing to do has failed: say so instead of passing.
    missing: str = ""


@dataclass(frozen=True)
class Result:
    name: str
    seconds: float
    code: int
    output: str

    @property
    def passed(self) -> bool:
        return self.code == 0


def environment() -> dict[str, str]:
    """The tools of .venv, this checkout as the collection, no colours in logs, nothing compiled into the checkout."""
    return {
        **os.environ,
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "dev"),
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(stage: Stage, deadline: float = DEADLINE) -> Result:
    """Run one stage to its end or its deadline; all that it printed is also in build/logs."""
    started = time.monotonic()
    if stage.missing:
        code, output = 1, stage.missing
    else:
        code, output = _run(stage.command, deadline)
    result = Result(stage.name, time.monotonic() - started, code, output)
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / f"{stage.name.replace(':', '-')}.log").write_text(output, encoding="utf-8")
    return result


def _run(command: list[str], deadline: float) -> tuple[int, str]:
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _none = process.communicate(timeout=deadline)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _none = process.communicate()
        return 124, f"{output}\nkilled: not done after {deadline:.0f} s\n"
    except BaseException:  # Ctrl-C must not leave children behind
        os.killpg(process.pid, signal.SIGTERM)
        raise


def run_all(stages: list[Stage], workers: int = 1) -> list[Result]:
    """Run the stages, `workers` at a time in the order given, and print a line for each as it ends."""
    printing = threading.Lock()

    def run_and_print(stage: Stage) -> Result:
        result = run(stage)
        with printing:
            print(f"  {'ok    ' if result.passed else 'FAILED'} {result.seconds:6.1f} s  {result.name}", flush=True)
            if not result.passed:
                print(_indented(result.output), flush=True)
        return result

    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(run_and_print, stages))


def _indented(output: str) -> str:
    lines = output.rstrip().splitlines() or ["(no output)"]
    return "\n".join(f"         | {line}" for line in lines)


def choose(stages: list[Stage], description: str) -> list[Stage]:
    """The stages that --only and --skip leave; a name covers 'name' and 'name:anything'."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--only", default="", help="comma-separated names of stages to run")
    parser.add_argument("--skip", default="", help="comma-separated names of stages to leave out")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    options = parser.parse_args()
    only, skip = ({name for name in text.split(",") if name} for text in (options.only, options.skip))
    names = {part for stage in stages for part in (stage.name, stage.name.partition(":")[0])}
    if unknown := (only | skip) - names:
        parser.error(f"no such stage: {', '.join(sorted(unknown))}; there are {', '.join(stage.name for stage in stages)}")
    if options.list:
        print("\n".join(stage.name for stage in stages))
        sys.exit(0)

    def named(stage: Stage, chosen: set[str]) -> bool:
        return stage.name in chosen or stage.name.partition(":")[0] in chosen

    return [stage for stage in stages if (not only or named(stage, only)) and not named(stage, skip)]


def reasons(output: str, most: int = 8, width: int = 240) -> list[str]:
    """The last `most` lines of an output that say why it failed, each cut to `width` characters; without any, its last line."""
    plain = [DECORATION.sub("", line).strip(" │\t") for line in output.splitlines()]
    said = [line for line in plain if DECISIVE.match(line)] or [line for line in plain if line][-1:]
    return [line[:width] for line in said[-most:]]


def conclude(results: list[Result], started: float) -> int:
    """Why each stage failed once more, for those who see only the end; the last line, and the exit code."""
    failed = [result for result in results if not result.passed]
    seconds = time.monotonic() - started
    for result in failed:
        print("\n".join([f"{result.name}:", *(f"  {line}" for line in reasons(result.output))]))
    if failed or not results:
        print(f"FAILED after {seconds:.0f} s: {', '.join(result.name for result in failed) or 'no stage was run'}")
        return 1
    print(f"ok: {len(results)} stages in {seconds:.0f} s")
    return 0
