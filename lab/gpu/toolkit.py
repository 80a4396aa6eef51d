#!/usr/bin/python3
"""Stand-in of the NVIDIA Container Toolkit for hosts with simulated GPUs, by the name it is called with.

nvidia-ctk               cdi generate, cdi list, config, --version
nvidia-container-runtime changes an OCI bundle's config.json as the mode of config.toml says, then becomes runc
nvidia-cdi-hook          what specifications call; has nothing to do here

It finds GPUs by the files of the driver, never asks who put them there, and marks what it injects: the environment of a
container with a simulated GPU has EDGEAI_SIMULATED_GPU.
"""

import glob
import json
import os
import re
import shutil
import sys
import tomllib

VERSION = "1.20.0"
CONFIG = "/etc/nvidia-container-runtime/config.toml"
CSV = "/etc/nvidia-container-runtime/host-files-for-container.d"
SPEC_DIRS = ["/etc/cdi", "/var/run/cdi"]
KIND = "nvidia.com/gpu"
VOLUMES = "/var/run/nvidia-container-devices"
SIMULATED = "/etc/edgeai-lab/hardware/KIND"
HOOK = "/usr/bin/nvidia-cdi-hook"
LIBRARY_DIRS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64")
DEFAULT_CONFIG = """\
#accept-nvidia-visible-devices-as-volume-mounts = false
#accept-nvidia-visible-devices-envvar-when-unprivileged = true
disable-require = false
supported-driver-capabilities = "compat32,compute,display,graphics,ngx,utility,video"

[nvidia-container-cli]
environment = []
ldconfig = "@/sbin/ldconfig"
load-kmods = true

[nvidia-container-runtime]
#debug = "/var/log/nvidia-container-runtime.log"
log-level = "info"
mode = "auto"
runtimes = ["runc", "crun"]

[nvidia-container-runtime.modes.cdi]
annotation-prefixes = ["cdi.k8s.io/"]
default-kind = "nvidia.com/gpu"
spec-dirs = ["/etc/cdi", "/var/run/cdi"]

[nvidia-container-runtime.modes.csv]
mount-spec-path = "/etc/nvidia-container-runtime/host-files-for-container.d"

[nvidia-container-runtime-hook]
path = "nvidia-container-runtime-hook"
skip-mode-detection = false

[nvidia-ctk]
path = "nvidia-ctk"
"""


class Failure(Exception):
    """What the program says before it ends with 1."""


# -- finding GPUs ----------------------------------------------------------------------------------
def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def platform():
    """tegra, nvml or unknown."""
    if os.path.exists("/etc/nv_tegra_release"):
        return "tegra"
    return "nvml" if library("libnvidia-ml.so.1") else "unknown"


def library(name):
    """Path of a library of the driver, without its links; empty where there is none."""
    found = [os.path.join(folder, name) for folder in LIBRARY_DIRS if os.path.exists(os.path.join(folder, name))]
    return os.path.realpath(found[0]) if found else ""


def simulated(product):
    return [f"EDGEAI_SIMULATED_GPU={product}"] if os.path.exists(SIMULATED) else []


def nvml_spec():
    """What `cdi generate` finds on a host with a discrete GPU."""
    loaded = re.search(r"  (\d+(?:\.\d+)+)  ", read("/proc/driver/nvidia/version"))
    if not loaded:
        raise Failure("failed to initialize NVML: Driver Not Loaded")
    cuda, version = library("libcuda.so.1"), library("libnvidia-ml.so.1").rpartition(".so.")[2]
    if version != loaded[1]:
        raise Failure("failed to initialize NVML: Driver/library version mismatch")
    devices, gpus = [], []
    for information in sorted(glob.glob("/proc/driver/nvidia/gpus/*/information")):
        fields = dict(re.findall(r"^(.+?):\s*(.*?)\s*$", read(information), re.M))
        gpus.append((fields.get("Device Minor", "0"), fields.get("GPU UUID", ""), fields.get("Model", "")))
    for minor, identity, product in sorted(gpus):
        edits = {"deviceNodes": [{"path": f"/dev/nvidia{minor}"}],
                 "env": simulated(product) and [*simulated(product), f"EDGEAI_SIMULATED_GPU_UUID={identity}"]}
        devices += [(minor, edits), (identity, edits)]
    everything = {"deviceNodes": [{"path": f"/dev/nvidia{minor}"} for minor, _, _ in sorted(gpus)],
                  "env": [word for name, edits in devices if name.isdigit() for word in edits["env"]]}
    libraries = [cuda, library("libnvidia-ml.so.1"), library("libnvidia-ptxjitcompiler.so.1")]
    nodes = [f"/dev/{name}" for name in ("nvidia-modeset", "nvidia-uvm", "nvidia-uvm-tools", "nvidiactl")]
    return _spec([*devices, ("all", everything)], nodes, [path for path in libraries if path])


