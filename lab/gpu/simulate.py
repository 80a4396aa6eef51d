#!/usr/bin/env python3
"""GPU hardware that is not there: runs inside a lab host, at every boot and after every change, as root.

A host shows a GPU by files: PCI devices, the kernel module's versions, the driver's libraries, a device tree on a
Jetson. This program puts those files where the real ones would be and takes them away again. What lies below /sys is
an overlay or below /proc a bind mount over the machine's own; what belongs to a driver package is written to the disk.
Which GPU it is stands in KIND beside this file, what is broken in the key `gpu` of the host's faults.json.

    simulate.py apply            put everything in place; again: repair it
    simulate.py remove           take everything away
    simulate.py boot             apply, at a boot: the driver that is installed becomes the loaded one
    simulate.py load             what `modprobe nvidia` of the host does
    simulate.py smi [ARGS]       what /usr/bin/nvidia-smi of the host prints
    simulate.py nvpmodel [ARGS]  the power mode of a Jetson; kept over a reboot
    simulate.py clocks [ARGS]    what jetson_clocks does; gone after a reboot
"""

import json
import os
import platform
import socket
import stat
import struct
import subprocess
import sys
import uuid
from pathlib import Path

HOME = Path("/etc/edgeai-lab/hardware")
MANUAL_SPEC = Path("/etc/cdi/nvidia.yaml")
FAULTS = Path("/etc/edgeai-lab/faults.json")
RUN = Path("/run/edgelab-hardware")
# The lab's packages of the driver leave their version here.
PACKAGED = Path("/usr/share/edgelab-driver/version")
MODPROBE = Path("/etc/modprobe.d")
WORDS = ("present", "absent", "driver-absent", "driver-mismatch", "nouveau", "secure-boot", "stale-cdi", "csv-missing")
# A target below /sys takes the machine's own files as the lower half of an overlay; /proc cannot be one.
OVERLAYS = {"pci": "/sys/bus/pci/devices", "module": "/sys/module", "firmware": "/sys/firmware",
            "thermal": "/sys/class/thermal"}
BINDS = {"proc-driver": "/proc/driver"}
EFI = "efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

DGPU = {
    "product": "NVIDIA L4", "slot": "0000:01:00.0", "driver": "580.95.05", "newer": "580.105.08", "cuda": "13.0",
    "pci": {"vendor": "0x10de", "device": "0x27b8", "class": "0x030200", "subsystem_vendor": "0x10de",
            "subsystem_device": "0x16ca", "revision": "0xa1", "numa_node": "-1"},
    "memory": "23034", "temperature": "38",
    "devices": ("nvidia0", "nvidiactl", "nvidia-modeset", "nvidia-uvm", "nvidia-uvm-tools"),
}
TEGRA = {
    "product": "Orin (nvgpu)", "driver": "540.4.0", "newer": "540.5.0", "cuda": "12.6",
    "model": "NVIDIA Jetson Orin NX Engineering Reference Developer Kit",
    "compatible": ("nvidia,p3768-0000+p3767-0000", "nvidia,p3767-0000", "nvidia,tegra234"),
    "release": "# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic, EABI: aarch64, "
               "DATE: Fri Sep 13 04:36:44 UTC 2024\n# KERNEL_VARIANT: oot\nTARGET_USERSPACE_LIB_DIR=nvidia\n"
               "TARGET_USERSPACE_LIB_DIR_PATH=usr/lib/aarch64-linux-gnu/nvidia\n",
    "memory": "[N/A]", "temperature": "[N/A]",
    "devices": ("nvidia0", "nvidiactl", "nvidia-modeset", "nvmap", "nvhost-gpu", "nvhost-ctrl-gpu", "nvgpu/igpu0/ctrl",
                "nvgpu/igpu0/power"),
}
KINDS = {"dgpu": DGPU, "tegra": TEGRA}
# Number: (name, whether it is set at a boot only).
POWER_MODES = {"0": ("MAXN_SUPER", True), "1": ("10W", False), "2": ("15W", False), "3": ("25W", False)}
POWER_DEFAULT = "3"
FREQUENCIES = {"cpu0": (729600, 1984000), "cpu1": (729600, 1984000), "GPU": (306000000, 918000000)}
CSV = "/etc/nvidia-container-runtime/host-files-for-container.d"
L4T = "/usr/lib/aarch64-linux-gnu/nvidia"


