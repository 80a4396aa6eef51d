"""The command line of k3s."""

from __future__ import annotations

import os
import signal
import sys
import threading

from standin_common import log
from . import build_info

_HELP = """NAME:
   k3s - Kubernetes, but small and simple (laboratory stand-in)

USAGE:
   k3s [global options] command [command options]

COMMANDS:
   server           Run management server
   agent            Run node agent
   kubectl          Run kubectl
   crictl           Run crictl
   ctr              Run ctr
   check-config     Run config check
   token            Manage tokens
   etcd-snapshot    Manage etcd snapshots
   secrets-encrypt  Control secrets encryption and keys rotation
   certificate      Manage K3s certificates
   completion       Install shell completion script
   help, h          Shows a list of commands or help for one command
"""


def main():
    program, words = os.path.basename(sys.argv[0]), sys.argv[1:]
    if program in ("kubectl", "ctr", "crictl"):
        words = [program, *words]
    if not words or words[0] in ("help", "h", "--help", "-h"):
        print(_HELP)
        sys.exit(0)
    command, rest = words[0], words[1:]
    if command in ("--version", "-v"):
        print(f"k3s version {build_info.version()} ({build_info.COMMIT})")
        print(f"go version {build_info.GO_VERSION}")
        sys.exit(0)
    run = _COMMANDS.get(command)
    if run is None:
        print(f"No help topic for '{command}'")
        sys.exit(3)
    try:
        sys.exit(run(rest))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


def _node(role, words):
    from . import config, faults, staging
    if words[:1] in (["--help"], ["-h"]):
        _usage(role, sys.stdout)
        return 0
    try:
        data_dir = config.settings_for_data_dir(words)
        staging.run_from_data_dir(data_dir, role)
        settings = config.settings_for(role, words)
    except config.UsageError as problem:
        print(f"Incorrect Usage: {problem}\n", file=sys.stderr)
        _usage(role, sys.stderr)
        log.fatal(f"Error: {problem}")
    except config.ConfigError as problem:
        log.fatal(str(problem))
    delay = faults.Faults().number("start-delay")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    stop.wait(delay)
    if role == "server":
        from . import server
        server.run(settings, stop)
    else:
        from . import agent
        agent.run(settings, stop)
    return 0


def _usage(role, stream):
    from . import flags
    what = "Run management server" if role == "server" else "Run node agent"
    print(f"NAME:\n   k3s {role} - {what}\n\nUSAGE:\n   k3s {role} [OPTIONS]\n\nCOMMANDS:\n   help, h  Shows a list of "
          "commands or help for one command\n\nOPTIONS:", file=stream)
    for flag in (flags.SERVER if role == "server" else flags.AGENT).values():
        if flag.name.startswith("lab-"):
            continue
        value = "" if flag.kind == "B" else " value"
        repeated = f" [ --{flag.name} value ]" if flag.kind == "L" else ""
        environment = f" [${flag.environment}]" if flag.environment else ""
        print(f"   --{flag.name}{value}{repeated}{environment}", file=stream)
    print("   --help, -h  show help", file=stream, flush=True)


def _crictl(_words):
    print("crictl is not in this build", file=sys.stderr)
    return 1


def _lazy(module, function="main"):
    def run(words):
        import importlib
        return getattr(importlib.import_module(f"k3s_standin.{module}"), function)(words)
    return run


_COMMANDS = {
    "server": lambda words: _node("server", words),
    "agent": lambda words: _node("agent", words),
    "kubectl": _lazy("kubectl"),
    "ctr": _lazy("ctr"),
    "crictl": _crictl,
    "token": _lazy("admin", "token"),
    "etcd-snapshot": _lazy("admin", "etcd_snapshot"),
    "secrets-encrypt": _lazy("admin", "secrets_encrypt"),
    "certificate": _lazy("admin", "certificate"),
    "check-config": _lazy("admin", "check_config"),
    "completion": lambda words: 0,
}
