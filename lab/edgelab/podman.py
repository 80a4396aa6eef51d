"""The lab's view of Podman: objects that carry its labels, and nothing else."""

import json
from dataclasses import dataclass

from edgelab.errors import LabError
from edgelab.process import run

# Without this, a line about cgroups of another tool precedes every error on some machines.
PODMAN = ("podman", "--log-level=error")
LABEL = "edgeai.lab"
LABEL_HOST = "edgeai.lab.host"
LABEL_ADDRESS = "edgeai.lab.address"
LABEL_INVENTORY = "edgeai.lab.inventory"
LABEL_DISPOSABLE = "edgeai.lab.disposable"  # another disposable lab may take its place


@dataclass(frozen=True)
class Container:
    """One host as Podman knows it. `state` is running, exited, created …; `network` names the lab instance."""

    id: str
    name: str
    state: str
    image: str
    network: str
    host: str
    address: str
    inventory: str
    created: int


def containers(network: str = "") -> list[Container]:
    """Hosts of one lab instance, or of all of them, by name."""
    chosen = f"{LABEL}={network}" if network else LABEL
    listed = call("ps", "--all", "--filter", f"label={chosen}", "--format", "json").stdout
    return sorted(
        (_container(item) for item in json.loads(listed or "[]")), key=lambda found: (found.network, found.name)
    )


def call(*arguments, **options):
    """Run one Podman command; options are those of `process.run`."""
    return run([*PODMAN, *arguments], **options)


def _container(item) -> Container:
    labels = item["Labels"]
    return Container(
        id=item["Id"],
        name=item["Names"][0],
        state=item["State"],
        image=item["Image"],
        network=labels[LABEL],
        host=labels[LABEL_HOST],
        address=labels[LABEL_ADDRESS],
        inventory=labels[LABEL_INVENTORY],
        created=int(item["Created"]),
    )


def execute(container: str, script: str, *arguments: str, timeout: float = 60, check: bool = True):
    """Run a shell script inside a running host, without its network. The script comes over stdin, never in argv.

    With `check`, raises LabError with what the script said.
    """
    done = call("exec", "-i", container, "sh", "-s", "--", *arguments, input=script, timeout=timeout, check=False)
    if check and done.returncode:
        raise LabError(done.stderr.strip()[-2000:] or f"a script in the host ended with {done.returncode}")
    return done
