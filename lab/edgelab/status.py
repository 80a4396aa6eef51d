"""`lab status`: what runs, as a table."""

import json
from concurrent.futures import ThreadPoolExecutor

from edgelab import mirror, mirror_server, podman

# One line each: state of systemd, link, bytes of memory of all processes (shared pages counted once), K3s unit and
# state; then faults.json.
_LOOK = """
systemctl is-system-running
[ -e /etc/edgeai-lab/link.nft ] && echo cut || echo up
cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {sum += $2} END {print sum * 1024}'
for unit in k3s k3s-agent; do
    [ ! -e /etc/systemd/system/$unit.service ] || printf '%s %s ' $unit "$(systemctl is-active $unit)"
done
echo
cat /etc/edgeai-lab/faults.json 2>/dev/null
"""
_HEADER = ("HOST", "ADDRESS", "STATE", "LINK", "MEMORY", "ENGINE", "FAULTS")


def lines() -> list[str]:
    """The report, line by line."""
    found = podman.containers()
    if not found:
        return ["no lab is up; start one with: lab/lab up INVENTORY_DIR"]
    with ThreadPoolExecutor(max_workers=len(found)) as pool:
        rows = dict(zip((container.id for container in found), pool.map(_row, found)))
    text = []
    for network in sorted({container.network for container in found}):
        hosts = [container for container in found if container.network == network]
        text += [
            f"{network}   {hosts[0].inventory}",
            f"  {_mirror(network, hosts[0])}",
            *table([_HEADER, *(rows[container.id] for container in hosts)]),
            "",
        ]
    return text[:-1]


def table(rows) -> list[str]:
    """Rows of text as aligned, indented lines."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def parse(host: str, address: str, output: str) -> tuple[str, ...]:
    """One row of the table from what `_LOOK` printed in a host."""
    state, link, memory, engine, faults = (output.split("\n", 4) + [""] * 5)[:5]
    try:
        keys = ", ".join(sorted(json.loads(faults or "{}")))
    except ValueError:
        keys = "unreadable"
    megabytes = f"{int(memory) / 1e6:.0f} MB" if memory.isdigit() else "?"
    return host, address, state or "?", link or "?", megabytes, engine.strip() or "-", keys or "-"


def _row(container: podman.Container) -> tuple[str, ...]:
    if container.state != "running":
        return container.host, container.address, f"off ({container.state})", "-", "-", "-", "-"
    return parse(container.host, container.address, podman.execute(container.id, _LOOK, timeout=20, check=False).stdout)


def _mirror(network: str, host: podman.Container) -> str:
    gateway = host.address.rpartition(".")[0] + ".1"
    if not mirror_server.running(network):
        return "mirror server is not running; `lab up` starts it"
    return f"mirror {mirror_server.url(gateway)} offers {mirror.described(mirror_server.served(network))}"