def csv_spec(folder):
    """What CSV files of a Jetson say. Entries whose target is not there are left out, with a warning."""
    nodes, mounts, cuda = [], [], False
    for name in ("devices.csv", "drivers.csv", "l4t.csv"):
        for line in read(os.path.join(folder, name)).splitlines():
            kind, _, path = (part.strip() for part in line.partition(","))
            if not path:
                continue
            if not os.path.lexists(path):
                log("warning", f"Could not locate {path}: pattern {path} not found")
            elif kind == "dev":
                nodes.append(path)
            elif kind == "lib":
                mounts.append(path)
                cuda = cuda or "libcuda.so" in path
    product = read("/sys/firmware/devicetree/base/model").strip("\0\n ") or "Tegra"
    edits = {"deviceNodes": [{"path": path} for path in nodes], "env": simulated(product) if nodes and cuda else []}
    return _spec([("0", edits), ("all", edits)], [], mounts)


def _spec(devices, nodes, libraries):
    hooks = [{"hookName": "createContainer", "path": HOOK,
              "args": ["nvidia-cdi-hook", "update-ldcache", *(word for folder in sorted({
                  os.path.dirname(path) for path in libraries if ".so" in path}) for word in ("--folder", folder))]}]
    edits = {"deviceNodes": [{"path": path} for path in nodes if os.path.exists(path)],
             "env": ["NVIDIA_VISIBLE_DEVICES=void"], "hooks": hooks,
             "mounts": [{"hostPath": path, "containerPath": path,
                         "options": ["ro", "nosuid", "nodev", "rbind", "rprivate"]} for path in libraries]}
    return {"cdiVersion": "0.7.0", "kind": KIND, "containerEdits": _filled(edits),
            "devices": [{"name": name, "containerEdits": _filled(edits)} for name, edits in devices]}


def _filled(edits):
    return {name: value for name, value in edits.items() if value}


# -- YAML, as much as specifications need ------------------------------------------------------------
def to_yaml(value, indent=0):
    lines, pad = [], " " * indent
    if isinstance(value, dict):
        for name in sorted(value):
            if isinstance(value[name], (dict, list)) and value[name]:
                lines += [f"{pad}{name}:", *to_yaml(value[name], indent + (2 if isinstance(value[name], dict) else 0))]
            else:
                lines.append(f"{pad}{name}: {_scalar(value[name])}")
        return lines
    for item in value:
        inner = to_yaml(item, indent + 2) if isinstance(item, dict) else [f"{pad}  {_scalar(item)}"]
        lines += [f"{pad}- {inner[0].lstrip()}", *inner[1:]]
    return lines


def _scalar(value):
    if not isinstance(value, str):
        return json.dumps(value)
    plain = re.fullmatch(r"[A-Za-z/][\w./=@+ -]*|\d+\.\d+\.\d+", value) and value.lower() not in ("true", "false", "null")
    return value if plain and value == value.strip() else json.dumps(value)


def from_yaml(text):
    """Maps, lists and scalars in block style, or JSON."""
    if text.lstrip().startswith("{"):
        return json.loads(text)
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in text.splitlines()
             if line.strip() and not line.lstrip().startswith("#") and line.strip() != "---"]
    value, at = _block(lines, 0, lines[0][0]) if lines else ({}, 0)
    if at != len(lines):
        raise ValueError(f"cannot read {lines[at][1]!r}")
    return value


