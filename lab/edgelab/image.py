"""The host image: a small Debian with systemd and SSH, built once by debootstrap and kept by Podman."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from edgelab import apt, locks, paths, podman
from edgelab.errors import LabError
from edgelab.process import run
from edgelab.progress import step

SUITE = "bookworm"
REPOSITORY = "localhost/edgeai-lab-host"
_LABEL = "edgeai.lab.image=host"
PACKAGES = (
    "systemd systemd-sysv dbus python3 openssh-server iproute2 iputils-ping iptables nftables conntrack kmod procps "
    "curl sqlite3 openssl ca-certificates zstd python3-grpcio"
).split()

# Files of the image, by path. They make a container boot quietly and quickly; nothing here prepares for K3s.
FILES = {
    "etc/systemd/system/edgelab-host-keys.service": """\
[Unit]
Description=SSH host keys of this host, made at its first boot
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
""",
    "etc/ssh/sshd_config.d/edgelab.conf": """\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
MaxStartups 100:30:200
""",
    # A cut link stays cut over a reboot; `lab cut` writes the rules, see faults.py.
    "etc/systemd/system/edgelab-link.service": """\
[Unit]
Description=The link of this host as the lab left it
ConditionPathExists=/etc/edgeai-lab/link.nft
DefaultDependencies=no
Before=network-pre.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/edgeai-lab/link.nft

[Install]
WantedBy=sysinit.target
""",
    # GPU hardware that is not there, see hardware.py; before anything that could look for it.
    "etc/systemd/system/edgelab-hardware.service": """\
[Unit]
Description=Simulated hardware of this host
ConditionPathExists=/etc/edgeai-lab/hardware/KIND
DefaultDependencies=no
After=local-fs.target systemd-tmpfiles-setup-dev.service
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/python3 /etc/edgeai-lab/hardware/simulate.py boot

[Install]
WantedBy=sysinit.target
""",
    # What containerd needs of NVIDIA's runtime in a host that is a container, see prepare.sh; there while the runtime is.
    "etc/systemd/system/edgelab-nvidia.path": """\
[Unit]
Description=Watch for the NVIDIA runtime

[Path]
PathChanged=/usr/bin/nvidia-container-runtime

[Install]
WantedBy=multi-user.target
""",
    "etc/systemd/system/edgelab-nvidia.service": """\
[Unit]
Description=Settings of the NVIDIA runtime in this container
Before=k3s.service k3s-agent.service

[Service]
Type=oneshot
ExecStart=/bin/sh -ec 'into=/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.d/20-edgelab-nvidia.toml; \\
if [ -x /usr/bin/nvidia-container-runtime ]; then cp /etc/edgeai-lab/nvidia.toml $into; else rm -f $into; fi'

