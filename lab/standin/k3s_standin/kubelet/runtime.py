"""Containers as plain processes: own namespaces, a chroot into the unpacked image, a small shell as the shim.

The shim (`/bin/sh`) outlives K3s and writes the exit status, so a container survives a restart of K3s and is found
again by its id. What is below /run is gone after a reboot, like the processes.
"""

from __future__ import annotations

import json
import os
import pkgutil
import secrets
import select
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

STATE = Path("/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io")
START_SECONDS = 20.0
_SHIM = ('unshare --mount --pid --uts --ipc --fork --kill-child -- "$1" -S -E "$2" "$3/spec.json"; '
         'code=$?; echo $code >"$3/exit.new"; mv "$3/exit.new" "$3/exit"')


class StartError(Exception):
    """The program could not be executed; the text is runc's."""


@dataclass
class Container:
    id: str
    directory: Path
    pid: int = 0             # host pid of the program
    shim: int = 0
    process: object = field(default=None, repr=False)  # Popen of the shim where it is our child

    def exit_code(self):
        """The exit code, 255 where nobody saw the end, None while it runs."""
        try:
            return int((self.directory / "exit").read_text())
        except (OSError, ValueError):
            pass
        if self.process is not None:
            if self.process.poll() is None:
                return None
            try:
                return int((self.directory / "exit").read_text())
            except (OSError, ValueError):
                return 255
        return None if self.shim and _alive(self.shim, str(self.directory)) else 255


def _alive(pid, marker):
    try:
        return marker in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False


class ExitWatcher:
    """Calls back when a process ends, without polling (pidfd)."""

    def __init__(self):
        self._poll = select.epoll()
        self._callbacks = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._run, daemon=True, name="exit-watcher").start()

    def watch(self, pid, callback):
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            callback()
            return
        with self._lock:
            self._callbacks[descriptor] = callback
        self._poll.register(descriptor, select.EPOLLIN)

    def _run(self):
        while True:
            for descriptor, _ in self._poll.poll():
                self._poll.unregister(descriptor)
                with self._lock:
                    callback = self._callbacks.pop(descriptor, None)
                os.close(descriptor)
                if callback:
                    callback()