def _block(lines, at, indent):
    if lines[at][1].startswith("- "):
        items = []
        while at < len(lines) and lines[at][0] == indent and lines[at][1].startswith("- "):
            rest = lines[at][1][2:].strip()
            if re.match(r'[\w"]+\s*:(\s|$)', rest):
                lines[at] = (indent + 2, rest)
                item, at = _block(lines, at, indent + 2)
            else:
                item, at = _plain(rest), at + 1
            items.append(item)
        return items, at
    found = {}
    while at < len(lines) and lines[at][0] == indent and not lines[at][1].startswith("- "):
        name, colon, rest = lines[at][1].partition(":")
        if not colon:
            raise ValueError(f"cannot read {lines[at][1]!r}")
        at += 1
        if rest.strip():
            found[name.strip('"')] = _plain(rest.strip())
        elif at < len(lines) and (lines[at][0] > indent or lines[at][0] == indent and lines[at][1].startswith("- ")):
            found[name.strip('"')], at = _block(lines, at, lines[at][0])
        else:
            found[name.strip('"')] = None
    return found, at


def _plain(text):
    if text[:1] in "\"[{" or text in ("true", "false", "null"):
        return json.loads(text)
    return text[1:-1] if text[:1] == "'" else text


# -- specifications on the disk ----------------------------------------------------------------------
def registry(directories):
    """{qualified name: [edits]}; a directory that comes later wins. What cannot be read is reported and skipped."""
    found = {}
    for directory in directories:
        for path in sorted(glob.glob(f"{directory}/*.yaml") + glob.glob(f"{directory}/*.json")):
            try:
                spec = from_yaml(read(path))
                for device in spec["devices"]:
                    found[f"{spec['kind']}={device['name']}"] = [
                        spec.get("containerEdits") or {}, device.get("containerEdits") or {}]
            except (ValueError, KeyError, TypeError, IndexError) as problem:
                log("warning", f"failed to load CDI spec {path}: {problem}")
    return found


# -- nvidia-ctk --------------------------------------------------------------------------------------
def ctk(words):
    while words and words[0] in ("--quiet", "-q", "--debug", "-d"):
        words = words[1:]
    if words[:1] in (["--version"], ["-v"]):
        print(f"NVIDIA Container Toolkit CLI version {VERSION}\ncommit: lab-stand-in")
    elif words[:2] == ["cdi", "generate"]:
        generate(options(words[2:], {"output", "mode", "format", "device-name-strategy", "nvidia-cdi-hook-path", "driver-root",
                                     "vendor", "class", "feature-flag"})[0])
    elif words[:2] == ["cdi", "list"]:
        found = registry(options(words[2:], {"spec-dir"})[0].get("spec-dir") or SPEC_DIRS)
        log("info", f"Found {len(found)} CDI devices")
        print("".join(f"{name}\n" for name in sorted(found)), end="")
    elif words[:1] == ["config"]:
        configure(words[1:])
    else:
        raise Failure(f"the lab's stand-in knows: --version, cdi generate, cdi list, config; not {' '.join(words)}")


def options(words, known, flags=()):
    """({option: [values]}, [flags])"""
    values, given, words = {}, [], list(words)
    while words:
        name, has_value, value = words.pop(0).lstrip("-").partition("=")
        if name in flags:
            given += [name] if value != "false" else []
        elif name not in known:
            raise Failure(f"flag provided but not defined: -{name}")
        elif has_value or words:
            values.setdefault(name, []).append(value if has_value else words.pop(0))
        else:
            raise Failure(f"flag needs an argument: -{name}")
    return values, given


