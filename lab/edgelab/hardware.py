"""Simulated hardware: puts `lab/gpu/simulate.py` into the hosts that fleet.yml gives a GPU, and takes it out of others.

The host does the rest by itself, at every boot too (edgelab-hardware.service of the host image).
"""

from edgelab import paths, podman
from edgelab.errors import LabError

KINDS = ("dgpu", "tegra")
# What `lab fault HOST gpu` accepts; simulate.py of the host knows what each does.
WORDS = {
    "present": "as it should be",
    "absent": "the hardware is gone, the driver's packages are still there",
    "driver-absent": "no driver is installed",
    "driver-mismatch": "the driver was upgraded and the old one is still loaded; a reboot mends it",
    "nouveau": "nouveau is loaded and no NVIDIA driver is there (dgpu)",
    "secure-boot": "Secure Boot refuses the driver's module (dgpu)",
    "stale-cdi": "an old driver's /etc/cdi/nvidia.yaml is still there",
    "csv-missing": "libcuda is not where drivers.csv says (tegra)",
}
_PROGRAM = paths.LAB / "gpu" / "simulate.py"
_HOME = "/etc/edgeai-lab/hardware"
# Arguments: 1 kind. Prints what was done.
_INSTALL = """
set -eu
umask 022
mkdir -p {home}
cat > {home}/simulate.py.new <<'END-OF-PROGRAM'
{program}
END-OF-PROGRAM
cmp -s {home}/simulate.py.new {home}/simulate.py || touch {home}/changed
mv {home}/simulate.py.new {home}/simulate.py
[ "$(cat {home}/KIND 2>/dev/null)" = "$1" ] || {{ echo "$1" > {home}/KIND; touch {home}/changed; }}
if [ -e {home}/changed ] || ! [ -e /run/edgelab-hardware/loaded ]; then
    python3 {home}/simulate.py apply
    rm -f {home}/changed
fi
"""
_REMOVE = """
[ -e {home}/KIND ] || exit 0
python3 {home}/simulate.py remove && rm -rf {home}
"""
_APPLY = """
[ -e {home}/KIND ] || exit 0
python3 {home}/simulate.py apply
"""


def ensure(container: str, gpu: str) -> str:
    """Give the running host the hardware that fleet.yml says; returns a word for the progress line."""
    if gpu in KINDS:
        podman.execute(container, _INSTALL.format(home=_HOME, program=_PROGRAM.read_text(encoding="utf-8")), gpu)
        return f", simulated {gpu}"
    podman.execute(container, _REMOVE.format(home=_HOME))
    return ""


def apply(container: str) -> None:
    """Make the hardware what faults.json of the host asks for. Hosts without any are left alone."""
    podman.execute(container, _APPLY.format(home=_HOME))


def require(container: str, name: str) -> None:
    """Raise LabError where the host has no simulated hardware."""
    if podman.execute(container, f"test -e {_HOME}/KIND", check=False).returncode:
        raise LabError(f"{name} has no GPU to break: its node in fleet.yml needs gpu: {' or gpu: '.join(KINDS)}")
