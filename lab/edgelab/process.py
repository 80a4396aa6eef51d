"""Running other programs: one function, so that a failure always shows the command and what it said."""

import shlex
import subprocess

from edgelab.errors import LabError


def run(argv, *, input=None, timeout=120, check=True, env=None, cwd=None):
    """Run `argv`, return the CompletedProcess with text output.

    Raises LabError when the program is missing, takes longer than `timeout` seconds, or (with `check`) fails.
    """
    argv = [str(part) for part in argv]
    try:
        done = subprocess.run(
            argv,
            input=input,
            timeout=timeout,
            env=env,
            cwd=cwd,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL if input is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed; `lab doctor` says what to do") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"no end after {timeout:.0f} s: {shlex.join(argv)}") from None
    if check and done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LabError(f"exit code {done.returncode}: {shlex.join(argv)[:600]}\n{said}")
    return done