class State:
    """One host: kind of hardware, what is wrong with it, which driver is installed and which is loaded.

    loaded: the version that runs, empty for none; None for what a boot would load. packaged: version of a driver that came
    as packages of the lab, whose module is signed. nouveau_kept_out: at the last boot, by a file of modprobe.
    """

    def __init__(self, kind, word, loaded=None, machine="", name="", packaged="", nouveau_kept_out=False):
        self.kind, self.word, self.hardware = kind, word, KINDS[kind]
        self.machine, self.name = machine or platform.machine(), name or socket.gethostname()
        self.packaged = packaged
        self.installed = packaged or {
            "driver-absent": "", "nouveau": "", "driver-mismatch": self.hardware["newer"]}.get(word, self.hardware["driver"])
        self.nouveau = word == "nouveau" and not nouveau_kept_out
        self.unsigned = word == "secure-boot" and kind == "dgpu" and not packaged
        runs = bool(self.installed) and word != "absent" and not self.unsigned and not self.nouveau
        self.loaded = (self.installed if loaded is None else loaded) if runs else ""

    @property
    def libraries(self):
        """Folder of the driver's libraries."""
        return f"/usr/lib/{self.machine}-linux-gnu" if self.kind == "dgpu" else L4T

    @property
    def gpu_uuid(self):
        return f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, self.name)}"


# -- what the kernel shows -------------------------------------------------------------------------
def kernel_files(state):
    """{tree: {path: content}} of OVERLAYS and BINDS."""
    trees = {"pci": {}, "module": {}, "firmware": {}, "thermal": {}, "proc-driver": {}}
    if state.nouveau:
        trees["module"]["nouveau/initstate"] = "live\n"
    if state.kind == "tegra":
        return _tegra_files(state, trees)
    if state.word != "absent":
        for name, value in DGPU["pci"].items():
            trees["pci"][f"{DGPU['slot']}/{name}"] = value + "\n"
        bound = "nouveau" if state.nouveau else "nvidia" if state.loaded else ""
        if bound:
            trees["pci"][f"{DGPU['slot']}/driver"] = f"-> ../../../bus/pci/drivers/{bound}"
    trees["firmware"][EFI] = b"\x06\0\0\0" + (b"\x01" if state.word == "secure-boot" else b"\0")
    if state.loaded:
        trees["module"]["nvidia/version"] = state.loaded + "\n"
        trees["module"]["nvidia/initstate"] = "live\n"
        trees["proc-driver"] = {
            "nvidia/version": f"NVRM version: NVIDIA UNIX Open Kernel Module for {state.machine}  {state.loaded}  "
                              "Release Build  (dvs-builder@U22-I3-AF03-24-1)  Tue Sep 23 09:55:41 UTC 2025\n"
                              "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14+deb12u1)\n",
            f"nvidia/gpus/{DGPU['slot']}/information":
                f"Model: \t\t {DGPU['product']}\nIRQ:   \t\t 56\nGPU UUID: \t {state.gpu_uuid}\n"
                f"Video BIOS: \t 95.04.29.00.06\nBus Type: \t PCIe\nBus Location: \t {DGPU['slot']}\n"
                f"Device Minor: \t 0\nGPU Firmware: \t {state.loaded}\nGPU Excluded:\t No\n"}
    return trees


def _tegra_files(state, trees):
    if state.word == "absent":
        return trees
    trees["firmware"]["devicetree/base/model"] = TEGRA["model"] + "\0"
    trees["firmware"]["devicetree/base/compatible"] = "".join(word + "\0" for word in TEGRA["compatible"])
    if state.loaded:
        trees["module"]["nvgpu/initstate"] = "live\n"
        # After the zones that a machine may have of its own.
        trees["thermal"] = {"thermal_zone90/type": "gpu-thermal\n", "thermal_zone90/temp": "41500\n"}
    return trees


