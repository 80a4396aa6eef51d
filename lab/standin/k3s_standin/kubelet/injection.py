"""What containers get besides their image: devices by CDI name as containerd gives them, and what the NVIDIA runtime adds."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import yaml

SPEC_DIRS = ("/etc/cdi", "/var/run/cdi")
_CAPABILITIES = ("CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT "
                 "KILL AUDIT_WRITE").split()


class NotInjected(Exception):
    """The container cannot be made; the text is the runtime's."""


class RuntimeFailed(NotInjected):
    """The NVIDIA runtime ended with an error."""


def apply_devices(spec, responses, directories=SPEC_DIRS):
    """Adds what device plugins answered to a container's spec (see ProcessRuntime.start)."""
    names = []
    for response in responses:
        spec["env"].update(response["envs"])
        for mount in response["mounts"]:
            _mount(spec, mount["host_path"], mount["container_path"], mount["read_only"])
        for device in response["devices"]:
            _mount(spec, device["host_path"], device["container_path"])
        names += [device["name"] for device in response["cdi_devices"]]
        for key, value in response["annotations"].items():
            names += value.split(",") if key.startswith("cdi.k8s.io/") else []
    if names:
        apply_cdi(spec, names, directories)


def apply_cdi(spec, names, directories=SPEC_DIRS):
    known = registry(directories)
    missing = [name for name in names if name not in known]
    if missing:
        raise NotInjected(f"failed to create containerd container: CDI device injection failed: unresolvable CDI devices "
                          f"{', '.join(missing)}")
    applied = []
    for name in names:
        for edits in known[name]:
            if edits not in applied:
                applied.append(edits)
                _apply_edits(spec, edits)


def registry(directories):
    """{qualified name: [edits of the file, edits of the device]}; later directories win, files that clash offer nothing."""
    found = {}
    for directory in directories:
        here, twice = {}, set()
        for path in sorted(Path(directory).glob("*")) if os.path.isdir(directory) else []:
            if path.suffix not in (".yaml", ".json"):
                continue
            try:
                document = yaml.safe_load(path.read_text())
                for device in document["devices"]:
                    name = f"{document['kind']}={device['name']}"
                    twice |= {name} & set(here)
                    here[name] = [document.get("containerEdits") or {}, device.get("containerEdits") or {}]
            except (OSError, yaml.YAMLError, KeyError, TypeError):
                continue
        found.update(here)
        for name in twice:
            found.pop(name, None)
    return found


def _apply_edits(spec, edits):
    spec["env"].update(dict(word.split("=", 1) for word in edits.get("env") or []))
    for node in edits.get("deviceNodes") or []:
        source = node.get("hostPath") or node["path"]
        if not os.path.exists(source):
            raise NotInjected(f"failed to create containerd container: CDI device injection failed: failed to inject "
                              f'devices: failed to stat CDI host device "{source}": no such file or directory')
        _mount(spec, source, node["path"])
    for mount in edits.get("mounts") or []:
        _mount(spec, mount["hostPath"], mount["containerPath"], "ro" in (mount.get("options") or []))


def _mount(spec, source, target, read_only=False):
    spec["mounts"].append({"source": source, "target": target, "read_only": read_only})


def through_runtime(spec, runtime, security):
    """Lets the real program of a runtime change the container, as containerd's shim would call it.

    A `runc` that does nothing takes the place of the real one, so what is left is the bundle as the program changed it.
    """
    with tempfile.TemporaryDirectory(prefix="standin-bundle-") as scratch:
        bundle = Path(scratch)
        (bundle / "bin").mkdir()
        (bundle / "bin" / "runc").write_text("#!/bin/sh\nexit 0\n")
        (bundle / "bin" / "runc").chmod(0o755)
        before = _bundle(spec, security)
        (bundle / "config.json").write_text(json.dumps(before))
        _run(runtime, bundle)
        after = json.loads((bundle / "config.json").read_text())
    spec["env"] = dict(word.split("=", 1) for word in after["process"]["env"] if "=" in word)
    for mount in (after.get("mounts") or [])[len(before["mounts"]):]:
        if mount.get("type") == "bind":
            _mount(spec, mount["source"], mount["destination"], "ro" in (mount.get("options") or []))
    for node in (after.get("linux") or {}).get("devices") or []:
        _mount(spec, node["path"], node["path"])


def _bundle(spec, security):
    added = [name.upper() for name in (security.get("capabilities") or {}).get("add") or []]
    names = [f"CAP_{name}" for name in [*_CAPABILITIES, *added, *(["SYS_ADMIN"] if security.get("privileged") else [])]]
    return {"ociVersion": "1.2.1", "root": {"path": str(spec["rootfs"])},
            "process": {"args": spec["args"], "cwd": spec["cwd"], "env": [f"{k}={v}" for k, v in spec["env"].items()],
                        "capabilities": {kind: names for kind in ("bounding", "effective", "permitted")}},
            "mounts": [{"destination": m["target"], "source": m["source"], "type": "bind",
                        "options": ["rbind", "ro" if m.get("read_only") else "rw"]} for m in spec["mounts"]],
            "linux": {"devices": []}}


def _run(runtime, bundle):
    failed = "failed to create containerd task: failed to create shim task: OCI runtime create failed: unable to retrieve " \
             "OCI runtime error"
    try:
        done = subprocess.run([runtime, "create", "--bundle", str(bundle), bundle.name], capture_output=True, text=True,
                              timeout=30, env={"PATH": f"{bundle}/bin:{os.environ.get('PATH', '/usr/bin:/bin')}"})
    except OSError as problem:
        raise RuntimeFailed(f"{failed}: fork/exec {runtime}: {problem.strerror.lower()}: unknown") from None
    except subprocess.TimeoutExpired:
        raise RuntimeFailed(f"{failed}: {runtime} did not end: unknown") from None
    if done.returncode:
        raise RuntimeFailed(f"{failed}: {runtime} did not terminate successfully: exit status {done.returncode}: "
                            f"{done.stderr.strip()}: unknown")