[Install]
WantedBy=multi-user.target
""",
    # The kernel log belongs to the whole machine, not to this host.
    "etc/systemd/journald.conf.d/edgelab.conf": "[Journal]\nReadKMsg=no\nStorage=persistent\nSystemMaxUse=64M\n",
    "etc/dpkg/dpkg.cfg.d/edgelab": """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/lintian/*
""",
}
MASKED = (
    "getty.target console-getty.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer "
    "e2scrub_reap.service fstrim.timer systemd-firstboot.service sys-kernel-config.mount sys-kernel-debug.mount "
    "sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount proc-sys-fs-binfmt_misc.automount "
    "systemd-journald-audit.socket"
).split()
ENABLED = (
    "ssh.service",
    "edgelab-host-keys.service",
    "edgelab-link.service",
    "edgelab-hardware.service",
    "edgelab-nvidia.path",
    "edgelab-nvidia.service",
)
REMOVED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log/bootstrap.log",
    "var/log/dpkg.log",
    "var/log/apt",
    "etc/ssh/ssh_host_*",
    "debootstrap",
    "etc/hostname",
    "etc/resolv.conf",
    "var/lib/dbus/machine-id",  # made at installation: systemd would give this identity to every host
)
_APT_OPTIONS = ('Acquire::Languages "none";', 'APT::Install-Recommends "false";')
# Arguments: 1 root, 2 folder that keeps the downloaded packages, 3… packages.
_INSTALL = """
root=$1; mount -t proc proc "$root/proc"; mount --bind "$2" "$root/var/cache/apt/archives"; shift 2
chroot "$root" apt-get -qq update
chroot "$root" apt-get -qq -y -o APT::Keep-Downloaded-Packages=true -o Dpkg::Use-Pty=0 install "$@"
"""


def tag(source: apt.Apt) -> str:
    """Name of the image; the tag changes whenever the recipe does."""
    recipe = repr((SUITE, PACKAGES, FILES, MASKED, ENABLED, REMOVED, _APT_OPTIONS, source))
    return f"{REPOSITORY}:{SUITE}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def ensure() -> str:
    """Return the image's name, building it first where Podman does not have it."""
    source = apt.of_this_machine(SUITE)
    name = tag(source)
    with locks.exclusive(paths.STATE / "image.lock", "builds the host image"), step("host image") as line:
        cached = podman.call("image", "exists", name, check=False).returncode == 0
        line.note = f"{name.removeprefix('localhost/')} ({'cached' if cached else 'built by debootstrap'})"
        if not cached:
            _build(name, source)
    return name


def remove() -> str:
    """Remove every version of the host image that no host uses; says what became of them."""
    found = podman.call("images", "--all", "--quiet", "--no-trunc", "--filter", f"label={_LABEL}").stdout.split()
    kept = [image for image in found if podman.call("rmi", image, check=False).returncode]
    return f"{len(found) - len(kept)} removed" + (f", {len(kept)} in use by other hosts" if kept else "")


def _build(name: str, source: apt.Apt) -> None:
    archives = paths.CACHE / "host-debs"
    archives.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edgelab-host-", dir=paths.STATE) as scratch:
        root = Path(scratch) / "root"
        _write(root, "etc/dpkg/dpkg.cfg.d/edgelab")
        _debootstrap(root, source, archives)
        for path in FILES:
            _write(root, path)
        _install(root, source, archives)
        _settle(root)
        _import(root, name)


def _write(root: Path, path: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(FILES[path])


def _debootstrap(root: Path, source: apt.Apt, archives: Path) -> None:
    """The bare minimum only: debootstrap takes a minute to sort out what apt installs in seconds."""
    env = dict(os.environ, LC_ALL="C")
    if source.proxy:
        env.update(http_proxy=source.proxy, https_proxy=source.proxy)
    done = run(
        ["debootstrap", "--variant=minbase", f"--cache-dir={archives}", SUITE, root, source.mirror],
        env=env,
        timeout=900,
        check=False,
    )
    if done.returncode:
        log = root / "debootstrap/debootstrap.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.is_file() else ""
        raise LabError(
            f"debootstrap of {SUITE} from {source.mirror} failed:\n{done.stdout[-1500:]}{done.stderr[-500:]}\n{tail}"
        )


def _install(root: Path, source: apt.Apt, archives: Path) -> None:
    """Install PACKAGES with the new system's own apt, in a mount namespace that takes its mounts with it."""
    (root / "etc/apt/sources.list").write_text(source.sources(SUITE))
    (root / "etc/apt/apt.conf.d/90edgelab").write_text(
        "".join(f"{option}\n" for option in (*source.options, *_APT_OPTIONS))
    )
    forbid = root / "usr/sbin/policy-rc.d"
    forbid.write_text("#!/bin/sh\nexit 101\n")
    forbid.chmod(0o755)
    (root / "etc/ssh").mkdir(exist_ok=True)
    for kind in ("rsa", "ecdsa", "ed25519"):  # or the package makes keys that no host may share
        (root / f"etc/ssh/ssh_host_{kind}_key").touch()
    run(
        ["unshare", "--mount", "sh", "-ec", _INSTALL, "sh", root, archives, *PACKAGES],
        timeout=900,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
    )
    forbid.unlink()


def _settle(root: Path) -> None:
    """What has no file content: units enabled and masked, an empty machine-id, and no rubbish."""
    units = root / "etc/systemd/system"
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    run(["systemctl", f"--root={root}", "enable", *ENABLED])
    run(["systemctl", f"--root={root}", "set-default", "multi-user.target"])
    (root / "etc/machine-id").write_text("")  # every host writes its own at its first boot
    for pattern in REMOVED:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for kept in ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "root/.ssh"):
        (root / kept).mkdir(parents=True, exist_ok=True)
    (root / "root/.ssh").chmod(0o700)


def _import(root: Path, name: str) -> None:
    with subprocess.Popen(["tar", "--numeric-owner", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
        done = subprocess.run(
            [
                *podman.PODMAN,
                "import",
                "--change",
                'CMD ["/sbin/init"]',
                "--change",
                "STOPSIGNAL=RTMIN+3",
                "--change",
                f"LABEL {_LABEL}",
                "-",
                name,
            ],
            stdin=tar.stdout,
            capture_output=True,
            text=True,
        )
    if tar.returncode or done.returncode:
        raise LabError(f"podman import of the host image failed: {done.stderr.strip()[-1000:]}")