def generate(given):
    mode = (given.get("mode") or [os.environ.get("NVIDIA_CTK_CDI_GENERATE_MODE", "auto")])[-1]
    output = (given.get("output") or [os.environ.get("NVIDIA_CTK_CDI_OUTPUT_FILE_PATH", "")])[-1]
    try:
        spec = spec_for(mode)
    except Failure as problem:
        raise Failure(f"failed to generate CDI spec: failed to create device CDI specs: {problem}") from None
    if (given.get("format") or ["json" if output.endswith(".json") else "yaml"])[-1] == "json":
        text = json.dumps(spec, sort_keys=True, indent=2) + "\n"
    else:
        text = "---\n" + "\n".join(to_yaml(spec)) + "\n"
    if output in ("", "-"):
        sys.stdout.write(text)
        return
    os.makedirs(os.path.dirname(output), exist_ok=True)
    with open(output + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(output + ".new", output)
    log("info", f"Generated CDI spec with version {spec['cdiVersion']}")


def spec_for(mode, folder=CSV):
    where = platform()
    if mode == "auto":
        mode = {"tegra": "csv"}.get(where, "nvml")
    if mode == "csv":
        if not os.path.isdir(folder):
            raise Failure(f"failed to read CSV files: open {folder}: no such file or directory")
        return csv_spec(folder)
    if mode != "nvml":
        raise Failure(f"invalid discovery mode: {mode}")
    if where == "unknown":
        raise Failure("failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND")
    return nvml_spec()


def configure(words):
    values, flags = options(words, {"config-file", "config", "set", "output", "o"}, {"in-place", "i"})
    path = (values.get("config-file") or values.get("config") or [CONFIG])[-1]
    text = read(path) or DEFAULT_CONFIG
    for assignment in values.get("set", []):
        name, equals, value = assignment.partition("=")
        text = changed(text, name, value if equals else "true")
    if not flags:
        sys.stdout.write(text)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def changed(text, name, value):
    """The configuration with one key set: lists are given with colons."""
    table, _, key = name.rpartition(".")
    old = tomllib.loads(text)
    for part in name.split("."):
        old = old.get(part, {}) if isinstance(old, dict) else {}
    if isinstance(old, list) or key in ("runtimes", "spec-dirs", "annotation-prefixes", "environment"):
        shown = json.dumps(value.split(":"))
    else:
        shown = value if value in ("true", "false") else json.dumps(value)
    lines, current, end = text.splitlines(), "", 0 if not table else None
    for number, line in enumerate(lines):
        header = re.fullmatch(r"\s*\[(.+)\]\s*", line)
        if header:
            current = header[1].strip()
        if current != table:
            continue
        if line.strip():
            end = number + 1
        if re.match(rf"\s*#?\s*{re.escape(key)}\s*=", line):
            return "\n".join([*lines[:number], f"{key} = {shown}", *lines[number + 1:]]) + "\n"
    if end is None:
        return "\n".join([*lines, "", f"[{table}]", f"{key} = {shown}"]) + "\n"
    return "\n".join([*lines[:end], f"{key} = {shown}", *lines[end:]]) + "\n"


# -- nvidia-container-runtime ------------------------------------------------------------------------
def runtime(words):
    settings = tomllib.loads(read(CONFIG) or DEFAULT_CONFIG)
    own = settings.get("nvidia-container-runtime", {})
    if words[:1] == ["--version"]:
        print(f"NVIDIA Container Runtime version {VERSION}\ncommit: lab-stand-in\nspec: 1.2.1\n", flush=True)
    if "create" in words:
        bundle = next((word.partition("=")[2] or words[number + 1] for number, word in enumerate(words)
                       if word == "--bundle" or word.startswith("--bundle=") or word == "-b"), os.getcwd())
        path = os.path.join(bundle, "config.json")
        container = json.loads(read(path))
        before = json.dumps(container)
        modify(container, settings)
        if json.dumps(container) != before:
            with open(path, "w", encoding="utf-8") as file:
                json.dump(container, file)
    for name in own.get("runtimes") or ["runc", "crun"]:
        low_level = shutil.which(name)
        if low_level:
            os.execv(low_level, [low_level, *words])
    raise Failure("error locating runtime: no runtime binary found from candidate list: [runc crun]")


def modify(container, settings):
    """Add to an OCI configuration what its devices need."""
    devices = requested(container, settings)
    if not devices:
        return
    own = settings.get("nvidia-container-runtime", {})
    modes = own.get("modes", {})
    mode = own.get("mode", "auto")
    if mode == "auto":
        mode = "cdi" if all("=" in name for name in devices) else "csv" if platform() == "tegra" else "jit-cdi"
    kind = modes.get("cdi", {}).get("default-kind", KIND)
    if mode == "csv":
        folder = modes.get("csv", {}).get("mount-spec-path", CSV)
        devices, known = [f"{kind}=all"], in_memory(spec_for("csv", folder))
    elif mode in ("jit-cdi", "cdi"):
        devices = [name if "=" in name else f"{kind}={name}" for name in devices]
        known = in_memory(spec_for("auto")) if mode == "jit-cdi" else registry(
            modes.get("cdi", {}).get("spec-dirs") or SPEC_DIRS)
    else:
        raise Failure(f"the lab's stand-in has no mode {mode}: it needs the NVIDIA container CLI")
    missing = [name for name in devices if name not in known]
    if missing:
        raise Failure("failed to inject CDI devices: unresolvable CDI devices " + ", ".join(missing))
    applied = []
    for name in devices:
        for edits in known[name]:
            if edits not in applied:
                applied.append(edits)
                inject(container, edits)


def in_memory(spec):
    return {f"{spec['kind']}={device['name']}": [spec["containerEdits"], device["containerEdits"]]
            for device in spec["devices"]}


def requested(container, settings):
    """Devices that a container names: by mounts that only a kubelet adds, or by a variable where that is allowed."""
    mounts = container.get("mounts") or []
    if settings.get("accept-nvidia-visible-devices-as-volume-mounts", False):
        named = [mount["destination"][len(VOLUMES) + 1:] for mount in mounts
                 if mount["destination"].startswith(VOLUMES + "/") and mount.get("source") == "/dev/null"]
        if named:
            return [re.sub(r"^cdi/([^/]+)/([^/]+)/", r"\1/\2=", name) for name in named]
    environment = dict(word.partition("=")[::2] for word in container["process"].get("env") or [])
    value = environment.get("NVIDIA_VISIBLE_DEVICES", "")
    devices = [name for name in value.split(",") if name not in ("", "void", "none") and not name.startswith("/")]
    effective = (container["process"].get("capabilities") or {}).get("bounding") or []
    if devices and "CAP_SYS_ADMIN" not in effective \
            and not settings.get("accept-nvidia-visible-devices-envvar-when-unprivileged", True):
        log("warning", f"Ignoring devices specified in NVIDIA_VISIBLE_DEVICES: {devices}")
        return []
    return devices


def inject(container, edits):
    process, linux = container["process"], container.setdefault("linux", {})
    for word in edits.get("env") or []:
        name = word.partition("=")[0] + "="
        process["env"] = [old for old in process.get("env") or [] if not old.startswith(name)] + [word]
    for mount in edits.get("mounts") or []:
        container.setdefault("mounts", []).append({
            "destination": mount["containerPath"], "source": mount["hostPath"], "type": "bind",
            "options": mount.get("options") or ["rbind", "ro"]})
    for node in edits.get("deviceNodes") or []:
        try:
            found = os.stat(node.get("hostPath") or node["path"])
        except OSError as problem:
            raise Failure(f"failed to stat CDI host device \"{node['path']}\": {problem.strerror.lower()}") from None
        number = {"major": os.major(found.st_rdev), "minor": os.minor(found.st_rdev)}
        linux.setdefault("devices", []).append({
            "path": node["path"], "type": "c", **number, "fileMode": found.st_mode & 0o777, "uid": 0, "gid": 0})
        linux.setdefault("resources", {}).setdefault("devices", []).append(
            {"allow": True, "type": "c", **number, "access": "rwm"})
    for hook in edits.get("hooks") or []:
        container.setdefault("hooks", {}).setdefault(hook["hookName"], []).append(
            {name: hook[name] for name in ("path", "args", "env") if name in hook})


def log(level, text):
    sys.stderr.write(f'level={level} msg="{text}"\n')


def main(program, words):
    try:
        if program == "nvidia-ctk":
            ctk(words)
        elif program == "nvidia-container-runtime":
            runtime(words)
        elif program != "nvidia-cdi-hook":
            raise Failure(f"nothing is known about a program called {program}")
    except Failure as problem:
        log("error", problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(os.path.basename(sys.argv[0]), sys.argv[1:]))
