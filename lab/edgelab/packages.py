"""Debian packages of the NVIDIA Container Toolkit: the real names, version, files and dependencies around lab/gpu/toolkit.py.

And of the driver, under the names of Ubuntu's signed packages: they hold nothing but its version, from which
lab/gpu/simulate.py of a host with a simulated card makes what a driver shows.

They exist to be installed, held, half installed and removed by the collection like the real ones; where somebody placed the
real packages (EDGEAI_ARTIFACTS/nvidia), those are offered and these are not built.
"""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from edgelab import paths
from edgelab.process import run

VERSION = "1.20.0-1"
DRIVER_VERSION = "580.95.05-0ubuntu0.24.04.2"
ARCHITECTURES = ("amd64", "arm64")
_PROGRAM = paths.LAB / "gpu" / "toolkit.py"
_UNITS = "lib/systemd/system"
_SERVICE = """\
[Unit]
Description=Refresh NVIDIA CDI specification file (stand-in of the lab)
ConditionPathExists=/usr/bin/nvidia-smi
ConditionPathExists=/usr/bin/nvidia-ctk

[Service]
Type=oneshot
Environment=NVIDIA_CTK_CDI_OUTPUT_FILE_PATH=/var/run/cdi/nvidia.yaml
EnvironmentFile=-/etc/nvidia-container-toolkit/nvidia-cdi-refresh.env
ExecCondition=/bin/sh -c 'test -e /etc/nv_tegra_release || modinfo -n nvidia'
ExecStart=/usr/bin/nvidia-ctk cdi generate

[Install]
WantedBy=multi-user.target
"""
_PATH = """\
[Unit]
Description=Refresh the NVIDIA CDI specification file after changes of driver or toolkit (stand-in of the lab)

[Path]
PathChanged=/etc/ld.so.cache
PathChanged=/usr/bin/nvidia-ctk
Unit=nvidia-cdi-refresh.service

[Install]
WantedBy=multi-user.target
"""
_POSTINST = """\
#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
config=/etc/nvidia-container-runtime/config.toml
[ -e $config ] || /usr/bin/nvidia-ctk --quiet config --in-place
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable --quiet --now nvidia-cdi-refresh.path
    systemctl enable --quiet nvidia-cdi-refresh.service
    systemctl start nvidia-cdi-refresh.service || true
fi
"""
_PRERM = """\
#!/bin/sh
set -e
[ "$1" = remove ] || exit 0
if [ -d /run/systemd/system ]; then
    systemctl disable --quiet --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service || true
fi
"""
_POSTRM = """\
#!/bin/sh
set -e
if [ "$1" = purge ]; then rm -rf /etc/nvidia-container-runtime/config.toml; fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
"""
_SIMULATE = """\
#!/bin/sh
set -e
simulate=/etc/edgeai-lab/hardware/simulate.py
[ ! -e $simulate ] || python3 $simulate apply
"""
_REFUSES = "#!/bin/sh\necho 'this stand-in of the lab has no legacy mode: use cdi, jit-cdi or csv' >&2\nexit 1\n"
_MULTIARCH = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


@dataclass(frozen=True)
class Package:
    """What makes one package: files `{path: (content, mode)}` with {multiarch} in paths, and maintainer scripts."""

    name: str
    depends: str
    files: dict
    scripts: dict = field(default_factory=dict)
    conffiles: tuple = ()
    version: str = VERSION
    of: str = "NVIDIA Container Toolkit"


def toolkit() -> tuple[Package, ...]:
    """The four packages; since 1.18 they want each other in exactly their own version."""
    program = _PROGRAM.read_text(encoding="utf-8")
    exact = f"(= {VERSION})"
    base = {
        **{f"usr/bin/{name}": (program, 0o755) for name in ("nvidia-ctk", "nvidia-container-runtime", "nvidia-cdi-hook")},
        f"{_UNITS}/nvidia-cdi-refresh.service": (_SERVICE, 0o644),
        f"{_UNITS}/nvidia-cdi-refresh.path": (_PATH, 0o644),
        "etc/nvidia-container-toolkit/nvidia-cdi-refresh.env": (
            "# NVIDIA_CTK_CDI_OUTPUT_FILE_PATH=/var/run/cdi/nvidia.yaml\n",
            0o644,
        ),
    }
    return (
        Package(
            "libnvidia-container1", "libc6", {"usr/lib/{multiarch}/libnvidia-container.so.1": ("stand-in\n", 0o644)}
        ),
        Package(
            "libnvidia-container-tools",
            f"libnvidia-container1 {exact}",
            {"usr/bin/nvidia-container-cli": (_REFUSES, 0o755)},
        ),
        Package(
            "nvidia-container-toolkit-base",
            "libc6",
            base,
            {"postinst": _POSTINST, "prerm": _PRERM, "postrm": _POSTRM},
            ("/etc/nvidia-container-toolkit/nvidia-cdi-refresh.env",),
        ),
        Package(
            "nvidia-container-toolkit",
            f"libnvidia-container-tools {exact}, nvidia-container-toolkit-base {exact}",
            {"usr/bin/nvidia-container-runtime-hook": (_REFUSES, 0o755)},
        ),
    )


