"""The image store: archives from agent/images, unpacked once per image.

Index and root file systems lie where containerd would have its own: below agent/containerd.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
import threading
import time
from pathlib import Path

from standin_common import log, pki

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.lz4", ".tar.bz2")
QUIET_SECONDS = 2.0      # a file is imported this long after its last change
_SCAN_SECONDS = 1.0
_LABELS = "io.cri-containerd.image=managed"
_PINNED = "io.cattle.k3s.pinned=pinned,io.cri-containerd.image=managed,io.cri-containerd.pinned=pinned"
_CHUNK = 1 << 20


class ImportFailed(Exception):
    """Why an archive was not imported, in containerd's words. `stage` is "read" or "ingest"."""


def machine_architecture():
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(platform.machine(), platform.machine())


def normalize(reference):
    """The full form of an image reference; the digest wins over the tag, as in containerd's CRI."""
    name, _, digest = reference.partition("@")
    last = name.rsplit("/", 1)[-1]
    tag = ""
    if ":" in last:
        name, _, tag = name.rpartition(":")
    first = name.split("/")[0]
    if "/" not in name:
        name = "docker.io/library/" + name
    elif not ("." in first or ":" in first or first == "localhost"):
        name = "docker.io/" + name
    return f"{name}@{digest}" if digest else f"{name}:{tag or 'latest'}"


class ImageStore:
    def __init__(self, agent_dir, faults):
        self._dir = agent_dir / "containerd"
        self._watched = agent_dir / "images"
        self._index_file = self._dir / "images.json"
        self._snapshots = self._dir / "io.containerd.snapshotter.v1.overlayfs" / "snapshots"
        self._faults = faults
        self._lock = threading.RLock()
        self._index = self._load()
        self._seen = {}          # path -> (state, when it was seen to change, imported?)
        self.changed = lambda: None

    def _load(self):
        try:
            index = json.loads(self._index_file.read_text())
        except (OSError, ValueError):
            index = {}
        return {"refs": index.get("refs", {}), "images": index.get("images", {}), "files": index.get("files", {})}

    def _save(self):
        pki.write_file(self._index_file, json.dumps(self._index), 0o600)

    # -- reading -----------------------------------------------------------------------------------
    def find(self, reference):
        """The image of a reference as a dict (digest, config, rootfs, name …) or None."""
        with self._lock:
            entry = self._index["refs"].get(normalize(reference)) or self._index["refs"].get(reference)
            if not entry:
                return None
            image = self._index["images"].get(entry["id"])
            if not image or not Path(image["rootfs"]).is_dir():
                return None
            return {**image, "id": entry["id"], "digest": entry["digest"], "name": entry["name"]}

    def for_node_status(self):
        with self._lock:
            images = {}
            for ref, entry in self._index["refs"].items():
                if not ref.startswith("sha256:"):
                    images.setdefault(entry["id"], []).append(ref)
            found = [{"names": sorted(names, key=lambda n: "@" not in n),
                      "sizeBytes": self._index["images"][i]["size"]} for i, names in images.items()]
            return sorted(found, key=lambda i: -i["sizeBytes"])

    # -- the directory agent/images ----------------------------------------------------------------
    def import_all(self):
        """What K3s does at every start: all archives again; images of files that went away lose their pin."""
        with self._lock:
            for entry in self._index["refs"].values():
                entry["pinned"] = False
        for path, state in self._archives():
            self._seen[path] = [state, time.monotonic() - QUIET_SECONDS, True]
            self._import(path, state)

    def start_watching(self):
        threading.Thread(target=self._watch, daemon=True, name="image-watcher").start()

    def _archives(self):
        if not self._watched.is_dir():
            return []
        found = []
        for directory, _, names in os.walk(self._watched):
            for name in names:
                if name.endswith(ARCHIVES) and not name.startswith("."):
                    path = os.path.join(directory, name)
                    try:
                        stat = os.stat(path)
                    except OSError:
                        continue
                    found.append((path, [stat.st_size, stat.st_mtime_ns]))
        return sorted(found)

    def _watch(self):
        while True:
            time.sleep(_SCAN_SECONDS)
            now = time.monotonic()
            present = self._archives()
            for path in set(self._seen) - {p for p, _ in present}:
                del self._seen[path]
            for path, state in present:
                seen = self._seen.get(path)
                if seen is None or seen[0] != state:
                    self._seen[path] = [state, now, False]
                elif not seen[2] and now - seen[1] >= QUIET_SECONDS - _SCAN_SECONDS / 2:
                    seen[2] = True
                    self._import(path, state)

    def _import(self, path, state):
        begun = time.monotonic()
        log.info(f"Importing images from {path}")
        try:
            time.sleep(self._faults.number("import-delay"))
            names = self._known(path, state) or self._import_archive(path, state)
        except ImportFailed as problem:
            log.error(f"Failed to process image event: failed to import {path}: {problem}")
            return
        except OSError as problem:
            text = "no space left on device" if problem.errno == errno.ENOSPC else str(problem.strerror).lower()
            log.error(f"Failed to process image event: failed to import {path}: failed to import images from {path}: "
                      f"{text}")
            return
        milliseconds = (time.monotonic() - begun) * 1000
        log.info(f"Imported {len(names)} images from {path} in {milliseconds:.6f}ms")
        self.changed()

    def _known(self, path, state):
        """Names of an archive that was imported before and did not change; pins them again."""
        with self._lock:
            file = self._index["files"].get(path)
            if not file or file["state"] != state or not all(
                    self.find(name) for name in file["names"]):
                return None
            for name in file["names"]:
                self._announce(name, self._index["refs"][name]["digest"])
                self._pin(name)
            return file["names"]

    @staticmethod
    def _announce(name, digest):
        log.info(f"Imported {name}")
        log.info(f"Tagged {name.rpartition(':')[0]}@{digest}")

    def _pin(self, name):
        entry = self._index["refs"][name]
        for ref, other in self._index["refs"].items():
            if other["id"] == entry["id"] and not ref.startswith("sha256:"):
                other["pinned"] = True

    # -- one archive -------------------------------------------------------------------------------
    def _import_archive(self, path, state):
        scratch = self._dir / "ingest"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            blobs = _Blobs(path, scratch).read()
            names = []
            for image in _images(path, blobs):
                names.append(self._add(image))
            if not names:
                raise ImportFailed(f"failed to import images from {path}: unrecognized image format")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        with self._lock:
            for name in names:
                self._pin(name)
            self._index["files"][path] = {"state": state, "names": names}
            self._save()
        return names

    def _add(self, image):
        rootfs = self._snapshots / image["id"].split(":")[1] / "fs"
        if not rootfs.is_dir():
            self._unpack(image["layers"], rootfs)
        name = image["name"]
        with self._lock:
            self._index["images"][image["id"]] = {"config": image["config"], "rootfs": str(rootfs),
                                                  "size": image["size"], "media_type": image["media_type"]}
            entry = {"id": image["id"], "digest": image["digest"], "name": name, "pinned": False}
            for ref in (name, f"{name.rpartition(':')[0]}@{image['digest']}", image["id"]):
                self._index["refs"][ref] = dict(entry)
        self._announce(name, image["digest"])
        return name

    def _unpack(self, layers, rootfs):
        temporary = rootfs.parent / "unpacking"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            for layer in layers:
                _apply_layer(layer, temporary)
            temporary.rename(rootfs)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    # -- `k3s ctr images ls` -----------------------------------------------------------------------
    def listing(self):
        """[(ref, media type, digest, size, platform, labels)] sorted by reference"""
        rows = []
        for ref, entry in sorted(self._index["refs"].items()):
            image = self._index["images"].get(entry["id"])
            if image:
                pinned = entry.get("pinned") and not ref.startswith("sha256:")
                rows.append((ref, image["media_type"], entry["digest"], image["size"],
                             f"linux/{machine_architecture()}", _PINNED if pinned else _LABELS))
        return rows