def device_nodes(state):
    """Names below /dev."""
    return state.hardware["devices"] if state.loaded else ()


# -- what packages of the driver put on the disk ---------------------------------------------------
def disk_files(state):
    """{path: (content, mode)}; a str that begins with `-> ` is a symbolic link."""
    files = {"/usr/local/sbin/modinfo": (_MODINFO, 0o755), "/usr/local/sbin/modprobe": (_MODPROBE, 0o755)}
    if state.installed:
        license_name = "Dual MIT/GPL" if state.kind == "dgpu" else "GPL v2"
        module = "nvidia" if state.kind == "dgpu" else "nvgpu"
        files[f"{HOME}/modinfo/{module}"] = (
            f"filename:       /lib/modules/{os.uname().release}/updates/dkms/{module}.ko\n"
            f"version:        {state.installed}\nlicense:        {license_name}\n", 0o644)
        files["/usr/bin/nvidia-smi"] = (f'#!/bin/sh\nexec /usr/bin/python3 {HOME}/simulate.py smi "$@"\n', 0o755)
        files.update(_libraries(state))
    if state.kind == "tegra" and state.word != "absent":
        files["/etc/nv_tegra_release"] = (TEGRA["release"], 0o644)
        files["/etc/nvpmodel.conf"] = ("".join(
            f"< POWER_MODEL ID={number} NAME={name} >\n" for number, (name, _) in POWER_MODES.items()), 0o644)
        for path, command in (("/usr/sbin/nvpmodel", "nvpmodel"), ("/usr/bin/jetson_clocks", "clocks")):
            files[path] = (f'#!/bin/sh\nexec /usr/bin/python3 {HOME}/simulate.py {command} "$@"\n', 0o755)
        files.update(_csv_files())
    return files


def _libraries(state):
    folder, version, files = state.libraries, state.installed, {}
    real = {"libcuda.so.1": f"libcuda.so.{version}", "libnvidia-ml.so.1": f"libnvidia-ml.so.{version}",
            "libnvidia-ptxjitcompiler.so.1": f"libnvidia-ptxjitcompiler.so.{version}"}
    if state.kind == "tegra":
        real["libcuda.so.1"] = "libcuda.so.1.1"
        # The folder above is one of the linker's own on every arm64 host; this one may be another.
        files["/etc/ld.so.conf.d/nvidia-tegra.conf"] = (L4T + "\n" + os.path.dirname(L4T) + "\n", 0o644)
    for soname, name in real.items():
        home = folder
        if state.word == "csv-missing" and soname == "libcuda.so.1":  # as L4T r39 moved it
            home = os.path.dirname(folder)
        files[f"{home}/{name}"] = (elf_library(soname, state.machine), 0o644)
        files[f"{home}/{soname}"] = (f"-> {name}", 0o777)
    return files


def _csv_files():
    drivers = "".join(f"lib, {L4T}/{name}\n" for name in (
        "libcuda.so.1.1", f"libnvidia-ml.so.{TEGRA['driver']}", f"libnvidia-ptxjitcompiler.so.{TEGRA['driver']}"))
    links = "".join(f"sym, {L4T}/{name}\n" for name in (
        "libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1"))
    return {f"{CSV}/devices.csv": ("".join(f"dev, /dev/{name}\n" for name in TEGRA["devices"]), 0o644),
            f"{CSV}/drivers.csv": (drivers + links, 0o644),
            f"{CSV}/l4t.csv": ("lib, /etc/nv_tegra_release\n", 0o644)}


