"""Machines as small trees on disk: what their kernels, firmwares and packages show of NVIDIA."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.edgeai.sites.plugins.module_utils.gpu.evidence import SECURE_BOOT
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost

X86_LIBRARIES = "/usr/lib/x86_64-linux-gnu"
ARM_LIBRARIES = "/usr/lib/aarch64-linux-gnu"
CSV = "/etc/nvidia-container-runtime/host-files-for-container.d"


class Machine(LocalHost):
    """A tree below a directory, whose programs answer what was recorded (text, or exit code and text) and are counted."""

    def __init__(self, root, files=(), links=(), programs=()):
        super().__init__(str(root), self._answer)
        self.programs, self.asked = dict(programs), []
        for path, content in dict(files).items():
            self.write(path, content)
        for path, target in dict(links).items():
            self.link(path, target)

    def write(self, path, content):
        place = self._place(path)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())

    def link(self, path, target):
        self._place(path).symlink_to(target)

    def remove(self, path):
        self._place(path).unlink()

    def _place(self, path):
        place = Path(self.path(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _answer(self, argv, _timeout):
        self.asked.append(" ".join(argv))
        for start, answer in self.programs.items():
            if " ".join(argv).startswith(start):
                return answer if isinstance(answer, tuple) else (0, answer)
        return (127, f"{argv[0]}: not found")


def pci(slot, device, kind="0x030000", vendor="0x10de"):
    base = f"/sys/bus/pci/devices/{slot}"
    return {f"{base}/vendor": f"{vendor}\n", f"{base}/device": f"{device}\n", f"{base}/class": f"{kind}\n"}


def nvrm(version, module="open", arch="x86_64"):
    """/proc/driver/nvidia/version of both kinds of kernel module."""
    words = f"NVIDIA UNIX Open Kernel Module for {arch}  {version}" if module == "open" else \
        f"NVIDIA UNIX {arch} Kernel Module  {version}"
    return {"/proc/driver/nvidia/version": f"NVRM version: {words}  Release Build  (root@host)\nGCC version:  gcc 12.3.0\n"}


def cached(*paths):
    lines = [f"\t{path.rpartition('/')[2]} (libc6,{'x86-64' if 'x86' in path else 'AArch64'}) => {path}" for path in paths]
    return "%d libs found in cache `/etc/ld.so.cache'\n%s\n" % (len(paths), "\n".join(lines))


def card(root, device, version="580.95.05", module="open", installed=None, userspace=None, kind="0x030000", model=""):
    """An x86 host with one card and its sound function, driver and libraries as given; None means the same version."""
    installed = version if installed is None else installed
    userspace = version if userspace is None else userspace
    files = dict(pci("0000:01:00.0", device, kind), **pci("0000:01:00.1", "0x22bc", "0x040300"))
    files.update(pci("0000:00:02.0", "0x4680", vendor="0x8086"))
    links, programs = {}, {"ldconfig -p": cached()}
    if version:
        files.update(nvrm(version, module))
        files["/proc/modules"] = "nvidia_uvm 1 0 - Live 0x0\nnvidia 9 1 nvidia_uvm, Live 0x0\n"
        files["/dev/nvidia0"] = files["/dev/nvidiactl"] = files["/dev/nvidia-uvm"] = ""
        if model:
            files["/proc/driver/nvidia/gpus/0000:01:00.0/information"] = f"Model: \t\t {model}\nIRQ:   \t\t 130\n"
    if installed:
        programs["modinfo -F version nvidia"] = f"{installed}\n"
        programs["modinfo -F license nvidia"] = "Dual MIT/GPL\n" if module == "open" else "NVIDIA\n"
    if userspace:
        for name in ("libcuda", "libnvidia-ml"):
            files[f"{X86_LIBRARIES}/{name}.so.{userspace}"] = ""
            links[f"{X86_LIBRARIES}/{name}.so.1"] = f"{name}.so.{userspace}"
        programs["ldconfig -p"] = cached(f"{X86_LIBRARIES}/libcuda.so.1", f"{X86_LIBRARIES}/libnvidia-ml.so.1")
    return Machine(root, files, links, programs)


def jetson(root, model, soc, release, library="tegra", tree="/proc/device-tree", extra=()):
    """A Jetson. ``release`` is (R, REVISION) of /etc/nv_tegra_release, ``library`` the directory of libcuda."""
    files = {
        f"{tree}/model": f"{model}\0", f"{tree}/compatible": f"nvidia,p3768-0000+p3767-0005\0nvidia,{soc}\0",
        "/sys/devices/soc0/family": "Tegra\n", "/proc/modules": "nvgpu 2 0 - Live 0x0\n",
        f"{ARM_LIBRARIES}/{library}/libcuda.so.1.1": "",
    }
    if release:
        files["/etc/nv_tegra_release"] = (
            f"# R{release[0]} (release), REVISION: {release[1]}, GCID: 1, BOARD: generic, EABI: aarch64, DATE: Fri Sep 13\n")
    files.update(dict(extra))
    path = f"{ARM_LIBRARIES}/{library}/libcuda.so.1"
    return Machine(root, files, {path: "libcuda.so.1.1"}, {"ldconfig -p": cached(path)})


#: After a machine of a data centre, a small system without /proc/modules, module tree and package tool. Recorded: PCI ids,
#: versions, libraries, device nodes, names in the CDI specification, the words of nvidia-smi and of the kernel log. The UUID
#: and the log's times are made up, and the specification is cut down to what is read.
H200_UUID = "GPU-5d3f7a10-0b7e-4c59-9d5c-2f6b1e8a4c31"
H200_SMI = "00000000:00:06.0, NVIDIA H200, 37, 0x0000000000000000, 0, 0\n"
H200_LOG = (
    "[    3.412201] kernel: NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (nixbld@)\n"
    "[   12.870113] kernel: NVRM: gpuClearFbhubPoisonIntrForBug2924523_GA100: FBHUB Interrupt detected. Clearing it.\n")


def h200(root):
    version, slot = "580.159.04", "0000:00:06.0"
    files = dict(pci(slot, "0x2335", "0x030200"), **nvrm(version))
    files.update({f"/dev/{name}": "" for name in ("nvidia0", "nvidia-uvm", "nvidia-uvm-tools", "nvidiactl")})
    files[f"/proc/driver/nvidia/gpus/{slot}/information"] = "Model: \t\t NVIDIA H200\n"
    files["/sys/module/nvidia/version"] = f"{version}\n"
    files["/sys/module/nvidia_uvm/initstate"] = "live\n"
    files["/usr/bin/nvidia-smi"] = ""
    files.update({f"{X86_LIBRARIES}/{name}.so.{version}": "" for name in ("libcuda", "libnvidia-ml")})
    links = {f"{X86_LIBRARIES}/{name}.so.1": f"{name}.so.{version}" for name in ("libcuda", "libnvidia-ml")}
    node = "  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n"
    files["/var/run/cdi/nvidia.yaml"] = "---\ncdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n" + "".join(
        f"- name: {name}\n{node}" for name in ('"0"', H200_UUID, "all")) + (
        "containerEdits:\n  deviceNodes:\n  - path: /dev/nvidiactl\n  mounts:\n"
        f"  - hostPath: {X86_LIBRARIES}/libcuda.so.{version}\n    containerPath: {X86_LIBRARIES}/libcuda.so.{version}\n")
    return Machine(root, files, links, {
        "ldconfig -p": cached(f"{X86_LIBRARIES}/libcuda.so.1", f"{X86_LIBRARIES}/libnvidia-ml.so.1"),
        "modinfo": "", "nvidia-smi --query-gpu=": H200_SMI})


def raspberry_pi(root):
    return Machine(root, {
        "/proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5\0",
        "/proc/device-tree/compatible": "raspberrypi,4-model-b\0brcm,bcm2711\0",
        **pci("0000:01:00.0", "0x3483", "0x0c0330", vendor="0x1106")})


def without_gpu(root):
    return Machine(root, pci("0000:00:02.0", "0x4680", vendor="0x8086"))


def audio_only(root):
    """A laptop whose NVIDIA GPU is switched off; what is left on the bus is its sound function."""
    return Machine(root, dict(pci("0000:01:00.1", "0x22bc", "0x040300"), **pci("0000:00:02.0", "0x4680", vendor="0x8086")))


def secure_boot(machine, value):
    machine.write(SECURE_BOOT, b"\x06\0\0\0" + bytes([value]))
    return machine


CARDS = {
    # name: (device, class, driver, module, generation)
    "NVIDIA L4": ("0x27b8", "0x030200", "580.95.05", "open", "ada"),
    "NVIDIA RTX A2000": ("0x2531", "0x030000", "580.95.05", "open", "ampere"),
    "NVIDIA GeForce GTX 1080": ("0x1b80", "0x030000", "580.95.05", "proprietary", "pascal"),
    "Tesla V100-PCIE-16GB": ("0x1db4", "0x030200", "550.163.01", "proprietary", "volta"),
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": ("0x2bb1", "0x030000", "595.45.04", "open", "blackwell"),
    "NVIDIA RTX PRO 4000 Blackwell": ("0x2c34", "0x030000", "580.95.05", "open", "blackwell"),
    "Tesla T4": ("0x1eb8", "0x030200", "535.261.03", "proprietary", "turing"),
    "NVIDIA A2": ("0x25b6", "0x030200", "570.195.03", "open", "ampere"),
    "NVIDIA H100 80GB HBM3": ("0x2330", "0x030200", "580.95.05", "open", "hopper"),
    "a card of the future": ("0x3fff", "0x030000", "620.10.01", "open", ""),
}

JETSONS = {
    # name: (model, soc, release, library directory, L4T, JetPack, CUDA, generation)
    "Nano": ("NVIDIA Jetson Nano Developer Kit", "tegra210", ("32", "7.6"), "tegra", "32.7.6", "4.6.6", "10.2", "maxwell"),
    "TX2": ("NVIDIA Jetson TX2 Developer Kit", "tegra186", ("32", "7.1"), "tegra", "32.7.1", "4.6.1", "10.2", "pascal"),
    "AGX Xavier": ("Jetson-AGX", "tegra194", ("35", "6.0"), "tegra", "35.6", "5.1.4", "11.4", "volta"),
    "Xavier NX": ("NVIDIA Jetson Xavier NX Developer Kit", "tegra194", ("35", "4.1"), "tegra", "35.4.1", "5.1.2", "11.4",
                  "volta"),
    "Orin Nano r36": ("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super", "tegra234", ("36", "4.3"), "nvidia",
                      "36.4.3", "6.2", "12.6", "ampere"),
    "Orin NX r36": ("NVIDIA Jetson Orin NX Engineering Reference Developer Kit", "tegra234", ("36", "4.0"), "nvidia", "36.4",
                    "6.1", "12.6", "ampere"),
    "AGX Orin r36": ("NVIDIA Jetson AGX Orin Developer Kit", "tegra234", ("36", "3.0"), "nvidia", "36.3", "6.0", "12.2",
                     "ampere"),
    "AGX Orin r39": ("NVIDIA Jetson AGX Orin Developer Kit", "tegra234", ("39", "2.0"), "nvidia", "39.2", "7.2", "13.2",
                     "ampere"),
    "AGX Orin of next year": ("NVIDIA Jetson AGX Orin Developer Kit", "tegra234", ("39", "9.1"), "nvidia", "39.9.1", "7.x", "",
                              "ampere"),
    "Thor": ("NVIDIA Jetson AGX Thor Developer Kit", "tegra264", ("38", "2.1"), "nvidia", "38.2.1", "7.0", "13.0", "blackwell"),
    "Thor r38.4": ("NVIDIA Jetson AGX Thor Developer Kit", "tegra264", ("38", "4.0"), "nvidia", "38.4", "7.1", "13.0",
                   "blackwell"),
}
#: What a Thor's GPU looks like on its internal bus.
THOR = dict(pci("0000:01:00.0", "0x2b00"), **nvrm("580.00", arch="aarch64"))
