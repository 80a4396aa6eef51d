"""Breaking a host on purpose, and mending it again.

Faults are applied through Podman, not over the network, so that a host whose link is cut can be healed. A fault that
only an engine can have (an API that answers 429, a step that is killed) is a key in FAULTS_FILE on the host, which the
stand-in engine reads; a real engine ignores it.
"""

import json
import re
from dataclasses import dataclass

from edgelab import hardware, hosts, podman
from edgelab.errors import LabError
from edgelab.progress import say

FAULTS_FILE = "/etc/edgeai-lab/faults.json"

# Both directions of the outside link, before anything else sees the packet. Loopback and pods on this host go on.
_CUT = """
set -eu
cat > /etc/edgeai-lab/link.nft <<'RULES'
table inet edgelab
delete table inet edgelab
table inet edgelab {
  chain in { type filter hook prerouting priority -400; iifname "eth0" drop; }
  chain out { type filter hook postrouting priority 400; oifname "eth0" drop; }
}
RULES
nft -f /etc/edgeai-lab/link.nft
"""
_HEAL = """
rm -f /etc/edgeai-lab/link.nft
nft delete table inet edgelab 2>/dev/null || true
"""
# A size-limited layer over a directory: what is there stays readable, what is written lands on the small layer.
_DISK_FULL = """
set -eu
path=$1 free=$2 layer=/run/edgelab-disk/$(echo "$1" | tr / _)
mkdir -p "$path" "$layer"
mount -t tmpfs -o "size=${free}m,nr_inodes=10000" edgelab-disk "$layer"
mkdir "$layer/upper" "$layer/work"
mount -t overlay -o "lowerdir=$path,upperdir=$layer/upper,workdir=$layer/work" edgelab-disk "$path"
df -m "$path" | tail -1
"""
_DISK_FREE = """
awk '$1 == "edgelab-disk" {print $3, $2}' /proc/mounts | sort | while read -r kind path; do umount -l "$path"; done
rm -rf /run/edgelab-disk
"""
_PORT_TAKEN = """
exec systemd-run --quiet --collect --unit "edgelab-port-$1" /usr/bin/python3 -c "
import signal, socket
listener = socket.create_server(('', $1))
signal.pause()"
"""
_PORTS_FREE = """
systemctl stop 'edgelab-port-*.service'
"""
_HALF_WRITTEN = """
set -eu
[ -f "$1" ] || { echo "$1 is not a file on this host" >&2; exit 1; }
mkdir -p /etc/edgeai-lab/saved
saved=/etc/edgeai-lab/saved/$(echo "$1" | tr / %)
[ -e "$saved" ] || cp -p "$1" "$saved"
size=$(stat -c %s "$1")
truncate -s $((size / 2)) "$1"
echo "$1: $size bytes, now $((size / 2))"
"""
_FILES_BACK = """
for saved in /etc/edgeai-lab/saved/*; do
    [ -e "$saved" ] || continue
    mv "$saved" "$(basename "$saved" | tr % /)"
done
"""
_WRITE_KEYS = "umask 022; cat > {path}.new <<'KEYS'\n{text}\nKEYS\nmv {path}.new {path}\n"

KINDS = {
    "disk-full": "disk-full [DIRECTORY [FREE_MIB]]: DIRECTORY (default /var/lib/rancher) has FREE_MIB (default 1) left",
    "port-taken": "port-taken PORT: another program listens on a TCP port",
    "half-written": "half-written FILE: cut a file on the host to half its size",
    "gpu": f"gpu WORD: the simulated GPU is {', '.join(hardware.WORDS)}",
    "power-off": "power-off: pull the plug; `lab up` or `power-on` boots the host again",
    "power-on": "power-on: boot a host that was powered off",
    "set": "set KEY VALUE: ask the stand-in engine for a fault, e.g. set api-429 5; VALUE is JSON or a word",
    "show": "show: the faults that are asked of the stand-in engine",
    "clear": "clear: undo every fault of the host except a cut link (that is `lab heal`)",
    "clock-jump": "clock-jump: impossible here, the message says why",
}


@dataclass(frozen=True)
class Request:
    """A fault with checked arguments, all of them strings."""

    kind: str
    arguments: tuple[str, ...] = ()


