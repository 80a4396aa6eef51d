# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One node and its artifacts: look, decide, apply."""

from __future__ import annotations

import os

from ansible_collections.edgeai.sites.plugins.module_utils.bundle import node_files as files
from ansible_collections.edgeai.sites.plugins.module_utils.bundle import node_index
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.naming import machine_arch
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.placement import packages_dir
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.space import check_space, needs

INDEX_NAME = "artifacts.json"
STAGING_NAME = "staging"


def check_machine(machine, arch):
    """Raise unless a host that reports ``machine`` (uname -m) runs artifacts for ``arch``."""
    if machine_arch(machine) != arch:
        raise BundleError(
            "artifacts for %s do not run on this host" % arch,
            found="machine %s (%s)" % (machine, machine_arch(machine) or "not supported"), wanted=arch,
            remedy="correct arch of this node in the inventory",
        )


class Node:
    """The artifacts of this host.

    ``placements`` are dicts as Placement.to_dict() returns them, ``images_dir`` is the directory that K3s watches.
    """

    def __init__(self, placements, images_dir, state_dir, verify="changed", login_user=None):
        self.placements = placements
        self.images_dir = images_dir
        self.packages_dir = packages_dir(state_dir)
        self.verify = verify
        self.index_path = os.path.join(state_dir, INDEX_NAME)
        self.staging = files.Staging(os.path.join(state_dir, STAGING_NAME), login_user)
        self.index = node_index.parse_index(files.read_text(self.index_path, node_index.MAX_BYTES))
        self.seen = {}
        self.found = {}
        for placement in placements:
            self._look(placement["path"])
        self.former = self._former()

    def _look(self, path):
        """Remember stat and SHA-256 of a path; a SHA-256 of None means: absent or no regular file."""
        seen = files.stamp(path)
        if seen and seen["directory"]:
            raise BundleError("%s is a directory" % path, wanted="a file or nothing", remedy="move the directory away")
        digest = None
        if seen and seen["regular"]:
            digest = node_index.remembered(self.index, path, seen) if self.verify == "changed" else None
            digest = digest or files.sha256_file(path)
        self.seen[path], self.found[path] = seen, digest

    def _former(self):
        """Return the archives and packages to remove: ours, unwanted, and still with the bytes that we put there."""
        wanted = [placement["path"] for placement in self.placements]
        result = []
        for path in node_index.former_paths(self.index, wanted, self.images_dir, self.packages_dir):
            self._look(path)
            if self.found[path] == self.index[path]["sha256"]:
                result.append(path)
        return result

    def absent(self):
        """Return the placements whose bytes are not there."""
        return [p for p in self.placements if self.found[p["path"]] != p["sha256"]]

    def drifted(self):
        """Return the placements with the right bytes and a wrong mode or owner."""
        return [p for p in self.placements if self.found[p["path"]] == p["sha256"] and self._has_drifted(p)]

    def _has_drifted(self, placement):
        seen = self.seen[placement["path"]]
        owned = os.geteuid() != 0 or (seen["uid"], seen["gid"]) == (0, 0)
        return seen["mode"] != placement["mode"] or not owned

    def reason(self, placement):
        """Say why a placement must be acted on."""
        path = placement["path"]
        if self.seen[path] is None:
            return "absent"
        return "mode" if self.found[path] == placement["sha256"] else "content"

    def text_before(self):
        """Return path, SHA-256 and mode of everything that we look after."""
        paths = {p["path"] for p in self.placements} | set(self.former)
        return "".join(
            "%s sha256:%s %s\n" % (path, self.found[path] or "(no regular file)", self.seen[path]["mode"])
            for path in sorted(paths) if self.seen[path]
        )

    def text_after(self):
        """Return the same lines as they must be."""
        return "".join(
            "%s sha256:%s %s\n" % (p["path"], p["sha256"], p["mode"])
            for p in sorted(self.placements, key=lambda p: p["path"])
        )

    def requests(self):
        """Return what the controller must send: ``[{sha256, size, path, staged: {piece number: sha256}}]``."""
        absent = {p["sha256"]: p for p in self.absent()}
        return [
            dict(sha256=p["sha256"], size=p["size"], path=p["path"], staged=self.staging.hashes(p["sha256"], p["size"]))
            for p in absent.values()
        ]

    def check_space(self):
        """Raise if the node has no room for what is absent."""
        device, free, path = files.device_and_free(self.staging.path)
        room, paths, missing = {device: free}, {device: path}, []
        for placement in self.absent():
            target, free, path = files.device_and_free(placement["path"])
            room.setdefault(target, free)
            paths.setdefault(target, path)
            staged = sum(self.staging.sizes(placement["sha256"], placement["size"]).values())
            missing.append((placement["size"], staged, target))
        check_space(needs(missing, device), room, paths)

    def apply(self):
        """Put everything in place from staged pieces; return the placements whose pieces were lacking or damaged."""
        damaged = [p for p in self.absent() if not self._place(p)]
        for placement in self.drifted():
            if os.geteuid() == 0:
                os.chown(placement["path"], 0, 0)
            os.chmod(placement["path"], int(placement["mode"], 8))
            self._look(placement["path"])
        if not damaged:
            for path in self.former:
                os.unlink(path)
            self.staging.clear()
        self._write_index(keep=self.former if damaged else [])
        return damaged

    def _place(self, placement):
        path, digest = placement["path"], placement["sha256"]
        if not self.staging.is_complete(digest, placement["size"]):
            return False
        workshop = self._workshop(path)
        files.remove_unfinished(workshop)
        temporary = files.unfinished(workshop, digest)
        try:
            whole = self.staging.assemble(digest, placement["size"], temporary)
        except OSError:
            files.remove_unfinished(workshop)
            raise
        if not whole:
            os.unlink(temporary)
            self.staging.drop(digest)
            return False
        files.put(temporary, path, placement["mode"])
        self.seen[path], self.found[path] = files.stamp(path), digest
        if all(other["sha256"] != digest for other in self.absent()):
            self.staging.drop(digest)
        return True

    def _workshop(self, path):
        """Return the directory for the unfinished file: same file system, but never the one that K3s watches."""
        folder = os.path.dirname(path)
        agent = os.path.dirname(self.images_dir)
        files.make_directories(folder, {agent: 0o700})
        return os.path.dirname(os.path.realpath(folder)) if folder == self.images_dir else folder

    def remember(self):
        """Keep the hashes of this look for the next one."""
        self._write_index(keep=self.former)

    def _write_index(self, keep):
        ours = {p["path"]: p["sha256"] for p in self.placements}
        index = {
            path: node_index.entry(digest, self.seen[path])
            for path, digest in ours.items() if self.found[path] == digest
        }
        index.update({path: self.index[path] for path in keep})
        if index != self.index:
            files.write_atomic(self.index_path, node_index.dump_index(index), 0o600)
            self.index = index
