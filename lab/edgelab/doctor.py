"""What this machine lacks for the lab: evidence is collected at the edge, the verdicts are a pure function."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgelab import machine, paths
from edgelab.errors import LabError
from edgelab.progress import say

_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_WANTED = 1024
DISK_GIB_WANTED = 5
MEMORY_GIB_WANTED = 2
# Program -> the Debian package that brings it.
PROGRAMS = {
    "podman": "podman",
    "runc": "runc",
    "debootstrap": "debootstrap",
    "openssl": "openssl",
    "zstd": "zstd",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "tar": "tar",
    "systemctl": "systemd",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "netavark": "netavark",
    "iptables": "iptables",
}
_ELSEWHERE = {"netavark": ("/usr/lib/podman", "/usr/libexec/podman")}


@dataclass(frozen=True)
class Evidence:
    """What was found on the machine."""

    root: bool
    system: str
    programs: frozenset
    cgroup: str
    overlay: bool
    inotify: int
    disk_gib: float
    memory_gib: float
    keyring: bool = True


@dataclass(frozen=True)
class Verdict:
    """One line of the doctor's report; `remedy` is a command to run wherever one exists."""

    check: str
    verdict: str
    found: str
    wanted: str = ""
    remedy: str = ""


def judge(seen: Evidence) -> list[Verdict]:
    """Verdicts on the evidence: `fail` stops the lab, `warn` does not."""
    missing = [program for program in PROGRAMS if program not in seen.programs]
    if seen.cgroup == "v2":
        missing = [program for program in missing if program != "runc"]
    packages = " ".join(sorted({PROGRAMS[program] for program in missing}))
    low_disk = seen.disk_gib < DISK_GIB_WANTED
    low_memory = seen.memory_gib < MEMORY_GIB_WANTED
    return [
        _verdict(
            "root",
            seen.root,
            "root" if seen.root else "an ordinary user",
            "root: the hosts are privileged containers",
            "run the same command with sudo, or as root",
        ),
        _verdict(
            "system",
            seen.system in ("debian", "ubuntu"),
            seen.system or "unknown",
            "Debian or a relative (apt, debootstrap)",
            "use a Debian 12 machine or virtual machine",
        ),
        _verdict(
            "programs",
            not missing,
            f"missing: {', '.join(missing)}" if missing else "all there",
            "all of the lab's programs",
            f"apt-get install -y {packages}",
        ),
        _verdict(
            "archive keys",
            seen.keyring,
            "there" if seen.keyring else "missing",
            "Debian's archive keys for debootstrap",
            "apt-get install -y debian-archive-keyring",
        ),
        _verdict(
            "cgroups",
            seen.cgroup in ("v1", "v2"),
            seen.cgroup or "not mounted",
            "cgroup v2, or v1 with its controllers",
            "mount the cgroup file system: apt-get install -y cgroupfs-mount && cgroupfs-mount",
        ),
        _verdict(
            "overlayfs",
            seen.overlay,
            "in the kernel" if seen.overlay else "missing",
            "overlayfs in the kernel",
            "modprobe overlay",
        ),
        _verdict(
            "inotify",
            seen.inotify >= INOTIFY_WANTED,
            f"{seen.inotify} instances",
            f"{INOTIFY_WANTED} (128 stop the ninth host)",
            f"sysctl -w fs.inotify.max_user_instances={INOTIFY_WANTED}",
            otherwise="warn",
        ),
        _verdict(
            "disk",
            not low_disk,
            f"{seen.disk_gib:.0f} GiB free",
            f"{DISK_GIB_WANTED} GiB for images and hosts",
            "free some space (podman system df shows what Podman keeps)",
            otherwise="fail" if seen.disk_gib < 2 else "warn",
        ),
        _verdict(
            "memory",
            not low_memory,
            f"{seen.memory_gib:.1f} GiB available",
            f"{MEMORY_GIB_WANTED} GiB for three hosts",
            "stop other programs, or use fewer hosts",
            otherwise="warn",
        ),
    ]


def _verdict(check, good, found, wanted, remedy, otherwise="fail"):
    return Verdict(check, "pass", found) if good else Verdict(check, otherwise, found, wanted, remedy)


def collect() -> Evidence:
    """Look at this machine."""
    return Evidence(
        root=os.geteuid() == 0,
        system=_system(),
        programs=frozenset(name for name in PROGRAMS if _installed(name)),
        cgroup=machine.inspect().cgroup if Path("/sys/fs/cgroup").is_dir() and os.listdir("/sys/fs/cgroup") else "",
        overlay="overlay" in Path("/proc/filesystems").read_text().split(),
        inotify=int(_INOTIFY.read_text()),
        disk_gib=shutil.disk_usage(_existing(paths.STATE)).free / 2**30,
        memory_gib=_available_memory(),
        keyring=Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists(),
    )


def require() -> None:
    """Raise LabError when the lab cannot work here; repairs what it may repair itself."""
    seen = collect()
    if seen.root and seen.inotify < INOTIFY_WANTED:
        try:
            _INOTIFY.write_text(str(INOTIFY_WANTED))
            say(f"  raised fs.inotify.max_user_instances from {seen.inotify} to {INOTIFY_WANTED}")
        except OSError:
            pass  # the verdict below says what to run
        seen = collect()
    verdicts = judge(seen)
    for verdict in verdicts:
        if verdict.verdict == "warn":
            say(f"  warning: {sentence(verdict)}")
    failed = [sentence(verdict) for verdict in verdicts if verdict.verdict == "fail"]
    if failed:
        raise LabError("this machine cannot run the lab yet:\n  " + "\n  ".join(failed))


def sentence(verdict: Verdict) -> str:
    """A verdict in one line."""
    return f"{verdict.check}: found {verdict.found}, wanted {verdict.wanted}; do: {verdict.remedy}"


def report() -> int:
    """Print every verdict; returns the exit code: 1 when something is missing."""
    verdicts = judge(collect())
    for verdict in verdicts:
        say(f"{verdict.verdict:<5} {verdict.check:<13} {verdict.found}")
        if verdict.verdict != "pass":
            say(f"      {'':<13} wanted: {verdict.wanted}\n      {'':<13} do:     {verdict.remedy}")
    return int(any(verdict.verdict == "fail" for verdict in verdicts))


def _installed(program: str) -> bool:
    return bool(
        shutil.which(program)
        or shutil.which(program, path="/usr/sbin:/sbin")
        or any(Path(folder, program).exists() for folder in _ELSEWHERE.get(program, ()))
    )


def _system() -> str:
    lines = Path("/etc/os-release").read_text().splitlines() if Path("/etc/os-release").exists() else []
    fields = {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
    family = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
    return next((name for name in family if name in ("debian", "ubuntu")), fields.get("ID", ""))


def _available_memory() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 2**20
    raise LabError("/proc/meminfo has no MemAvailable")


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