def parse(kind: str, arguments) -> Request:
    """Check the words after `lab fault HOST`. Raises LabError with the usage, or with what can be done instead."""
    arguments = list(arguments)
    if kind == "clock-jump":
        raise LabError(
            "a host in a container has the clock of the whole machine, so its clock cannot jump alone; "
            "`lab fault HOST set clock-offset SECONDS` makes the stand-in engine see another time"
        )
    if kind == "disk-full":
        directory, free = (*arguments, *("/var/lib/rancher", "1")[len(arguments) :])[:2]
        if (
            len(arguments) <= 2
            and re.fullmatch(r"/[\w./-]+", directory)
            and ".." not in directory
            and _number(free, 1, 100_000)
        ):
            return Request(kind, (directory.rstrip("/"), free))
    elif kind == "port-taken":
        if len(arguments) == 1 and _number(arguments[0], 1, 65535):
            return Request(kind, (arguments[0],))
    elif kind == "half-written":
        if len(arguments) == 1 and re.fullmatch(r"/[\w.+/-]+", arguments[0]):
            return Request(kind, (arguments[0],))
    elif kind == "set":
        if len(arguments) == 2 and re.fullmatch(r"[a-z0-9][a-z0-9-]*", arguments[0]):
            return Request(kind, tuple(arguments))
    elif kind == "gpu":
        if len(arguments) == 1 and arguments[0] in hardware.WORDS:
            return Request(kind, (arguments[0],))
    elif kind in ("clear", "show", "power-off", "power-on"):
        if not arguments:
            return Request(kind)
    if kind not in KINDS:
        raise LabError(f"unknown fault {kind}. There are:\n  " + "\n  ".join(KINDS.values()))
    raise LabError(f"usage: lab fault HOST {KINDS[kind]}")


def value(word: str):
    """JSON where the word is JSON (5, true, "x", [1]), else the word itself."""
    try:
        return json.loads(word)
    except ValueError:
        return word


def cut(name: str) -> None:
    """Drop everything that enters or leaves the host by its network, also after a reboot."""
    podman.execute(hosts.find(name).id, _CUT)
    say(f"  {name}: link cut, also over a reboot; `lab heal {name}` mends it")


def heal(name: str) -> None:
    """Mend a cut link."""
    podman.execute(hosts.find(name).id, _HEAL)
    say(f"  {name}: link healed")


def apply(name: str, request: Request) -> None:
    """Do to the host what was asked, and print what changed."""
    container = hosts.find(name)
    scripts = {"disk-full": _DISK_FULL, "port-taken": _PORT_TAKEN, "half-written": _HALF_WRITTEN}
    if request.kind in scripts:
        done = podman.execute(container.id, scripts[request.kind], *request.arguments)
        say(f"  {name}: {request.kind} {' '.join(request.arguments)} {done.stdout.strip()}")
    elif request.kind == "power-off":
        podman.call("kill", "--signal", "KILL", container.id)
        say(f"  {name}: powered off")
    elif request.kind == "power-on":
        hosts.power_on(name)
    elif request.kind == "show":
        say(json.dumps(_keys(container.id), indent=2, sort_keys=True))
    elif request.kind == "set":
        key, word = request.arguments
        _write(container.id, {**_keys(container.id), key: value(word)})
        say(f"  {name}: {FAULTS_FILE} has {key} = {json.dumps(value(word))}")
    elif request.kind == "gpu":
        _break_gpu(container.id, name, request.arguments[0])
    elif request.kind == "clear":
        podman.execute(container.id, _DISK_FREE + _PORTS_FREE + _FILES_BACK)
        _write(container.id, {})
        hardware.apply(container.id)
        say(f"  {name}: faults cleared")


def _break_gpu(container: str, name: str, word: str) -> None:
    """The word stays in the faults file, so that the host looks the same after a reboot."""
    hardware.require(container, name)
    keys = {key: kept for key, kept in _keys(container).items() if key != "gpu"}
    _write(container, keys if word == "present" else {**keys, "gpu": word})
    hardware.apply(container)
    say(f"  {name}: gpu {word}: {hardware.WORDS[word]}")


def _number(word: str, low: int, high: int) -> bool:
    return word.isascii() and word.isdigit() and low <= int(word) <= high


def _keys(container: str) -> dict:
    text = podman.execute(container, f"cat {FAULTS_FILE} 2>/dev/null || echo '{{}}'").stdout
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise LabError(f"{FAULTS_FILE} on the host is not a JSON object; `lab fault HOST clear` writes it anew")
    return found


def _write(container: str, keys: dict) -> None:
    podman.execute(container, _WRITE_KEYS.format(path=FAULTS_FILE, text=json.dumps(keys, sort_keys=True)))