def stale_spec(state):
    """What `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml` wrote under an older driver."""
    old = "550.54.15" if state.kind == "dgpu" else "540.3.0"
    library = f"{state.libraries}/libcuda.so.{old}"
    return ("---\ncdiVersion: 0.5.0\ncontainerEdits:\n  deviceNodes:\n  - path: /dev/nvidiactl\n  mounts:\n"
            f"  - containerPath: {library}\n    hostPath: {library}\n    options:\n    - ro\n    - nosuid\n    - nodev\n"
            "    - bind\ndevices:\n- containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n  name: \"0\"\n"
            "- containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n  name: all\nkind: nvidia.com/gpu\n")


# The kernel of a lab host has no module tree of its own; this answers for the modules that are simulated.
_MODINFO = f"""#!/bin/sh
field= name= takes=
for word; do
    if [ -n "$takes" ]; then field=$word takes=; continue; fi
    case $word in
        -F) takes=yes ;;
        -n) field=filename ;;
        -*) ;;
        *) name=$word ;;
    esac
done
found={HOME}/modinfo/$name
[ -n "$name" ] && [ -f "$found" ] || exec /usr/sbin/modinfo "$@"
if [ -n "$field" ]; then sed -n "s/^$field: *//p" "$found"; else cat "$found"; fi
"""


_MODPROBE = f"""#!/bin/sh
for word; do last=$word; done
[ "$last" = nvidia ] || exec /usr/sbin/modprobe "$@"
exec /usr/bin/python3 {HOME}/simulate.py load
"""


def refusal(state):
    """What modprobe says where the driver cannot be loaded; empty where it can."""
    if not state.installed:
        return f"modprobe: FATAL: Module nvidia not found in directory /lib/modules/{os.uname().release}"
    if state.unsigned:
        return "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service"
    if state.nouveau or state.word == "absent":
        return "modprobe: ERROR: could not insert 'nvidia': No such device"
    return ""


def elf_library(soname, machine):
    """The smallest shared library that ldconfig lists: nothing in it but its name."""
    strings = b"\0" + soname.encode() + b"\0"
    headers, dynamic_size = 64 + 2 * 56, 6 * 16
    at_strings = headers + dynamic_size
    at_symbols = (at_strings + len(strings) + 7) // 8 * 8
    size = at_symbols + 24
    code = {"x86_64": 62, "aarch64": 183}[machine]
    elf = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, code, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    elf += struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, size, size, 4096)
    elf += struct.pack("<IIQQQQQQ", 2, 4, headers, headers, headers, dynamic_size, dynamic_size, 8)
    for tag, value in ((14, 1), (5, at_strings), (10, len(strings)), (6, at_symbols), (11, 24), (0, 0)):
        elf += struct.pack("<QQ", tag, value)
    return (elf + strings).ljust(size, b"\0")


# -- doing it --------------------------------------------------------------------------------------
def apply(state):
    """Make the host look like `state`."""
    unmount()
    _write_disk(disk_files(state))
    trees = kernel_files(state)
    for tree, files in trees.items():
        for path, content in files.items():
            target = RUN / tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_file(target, content, 0o444)
    for tree, target in OVERLAYS.items():
        if trees[tree]:
            _mount(target, "-t", "overlay", "-o", f"lowerdir={RUN / tree}:{target}", "edgelab-hardware", target)
    for tree, target in BINDS.items():
        if trees[tree]:
            _mount(target, "--bind", str(RUN / tree), target)
    _make_nodes(device_nodes(state))
    (RUN / "loaded").write_text(state.loaded)


def leave_stale_spec(state):
    """Once only: whoever removes the file has mended this fault, and no boot brings it back."""
    text = stale_spec(state)
    if state.word == "stale-cdi":
        MANUAL_SPEC.parent.mkdir(parents=True, exist_ok=True)
        MANUAL_SPEC.write_text(text)
    elif MANUAL_SPEC.is_file() and MANUAL_SPEC.read_text() == text:
        MANUAL_SPEC.unlink()


def remove():
    """Take everything away."""
    unmount()
    _write_disk({})
    _make_nodes(())


