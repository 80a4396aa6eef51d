"""Starting, stopping and reaching the hosts of the lab."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgelab import hardware, machine, paths, podman, ssh
from edgelab.errors import LabError
from edgelab.process import run
from edgelab.progress import step

BOOT_SECONDS = 90
SSH_SECONDS = 10
# Overlayfs does not stack: what K3s and containerd mount overlays on must not lie on the container's own overlay.
# The journal has a volume so that it survives a reboot.
_VOLUMES = ("/var/lib/rancher", "/var/lib/kubelet", "/var/lib/containerd", "/var/log/journal")
_PREPARE = Path(__file__).with_name("prepare.sh")


def ensure(fleet, image: str) -> None:
    """Bring every host of the fleet up, all at once: create what is missing, start what stopped, wait for SSH.

    Raises LabError with the last journal lines of every host that did not come up.
    """
    public_key = ssh.ensure_key()
    present = {found.host: found for found in podman.containers(fleet.network)}
    _remove_strangers(fleet, present)
    with ThreadPoolExecutor(max_workers=len(fleet.hosts)) as pool:
        booted = [pool.submit(_boot, fleet, host, present.get(host.name), image, public_key) for host in fleet.hosts]
    errors = [str(future.exception()) for future in booted if future.exception()]
    if errors:
        raise LabError("\n".join(errors))


def run_arguments(fleet, host, image: str, here: machine.Machine) -> list[str]:
    """What follows `podman` on the command line that starts one host on this machine."""
    argv = []
    if here.cgroup == "v1":
        argv += ["--runtime", "runc"]  # crun does not start systemd on a hybrid machine
    argv += [
        "run",
        "--detach",
        "--name",
        f"{fleet.network}-{host.name}",
        "--hostname",
        host.name,
        "--network",
        fleet.network,
        "--ip",
        host.address,
        "--mac-address",
        mac_address(host.address),
        "--no-hosts",
        "--dns=none",
        "--systemd=always",
        "--privileged",
        "--tmpfs",
        "/run",
        "--tmpfs",
        "/tmp",
        "--stop-timeout",
        "10",
        "--log-opt",
        "max-size=1mb",
    ]
    if here.cgroup == "v1":
        argv += ["--cgroupns=host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    if not here.may_raise_limits:
        argv += [
            "--ulimit",
            f"nofile=1024:{here.nofile}",
            "--ulimit",
            f"nproc={min(4096, here.nproc)}:{min(4096, here.nproc)}",
        ]
    for volume in _VOLUMES:
        argv += ["--volume", volume]
    labels = {
        podman.LABEL: fleet.network,
        podman.LABEL_HOST: host.name,
        podman.LABEL_ADDRESS: host.address,
        podman.LABEL_INVENTORY: fleet.directory,
    }
    for key, value in labels.items():
        argv += ["--label", f"{key}={value}"]
    return [*argv, image]


def mac_address(address: str) -> str:
    """A hardware address that a host keeps over reboots: neighbours would go on talking to the old one for a while."""
    return "02:ed:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def wait(container: str, address: str, public_key: str) -> tuple[str, bool, str]:
    """Wait until a started host has booted; returns (running or degraded, is its link cut, its host key).

    Raises LabError with the evidence when it has not within BOOT_SECONDS.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    resolvers = ",".join(machine.nameservers())
    problem = ""
    while time.monotonic() < deadline:
        try:
            done = podman.execute(
                container,
                _PREPARE.read_text(),
                public_key,
                resolvers,
                address,
                timeout=max(1, deadline - time.monotonic()),
                check=False,
            )
        except LabError as error:
            problem = str(error)
            break
        state, link, key = (done.stdout.strip().split(" ", 2) + [""] * 3)[:3]
        if done.returncode == 0 and state in ("running", "degraded") and key:
            return state, link == "cut", key
        problem = f"state {state or 'unknown'}; {done.stderr.strip()[-300:]}"
        time.sleep(0.2)
    raise LabError(f"{container} did not boot within {BOOT_SECONDS} s: {problem}\n{_evidence(container)}")