class _Blobs:
    """The members of an archive, each checked for completeness, as files in a scratch folder."""

    def __init__(self, path, scratch):
        self._path, self._scratch = path, scratch

    def read(self):
        """member name -> Path"""
        found = {}
        source, process = self._open()
        try:
            archive = tarfile.open(fileobj=source, mode="r|")
            for number, member in enumerate(archive):
                name = os.path.normpath(member.name)
                if member.isfile() and not name.startswith(("..", "/")):
                    target = self._scratch / str(number)
                    self._copy(archive, member, target)
                    found[name] = target
                elif member.issym() or member.islnk():
                    linked = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname)
                                              if member.issym() else member.linkname)
                    if linked in found:
                        found[name] = found[linked]
        except (tarfile.TarError, EOFError, gzip.BadGzipFile) as problem:
            raise ImportFailed(f"failed to import images from {self._path}: {self._words(problem)}") from None
        finally:
            source.close()
            if process:
                process.kill()
                process.wait()
        return found

    def _open(self):
        name = str(self._path)
        if name.endswith((".gz", ".tgz")):
            return gzip.open(name, "rb"), None
        for suffix, command in ((".zst", ["zstd", "-dcq"]), (".lz4", ["lz4", "-dcq"]), (".bz2", ["bzip2", "-dcq"])):
            if name.endswith(suffix):
                try:
                    process = subprocess.Popen([*command, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                except FileNotFoundError:
                    raise ImportFailed(f"failed to import images from {name}: the host has no {command[0]}") from None
                return process.stdout, process
        return open(name, "rb"), None

    def _words(self, problem):
        text, size = str(problem), os.path.getsize(self._path)
        if size == 0 or "empty" in text and size < 1024:
            return "unrecognized image format" if size == 0 else "unexpected EOF"
        if size < 512 or "unexpected end of data" in text or "truncated" in text or isinstance(problem, EOFError):
            return "unexpected EOF"
        return "archive/tar: invalid tar header"

    @staticmethod
    def _copy(archive, member, target):
        got = 0
        with open(target, "wb") as file:
            source = archive.extractfile(member)
            try:
                while got < member.size:
                    chunk = source.read(min(_CHUNK, member.size - got))
                    if not chunk:
                        break
                    file.write(chunk)
                    got += len(chunk)
            except (tarfile.ReadError, EOFError):
                got = file.tell()
        if got != member.size:
            raise ImportFailed(f'failed to ingest "{member.name}": short read: expected {member.size} bytes but got '
                               f"{got}: unexpected EOF")


def _images(path, blobs):
    """Images of an archive: name, digest, id (config digest), config, layers (files), size, media_type."""
    if "index.json" in blobs and "oci-layout" in blobs:
        return _oci_images(path, blobs)
    if "manifest.json" in blobs:
        return _docker_images(blobs)
    raise ImportFailed(f"failed to import images from {path}: unrecognized image format")


def _blob(path, blobs, digest):
    file = blobs.get("blobs/" + digest.replace(":", "/"))
    if file is None:
        raise ImportFailed(f"failed to import images from {path}: content digest {digest}: not found")
    measured = hashlib.sha256()
    with open(file, "rb") as source:
        for chunk in iter(lambda: source.read(_CHUNK), b""):
            measured.update(chunk)
    if "sha256:" + measured.hexdigest() != digest:
        raise ImportFailed(f"failed to import images from {path}: failed commit on ref \"unknown-{digest}\": unexpected "
                           f"commit digest sha256:{measured.hexdigest()}, expected {digest}: failed precondition")
    return file


def _oci_images(path, blobs):
    found = []
    for descriptor in json.loads(blobs["index.json"].read_text())["manifests"]:
        annotations = descriptor.get("annotations") or {}
        name = annotations.get("io.containerd.image.name") or annotations.get("org.opencontainers.image.ref.name") or ""
        if not re.search(r"[/:]", name):
            continue  # an image without a full name cannot be used by its name
        top, manifest = descriptor["digest"], json.loads(_blob(path, blobs, descriptor["digest"]).read_text())
        media_type = descriptor.get("mediaType", "application/vnd.oci.image.manifest.v1+json")
        if "manifests" in manifest:
            manifest = _for_this_machine(path, blobs, manifest, top)
        config = json.loads(_blob(path, blobs, manifest["config"]["digest"]).read_text())
        if config.get("architecture", machine_architecture()) != machine_architecture():
            raise ImportFailed(f"failed to import images from {path}: no match for platform in manifest {top}: "
                               "not found")
        layers = [_blob(path, blobs, layer["digest"]) for layer in manifest["layers"]]
        found.append({"name": normalize(name), "digest": top, "id": manifest["config"]["digest"],
                      "config": config.get("config") or {}, "layers": layers, "media_type": media_type,
                      "size": sum(layer["size"] for layer in manifest["layers"])})
    return found


def _for_this_machine(path, blobs, index, top):
    for descriptor in index["manifests"]:
        if (descriptor.get("platform") or {}).get("architecture") == machine_architecture():
            return json.loads(_blob(path, blobs, descriptor["digest"]).read_text())
    raise ImportFailed(f"failed to import images from {path}: no match for platform in manifest {top}: not found")


def _docker_images(blobs):
    found = []
    for entry in json.loads(blobs["manifest.json"].read_text()):
        raw = blobs[entry["Config"]].read_bytes()
        config_digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        layers = [blobs[os.path.normpath(name)] for name in entry["Layers"]]
        size = sum(layer.stat().st_size for layer in layers)
        digest = "sha256:" + hashlib.sha256(json.dumps([config_digest, entry["Layers"]]).encode()).hexdigest()
        for tag in entry.get("RepoTags") or []:
            found.append({"name": normalize(tag), "digest": digest, "id": config_digest,
                          "config": json.loads(raw).get("config") or {}, "layers": layers, "size": size,
                          "media_type": "application/vnd.docker.distribution.manifest.v2+json"})
    return found


def _apply_layer(layer, target):
    """Unpacks one layer over the ones below, with its whiteouts."""
    with open(layer, "rb") as file:
        magic = file.read(4)
    compression = ["-z"] if magic[:2] == b"\x1f\x8b" else ["--zstd"] if magic == b"\x28\xb5\x2f\xfd" else []
    listed = subprocess.run(["tar", *compression, "-tf", str(layer)], capture_output=True, text=True)
    if listed.returncode:
        raise ImportFailed(f"failed to extract layer: {listed.stderr.strip()[:200]}")
    for name in listed.stdout.splitlines():
        base = os.path.basename(name.rstrip("/"))
        parent = target / os.path.normpath(os.path.dirname(name)).lstrip("/")
        if base == ".wh..wh..opq":
            for child in parent.iterdir() if parent.is_dir() else []:
                _remove(child)
        elif base.startswith(".wh."):
            _remove(parent / base[4:])
    done = subprocess.run(["tar", *compression, "-xpf", str(layer), "-C", str(target), "--numeric-owner",
                           "--exclude=.wh.*"], capture_output=True, text=True)
    if done.returncode:
        if "No space left" in done.stderr:
            raise OSError(errno.ENOSPC, "no space left on device")
        raise ImportFailed(f"failed to extract layer: {done.stderr.strip()[:200]}")


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    elif path.is_symlink() or path.exists():
        path.unlink()
