"""Last step before a container's program: runs as process 1 of new namespaces, with nothing but the standard
library, and replaces itself by the program. Usage: container_init.py SPEC.json

Talks through the FIFO named in the spec: first `pid <host pid>`, then nothing (the program runs: the FIFO closes
with exec) or `error <text>`.
"""

import ctypes
import json
import os
import sys

_LIBC = ctypes.CDLL(None, use_errno=True)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
CLONE_NEWNET = 0x40000000
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def mount(source, target, kind, flags=0, options=""):
    if _LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, "mount %s on %s: %s" % (source, target, os.strerror(number)))


def make_root(spec):
    """The image with a private layer on top; where overlays do not stack, a private copy was made before."""
    if spec.get("copied_root"):
        return spec["copied_root"]
    options = "lowerdir=%s,upperdir=%s,workdir=%s" % (spec["rootfs"], spec["upper"], spec["work"])
    mount("overlay", spec["merged"], "overlay", 0, options)
    return spec["merged"]


def inside(root, path):
    """A path of the container as a path of the host; symbolic links in the image do not lead out of it."""
    at = root
    for part in [p for p in path.split("/") if p not in ("", ".")]:
        if part == "..":
            continue
        following = os.path.join(at, part)
        if os.path.islink(following):
            following = inside(root, os.path.join("/" + os.path.relpath(at, root), os.readlink(following))
                               if not os.readlink(following).startswith("/") else os.readlink(following))
        at = following
    return at


def place_for(root, target, source):
    path = inside(root, target)
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.exists(path):
            open(path, "a").close()
    return path


def prepare_mounts(root, spec):
    for directory in ("proc", "sys", "dev", "tmp"):
        os.makedirs(os.path.join(root, directory), exist_ok=True)
    mount("proc", os.path.join(root, "proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    try:
        mount("/sys", os.path.join(root, "sys"), "none", MS_BIND | MS_REC)
    except OSError:
        pass
    dev = os.path.join(root, "dev")
    mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=755,size=65536k")
    for name in _DEVICES:
        open(os.path.join(dev, name), "a").close()
        mount("/dev/" + name, os.path.join(dev, name), "none", MS_BIND)
    os.makedirs(os.path.join(dev, "shm"))
    mount("shm", os.path.join(dev, "shm"), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k")
    for link, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
                         ("stderr", "/proc/self/fd/2")):
        os.symlink(target, os.path.join(dev, link))
    for entry in spec["mounts"]:
        path = place_for(root, entry["target"], entry["source"])
        mount(entry["source"], path, "none", MS_BIND | MS_REC)
        if entry.get("read_only"):
            mount("none", path, "none", MS_BIND | MS_REMOUNT | MS_RDONLY)


def become(user):
    """uid and gid from `uid[:gid]` or names in the image's /etc/passwd and /etc/group."""
    name, _, group = (user or "0").partition(":")
    uid, gid = lookup("/etc/passwd", name)
    if group:
        gid = lookup("/etc/group", group)[0]
    os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)


def lookup(path, name):
    if name.isdigit():
        return int(name), 0
    with open(path) as file:
        for line in file:
            fields = line.rstrip("\n").split(":")
            if fields[0] == name:
                return int(fields[2]), int(fields[3]) if path.endswith("passwd") else 0
    raise OSError("unable to find user %s: no matching entries in passwd file" % name)


def find_program(name, environment, directory):
    if "/" in name:
        candidates = [os.path.join(directory, name)]
    else:
        candidates = [os.path.join(p, name) for p in environment.get("PATH", "").split(":") if p]
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    if "/" in name:
        raise OSError('exec: "%s": stat %s: no such file or directory' % (name, name)
                      if not os.path.exists(candidates[0]) else 'exec: "%s": permission denied' % name)
    raise OSError('exec: "%s": executable file not found in $PATH' % name)


def main():
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    pipe = os.open(spec["fifo"], os.O_WRONLY | os.O_CLOEXEC)
    host_pid = os.readlink("/proc/self")
    os.write(pipe, ("pid %s\n" % host_pid).encode())
    try:
        if spec.get("netns"):
            descriptor = os.open(spec["netns"], os.O_RDONLY | os.O_CLOEXEC)
            if _LIBC.setns(descriptor, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        if spec.get("hostname") and not spec.get("host_network"):
            _LIBC.sethostname(spec["hostname"].encode(), len(spec["hostname"].encode()))
        root = make_root(spec)
        prepare_mounts(root, spec)
        os.chroot(root)
        directory = spec.get("cwd") or "/"
        os.makedirs(directory, exist_ok=True)
        os.chdir(directory)
        environment = spec["env"]
        program = find_program(spec["args"][0], environment, directory)
        become(spec.get("user"))
        os.umask(0o022)
        os.execve(program, spec["args"], environment)
    except (OSError, KeyError, IndexError, ValueError) as problem:
        os.write(pipe, ("error %s\n" % problem).encode())
        os._exit(128)


main()