def unmount():
    """Undo the mounts of an earlier call, also of one that was interrupted."""
    mounted = [line.split()[:2] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for source, target in reversed(mounted):
        if source == "edgelab-hardware" or target in BINDS.values():
            subprocess.run(["umount", target], check=True)
    for tree in (*OVERLAYS, *BINDS):
        subprocess.run(["rm", "-rf", str(RUN / tree)], check=True)
    RUN.mkdir(mode=0o755, parents=True, exist_ok=True)


def _mount(target, *words):
    if not os.path.isdir(target):
        raise SystemExit(f"{target} does not exist on this machine, so its hardware cannot be simulated")
    subprocess.run(["mount", *words], check=True)


def _write_disk(files):
    """Write what differs, and remove what an earlier call wrote and this one does not."""
    record = HOME / "files.json"
    before = json.loads(record.read_text()) if record.exists() else []
    changed = False
    for path in before:
        if path not in files and os.path.lexists(path):
            os.unlink(path)
            changed = True
    record.write_text(json.dumps(sorted({*files, *before})))  # before the files: an interrupted call forgets none
    for path, (content, mode) in files.items():
        changed = _write_file(Path(path), content, mode) or changed
    record.write_text(json.dumps(sorted(files)))
    if changed:
        subprocess.run(["ldconfig"], check=True)


def _write_file(path, content, mode):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str) and content.startswith("-> "):
        if path.is_symlink() and os.readlink(path) == content[3:]:
            return False
        path.unlink(missing_ok=True)
        path.symlink_to(content[3:])
        return True
    data = content if isinstance(content, bytes) else content.encode()
    if path.is_file() and path.read_bytes() == data and not path.is_symlink():
        return False
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    return True


def _make_nodes(names):
    """Device nodes that open and do nothing: all of them are /dev/null by number. Real ones are left alone."""
    null = os.makedev(1, 3)
    for hardware in KINDS.values():
        for name in hardware["devices"]:
            path = Path("/dev", name)
            if name in names and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                os.mknod(path, stat.S_IFCHR | 0o666, null)
                path.chmod(0o666)
            elif name not in names and path.exists() and path.stat().st_rdev == null:
                path.unlink()


# -- nvidia-smi ------------------------------------------------------------------------------------
def smi(state, words):
    """(text, exit code) of nvidia-smi."""
    if not state.loaded:
        return ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest "
                "NVIDIA driver is installed and running.\n"), 9
    if state.loaded != state.installed:
        return ("Failed to initialize NVML: Driver/library version mismatch\n"
                f"NVML library version: {state.installed.rpartition('.')[0]}\n"), 18
    hardware = state.hardware
    if words[:1] == ["-L"] or words[:1] == ["--list-gpus"]:
        return f"GPU 0: {hardware['product']} (UUID: {state.gpu_uuid})\n", 0
    query = next((word.partition("=")[2] for word in words if word.startswith("--query-gpu=")), "")
    if query:
        known = {"index": "0", "count": "1", "name": hardware["product"], "gpu_name": hardware["product"],
                 "uuid": state.gpu_uuid, "gpu_uuid": state.gpu_uuid, "driver_version": state.loaded,
                 "pci.bus_id": hardware.get("slot", "[N/A]"), "temperature.gpu": hardware["temperature"],
                 "memory.total": hardware["memory"], "utilization.gpu": "0",
                 "ecc.errors.uncorrected.volatile.total": "0",
                 "ecc.errors.corrected.volatile.total": "0", "clocks_throttle_reasons.active": "0x0000000000000000"}
        return ", ".join(known.get(name.strip(), "[N/A]") for name in query.split(",")) + "\n", 0
    return (f"NVIDIA-SMI {state.installed}    Driver Version: {state.loaded}    CUDA Version: {hardware['cuda']}\n"
            f"  0  {hardware['product']}  {hardware.get('slot', 'N/A')}   (simulated by the lab)\n"), 0