def driver() -> tuple[Package, ...]:
    """What Ubuntu's packages without DKMS need of each other, around one file with the version."""
    own = {"version": DRIVER_VERSION, "of": "NVIDIA driver"}
    compute, utils, modules = (
        f"{name} (= {DRIVER_VERSION})"
        for name in (
            "libnvidia-compute-580-server",
            "nvidia-utils-580-server",
            "linux-modules-nvidia-580-server-open-generic",
        )
    )
    version = {"usr/share/edgelab-driver/version": (DRIVER_VERSION.partition("-")[0] + "\n", 0o644)}
    return (
        Package(
            "libnvidia-compute-580-server", "libc6", version, {"postinst": _SIMULATE, "postrm": _SIMULATE}, **own
        ),
        Package("nvidia-utils-580-server", compute, {}, **own),
        Package("linux-modules-nvidia-580-server-open-generic", "libc6", {}, **own),
        Package("nvidia-headless-no-dkms-580-server-open", f"{compute}, {utils}, {modules}", {}, **own),
    )


def ensure(folder: Path) -> list[str]:
    """Build the packages into `folder` unless packages were placed there; returns the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.deb")) or any(folder.glob("*.rpm")):
        return []
    built = []
    for package in (*toolkit(), *driver()):
        for architecture in ARCHITECTURES:
            built.append(f"{package.name}_{package.version}_{architecture}.deb")
            build(package, architecture, folder / built[-1])
    return built


def build(package: Package, architecture: str, target: Path) -> None:
    """Write one package: the same bytes for the same content."""
    with tempfile.TemporaryDirectory(prefix="edgelab-deb-") as scratch:
        root = Path(scratch) / "root"
        for path, (content, mode) in package.files.items():
            _write(root / path.format(multiarch=_MULTIARCH[architecture]), content, mode)
        _write(root / "DEBIAN/control", _control(package, architecture, root), 0o644)
        for name, content in package.scripts.items():
            _write(root / "DEBIAN" / name, content, 0o755)
        if package.conffiles:
            _write(root / "DEBIAN/conffiles", "".join(f"{path}\n" for path in package.conffiles), 0o644)
        for path in (root, *root.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
            os.utime(path, (0, 0))
        run(
            ["dpkg-deb", "--root-owner-group", "--uniform-compression", "-Zgzip", "--build", root, target],
            env={"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "0", "LC_ALL": "C"},
        )


def split(name: str) -> tuple[str, str, str]:
    """(package, version, architecture) of a package file's name, deb or rpm."""
    if name.endswith(".deb"):
        package, version, architecture = name.removesuffix(".deb").split("_")
        return package, version, architecture
    rest, _, architecture = name.removesuffix(".rpm").rpartition(".")
    package, version, release = rest.rsplit("-", 2)
    return package, f"{version}-{release}", {"x86_64": "amd64", "aarch64": "arm64"}.get(architecture, architecture)


def _control(package: Package, architecture: str, root: Path) -> str:
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1024 + 1
    return (
        f"Package: {package.name}\nVersion: {package.version}\nArchitecture: {architecture}\nSection: utils\nPriority: optional\n"
        f"Maintainer: the lab of edgeai.sites <lab@edgeai.example>\nInstalled-Size: {size}\nDepends: {package.depends}\n"
        "Description: stand-in of a package of the {package.of}\n"
        " Made by the lab for hosts with simulated GPUs. Never install it on a site.\n"
    )


def _write(path: Path, content: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