class ProcessRuntime:
    name = "containerd://2.3.2-k3s2"

    def __init__(self, agent_dir):
        self._layers = agent_dir / "containerd" / "standin-containers"
        self._init = agent_dir / "containerd" / "bin" / "container_init.py"
        self._exits = ExitWatcher()
        self._overlay = None    # whether overlays work here: known after the first container

    def prepare(self):
        STATE.mkdir(mode=0o711, parents=True, exist_ok=True)
        for path in (Path("/run/k3s"), Path("/run/k3s/containerd")):
            path.chmod(0o711)
        self._init.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._layers.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._init.write_bytes(pkgutil.get_data("k3s_standin.kubelet", "container_init.py"))

    # -- starting ----------------------------------------------------------------------------------
    def start(self, spec, log_file, on_exit, container_id=None):
        """Runs a container. spec: rootfs, args, env, cwd, user, mounts, netns, hostname, host_network."""
        if self._overlay is None:
            self._overlay = self._overlay_works(spec["rootfs"])
        container_id = container_id or secrets.token_hex(32)
        directory, layer = STATE / container_id, self._layers / container_id
        directory.mkdir(mode=0o711, parents=True)
        spec = {**spec, "fifo": str(directory / "start"), **self._root_of(spec, layer)}
        (directory / "spec.json").write_text(json.dumps(spec))
        os.chmod(directory / "spec.json", 0o600)
        # As containerd's shim leaves them: what runs it, and whose it is.
        (directory / "runtime").write_text(spec.get("runtime", ""))
        (directory / "config.json").write_text(json.dumps({"annotations": spec.get("annotations", {})}))
        os.mkfifo(spec["fifo"], 0o600)
        reader = os.open(spec["fifo"], os.O_RDONLY | os.O_NONBLOCK)
        Path(log_file).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(log_file, "ab") as output:
            process = subprocess.Popen(["/bin/sh", "-c", _SHIM, "containerd-shim", sys.executable, str(self._init),
                                        str(directory)], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                       start_new_session=True, cwd="/", env={"PATH": os.environ.get("PATH", "")})
        try:
            pid = self._await_start(reader, process)
        except StartError:
            process.wait()
            self.remove(container_id)
            raise
        finally:
            os.close(reader)
        (directory / "pid").write_text(f"{pid} {process.pid}\n")
        (directory / "init.pid").write_text(str(pid))
        container = Container(container_id, directory, pid, process.pid, process)
        self._exits.watch(process.pid, on_exit)
        return container

    def _root_of(self, spec, layer):
        if self._overlay:
            paths = {name: layer / name for name in ("upper", "work", "merged")}
            for path in paths.values():
                path.mkdir(mode=0o755, parents=True)
            return {name: str(path) for name, path in paths.items()}
        layer.mkdir(parents=True)
        subprocess.run(["cp", "-a", "--reflink=auto", spec["rootfs"], str(layer / "copy")], check=True)
        return {"copied_root": str(layer / "copy")}

    def _overlay_works(self, rootfs):
        """Overlays do not stack on overlays: one trial mount in a namespace of its own tells."""
        trial = self._layers / "overlay-trial"
        shutil.rmtree(trial, ignore_errors=True)
        for name in ("upper", "work", "merged"):
            (trial / name).mkdir(parents=True)
        options = f"lowerdir={rootfs},upperdir={trial}/upper,workdir={trial}/work"
        done = subprocess.run(["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options,
                               f"{trial}/merged"], capture_output=True)
        shutil.rmtree(trial, ignore_errors=True)
        return done.returncode == 0

    @staticmethod
    def _await_start(reader, process):
        """The host pid of the program once it runs; StartError where it cannot."""
        poll, text = select.poll(), b""
        poll.register(reader, select.POLLIN)
        opened = False
        for _ in range(int(START_SECONDS * 100)):
            events = poll.poll(10)
            if events and events[0][1] & select.POLLIN:
                opened = True
                text += os.read(reader, 65536)
                continue
            if opened and events and events[0][1] & select.POLLHUP:
                break
            if process.poll() is not None and not events:
                break
        lines = text.decode(errors="replace").splitlines()
        problem = next((line[len("error "):] for line in lines if line.startswith("error ")), None)
        pid = next((int(line.split()[1]) for line in lines if line.startswith("pid ")), 0)
        if problem or not pid:
            process.kill() if not opened else None
            raise StartError("failed to create containerd task: failed to create shim task: OCI runtime create failed: "
                             "runc create failed: unable to start container process: error during container init: "
                             + (problem or "no answer from init") + ": unknown")
        return pid

    # -- finding, stopping, removing ---------------------------------------------------------------
    def find(self, container_id, on_exit):
        """A container that an earlier K3s started; None where nothing is left of it (a reboot)."""
        directory = STATE / container_id
        try:
            pid, shim = (int(n) for n in (directory / "pid").read_text().split())
        except (OSError, ValueError):
            return None
        container = Container(container_id, directory, pid, shim)
        if container.exit_code() is None:
            self._exits.watch(shim, on_exit)
        return container

    @staticmethod
    def signal(container, number):
        try:
            os.kill(container.pid, number)
        except OSError:
            pass

    def kill(self, container):
        self.signal(container, signal.SIGKILL)

    def exec(self, container, command, timeout):
        """(exit code, output) of a command inside the container; code None after the timeout."""
        words = ["nsenter", "-t", str(container.pid), "-m", "-u", "-i", "-n", "-p", "-r", "--wd=/", "--", *command]
        try:
            done = subprocess.run(words, capture_output=True, timeout=timeout, env={
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
        except subprocess.TimeoutExpired:
            return None, ""
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace")

    def remove(self, container_id):
        shutil.rmtree(STATE / container_id, ignore_errors=True)
        shutil.rmtree(self._layers / container_id, ignore_errors=True)

    def remove_unknown(self, known):
        """Drops what is left of containers that no pod record names."""
        for directory in list(STATE.iterdir()) if STATE.is_dir() else []:
            if directory.name not in known:
                found = self.find(directory.name, lambda: None)
                if found and found.exit_code() is None:
                    self.kill(found)
                self.remove(directory.name)
        for layer in list(self._layers.iterdir()):
            if layer.name not in known:
                shutil.rmtree(layer, ignore_errors=True)