def remove(network: str) -> list[str]:
    """Remove the hosts of a lab instance with their disks; returns their names."""
    found = podman.containers(network)
    if found:
        podman.call("rm", "--force", "--volumes", "--time", "0", *(host.id for host in found))
        ssh.remember({host.address: "" for host in found})
    return [host.host for host in found]


def find(name: str) -> podman.Container:
    """The host called `name`, or `<network>/<name>` where two labs run hosts of the same name."""
    network, _, host = name.rpartition("/")
    everything = podman.containers(network)
    found = [container for container in everything if container.host == host]
    if len(found) == 1:
        return found[0]
    if found:
        raise LabError(
            f"{name} exists {len(found)} times: say {' or '.join(f'{one.network}/{one.host}' for one in found)}"
        )
    known = ", ".join(container.host for container in everything) or "none is up"
    raise LabError(f"no lab host is called {name}; known: {known}")


def reboot(name: str) -> None:
    """Reboot a host: all its processes end, its disk stays, and it boots again."""
    container = find(name)
    with step(container.host) as line:
        podman.call("restart", "--time", "10", container.name)
        line.note = f"rebooted, {_up_again(container)}"


def power_on(name: str) -> None:
    """Boot a host that is off."""
    container = find(name)
    with step(container.host) as line:
        podman.call("start", container.name)
        line.note = f"powered on, {_up_again(container)}"


def _up_again(container) -> str:
    state, is_cut, _ = wait(container.name, container.address, ssh.ensure_key())
    if not is_cut:
        _log_in(container.host, container.address)
    return f"{state}{', link cut' if is_cut else ''}"


def _boot(fleet, host, found, image, public_key) -> None:
    """Bring one host up and prove that a login works."""
    with step(host.name) as line:
        if found is None:
            podman.call(*run_arguments(fleet, host, image, machine.inspect()))
            action = "created"
        elif found.state != "running":
            podman.call("start", found.id)
            action = "started"
        else:
            action = "already up"
        state, is_cut, key = wait(f"{fleet.network}-{host.name}", host.address, public_key)
        ssh.remember({host.address: key})
        simulated = hardware.ensure(f"{fleet.network}-{host.name}", host.gpu)
        line.note = (
            f"{host.address:<15} {action}, {state}{', link cut (lab heal mends it)' if is_cut else ', SSH answers'}"
            f"{simulated}"
        )
        if not is_cut:
            _log_in(host.name, host.address)


def _log_in(name: str, address: str) -> None:
    """Prove that a login works with the lab's key and the host key we know."""
    deadline = time.monotonic() + SSH_SECONDS
    while not machine.ssh_answers(address):
        if time.monotonic() > deadline:
            raise LabError(
                f"{name} ({address}) has booted, but nothing speaks SSH at its port 22 after {SSH_SECONDS} s"
            )
        time.sleep(0.1)
    run(ssh.command(address, "true"), timeout=20)


def _remove_strangers(fleet, present) -> None:
    wanted = {host.name: host.address for host in fleet.hosts}
    for name, container in present.items():
        if wanted.get(name) != container.address:
            with step(name) as line:
                line.note = "removed: fleet.yml does not have it (any more) at this address"
                podman.call("rm", "--force", "--volumes", "--time", "0", container.id)
                ssh.remember({container.address: ""})
    for name in [name for name, container in present.items() if wanted.get(name) != container.address]:
        del present[name]


def _evidence(container: str) -> str:
    journal = podman.call("exec", container, "journalctl", "-b", "--no-pager", "-n", "20", check=False, timeout=20)
    if journal.returncode == 0 and journal.stdout.strip():
        return journal.stdout
    logs = podman.call("logs", "--tail", "20", container, check=False, timeout=20)
    return logs.stdout + logs.stderr