# -- power of a Jetson -----------------------------------------------------------------------------
def nvpmodel(words, number, answer=""):
    """(text, exit code, number of the mode afterwards); answer: what a person says to the question about a reboot."""
    if words == ["-q"]:
        return f"NV Power Mode: {POWER_MODES[number][0]}\n{number}\n", 0, number
    wanted = words[1] if len(words) == 2 and words[0] == "-m" else ""
    if wanted not in POWER_MODES:
        return "NVPM ERROR: invalid argument\n", 255, number
    if POWER_MODES[wanted][1] and wanted != number and answer.strip() not in ("YES", "yes"):
        return (f"NVPM WARN: Reboot required for changing to this power mode: {wanted}\n"
                "NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:\n"), 255, number
    return "", 0, wanted


def clocks(words, locked):
    """(text, exit code, whether clocks are locked afterwards)"""
    if words == ["--show"]:
        lines = [f"{name}: Online=1 MinFreq={high if locked else low} MaxFreq={high} CurrentFreq={high if locked else low}\n"
                 for name, (low, high) in FREQUENCIES.items()]
        return "".join(lines), 0, locked
    if words[:1] == ["--store"] and len(words) == 2:
        Path(words[1]).write_text(json.dumps(locked))
        return "", 0, locked
    if words[:1] == ["--restore"] and len(words) == 2:
        if not os.path.exists(words[1]):
            return f"Error: {words[1]} does not exist\n", 1, locked
        return "", 0, json.loads(Path(words[1]).read_text())
    return ("", 0, True) if not words else (f"Error: Unknown option: {words[0]}\n", 1, locked)


def _power(command, words):
    """Both keep what they set where a boot keeps or loses it."""
    mode, lock = HOME / "nvpmodel", RUN / "clocks-locked"
    if command == "nvpmodel":
        before = mode.read_text() if mode.exists() else POWER_DEFAULT
        answer = "" if sys.stdin is None or sys.stdin.closed or words == ["-q"] else sys.stdin.readline()
        text, code, after = nvpmodel(words, before, answer)
        if after != before:
            mode.write_text(after)
    else:
        text, code, locked = clocks(words, lock.exists())
        lock.touch() if locked else lock.unlink(missing_ok=True)
    sys.stdout.write(text)
    return code


def current(booted=False):
    """The state that this host is to show now."""
    word = _fault("gpu") or "present"
    if word not in WORDS:
        raise SystemExit(f"{FAULTS} has gpu = {word}; known: {', '.join(WORDS)}")
    kind = (HOME / "KIND").read_text().strip()
    packaged = PACKAGED.read_text().strip() if kind == "dgpu" and PACKAGED.exists() else ""
    marker = RUN / "nouveau-kept-out"
    if booted and any("blacklist nouveau" in path.read_text() for path in MODPROBE.glob("*.conf")):
        RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
        marker.touch()
    loaded = None if booted or not (packaged or word == "driver-mismatch") else _before()
    if word == "driver-mismatch" and not booted and not packaged:
        loaded = loaded or KINDS[kind]["driver"]
    return State(kind, word, loaded, packaged=packaged, nouveau_kept_out=marker.exists())


def _fault(key):
    """The word that faults.json has for a key, or an empty one."""
    try:
        return str(json.loads(FAULTS.read_text()).get(key, ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _before():
    return (RUN / "loaded").read_text() if (RUN / "loaded").exists() else ""


def load():
    """(text, exit code) of `modprobe nvidia`."""
    state = current()
    problem = _fault("modprobe") or refusal(state)
    if problem:
        return problem + "\n", 1
    if not state.loaded:
        state.loaded = state.installed
        apply(state)
    return "", 0


def main(words):
    command = words[0] if words else ""
    if command == "remove":
        remove()
    elif command == "boot":
        apply(current(booted=True))
    elif command == "apply":
        state = current()
        apply(state)
        leave_stale_spec(state)
    elif command == "load":
        text, code = load()
        sys.stderr.write(text)
        return code
    elif command in ("nvpmodel", "clocks"):
        return _power(command, words[1:])
    elif command == "smi":
        text, code = smi(current(), words[1:])
        sys.stdout.write(text)
        return code
    else:
        sys.stderr.write(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
