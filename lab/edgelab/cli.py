"""Commands of the lab."""

import argparse
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgelab import doctor, engine, faults, fleet, hosts, image, mirror, mirror_server, network, paths, ssh, status
from edgelab.errors import LabError
from edgelab.progress import complain, say, step


def main(argv) -> int:
    """Run one command; returns the exit code: 0, 1 for a failure that was explained, 2 for wrong usage."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.command(arguments) or 0
    except LabError as error:
        complain(f"lab: {error}")
        return 1
    except KeyboardInterrupt:
        complain("lab: interrupted; the same command again goes on from here")
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line, with one function per command."""
    top = argparse.ArgumentParser(prog="lab", description="Edge hosts, a release mirror and faults on one machine.")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name, function, text, *options):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=function)
        for flags, settings in options:
            command.add_argument(*flags, **settings)

    inventory = (["inventory"], {"metavar": "INVENTORY_DIR", "help": "directory with a fleet.yml"})
    host = (["host"], {"metavar": "HOST", "help": "name of a host, or NETWORK/HOST where two labs use the name"})
    add(
        "up",
        up,
        "start what the inventory describes, or repair it",
        inventory,
        (
            ["--disposable"],
            {"action": "store_true", "help": "take the place of another disposable lab with the same name or addresses"},
        ),
    )
    add(
        "down",
        down,
        "remove the lab of an inventory and nothing else",
        inventory,
        (["--images"], {"action": "store_true", "help": "remove the host image too"}),
    )
    add("status", lambda _: say("\n".join(status.lines())), "show every lab on this machine")
    add(
        "ssh",
        ssh_command,
        "log in to a host as root, or run a command there",
        host,
        (["remote"], {"nargs": argparse.REMAINDER, "metavar": "CMD"}),
    )
    add(
        "console",
        console,
        "run a command in a host without its network, as at its keyboard: also while its link is cut",
        host,
        (["remote"], {"nargs": argparse.REMAINDER, "metavar": "CMD"}),
    )
    add("reboot", reboot, "reboot a host", host)
    add("cut", lambda found: faults.cut(found.host), "cut a host's link: nothing enters or leaves it", host)
    add("heal", lambda found: faults.heal(found.host), "mend a cut link", host)
    add(
        "fault",
        fault,
        "break a host on purpose; see the names with `lab fault HOST help`",
        host,
        (["name"], {"metavar": "NAME"}),
        (["words"], {"nargs": argparse.REMAINDER, "metavar": "ARGS"}),
    )
    add(
        "mirror",
        lambda _: mirror.ensure(force=True),
        "build the release mirror anew (`up` does so when something changed)",
    )
    add(
        "simulate",
        simulate,
        "serve the Kubernetes APIs of many sites with nodes that only pretend, and count what is asked of them",
        (["directory"], {"type": Path, "help": "new directory for kubeconfigs, inventory and the requests that came"}),
        (["--sites"], {"type": int, "default": 12}),
        (["--nodes"], {"type": int, "default": 200, "help": "of all sites together, a model on each (200)"}),
        (["--load"], {"type": float, "default": 2.0, "metavar": "SECONDS", "help": "until a model is ready (2)"}),
    )
    add("fetch", fetch, "download the real K3s release that upstream.yml names")
    add("doctor", lambda _: doctor.report(), "say what this machine lacks, and the command that helps")
    return top


def up(arguments) -> None:
    """`lab up INVENTORY_DIR`."""
    begin = time.monotonic()
    wanted = fleet.load(arguments.inventory)
    say(f"lab {wanted.network}: {len(wanted.hosts)} hosts on {wanted.subnet}")
    doctor.require()
    for other in network.in_the_way(wanted, arguments.disposable):
        with step("displaced") as line:
            line.note = f"{other}, disposable too: {', '.join(_take_down(other)) or 'no host'} removed"
    with step("network") as line:
        line.note = f"{wanted.network} {'created' if network.ensure(wanted, arguments.disposable) else 'there'}"
    with ThreadPoolExecutor(max_workers=2) as pool:  # both take long the first time, on one core each
        host_image, release_mirror = pool.submit(image.ensure), pool.submit(
            mirror.ensure, mirror_server.served(wanted.network)
        )
        name, _ = host_image.result(), release_mirror.result()
    hosts.ensure(wanted, name)
    with step("mirror server") as line:
        started = mirror_server.ensure(wanted.network, wanted.gateway)
        line.note = f"{mirror_server.url(wanted.gateway)} {'started' if started else 'answers'}"
    say(f"  ready in {time.monotonic() - begin:.1f} s. Try: lab/lab ssh {wanted.hosts[0].name}")


def down(arguments) -> None:
    """`lab down INVENTORY_DIR`."""
    wanted = fleet.load(arguments.inventory)
    with step("lab") as line:
        gone = _take_down(wanted.network)
        line.note = f"{wanted.network}: {', '.join(gone) or 'no host'} removed"
    shutil.rmtree(paths.instance(wanted.network), ignore_errors=True)
    if arguments.images:
        with step("images") as line:
            line.note = image.remove()


def _take_down(name: str) -> list[str]:
    """Remove a lab instance whichever checkout started it; returns the names of its hosts."""
    gone = hosts.remove(name)
    mirror_server.stop(name)
    network.remove(name)
    return gone


def ssh_command(arguments) -> None:
    """`lab ssh HOST [CMD…]`: replaces this process, so that exit code, terminal and signals are ssh's."""
    container = hosts.find(arguments.host)
    options = ("-t",) if not arguments.remote and sys.stdin.isatty() else ()
    argv = ssh.command(container.address, *arguments.remote, options=options)
    os.execvp(argv[0], argv)


def console(arguments) -> None:
    """`lab console HOST [CMD…]`: the same without a network; without a command, a shell."""
    container = hosts.find(arguments.host)
    terminal = ("-t",) if not arguments.remote and sys.stdin.isatty() else ()
    argv = ["podman", "exec", "-i", *terminal, container.id, *(arguments.remote or ["sh"])]
    os.execvp(argv[0], argv)


def reboot(arguments) -> None:
    """`lab reboot HOST`."""
    hosts.reboot(arguments.host)


def fault(arguments) -> None:
    """`lab fault HOST NAME [ARGS]`."""
    faults.apply(arguments.host, faults.parse(arguments.name, arguments.words))


def simulate(arguments) -> None:
    """`lab simulate DIRECTORY`."""
    from simulator import command  # it makes the stand-in's data files, which no other command needs

    command.run(arguments.directory, arguments.sites, arguments.nodes, arguments.load)


def fetch(_arguments) -> None:
    """`lab fetch`."""
    say(f"release files are in {engine.fetch()}; the next `lab up` uses them")
