# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a node: hashing, staging, assembling (the I/O adapter of the module artifacts)."""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
import re
import stat
from functools import partial

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.pieces import PIECE_NAME, lengths, piece_name
from ansible_collections.edgeai.sites.plugins.module_utils.files import CHUNK, sha256_of

_UNFINISHED = re.compile(r"\.edgeai-[0-9a-f]{16}\.part\Z")
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def stamp(path):
    """Return what stat says about ``path``, or None if nothing is there."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise BundleError("%s cannot be reached" % path, found="a file where a directory should be", remedy="move it away")
    return {
        "regular": stat.S_ISREG(found.st_mode), "directory": stat.S_ISDIR(found.st_mode),
        "mode": "%04o" % stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid,
        "size": found.st_size, "mtime_ns": found.st_mtime_ns, "ctime_ns": found.st_ctime_ns, "ino": found.st_ino,
    }


def open_regular(path):
    """Open a regular file for reading; links, pipes and devices that somebody planted are refused."""
    handle = os.open(path, _READ)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return os.fdopen(handle, "rb")


def sha256_file(path):
    """Return the SHA-256 of a regular file."""
    with open_regular(path) as stream:
        return sha256_of(stream)


def existing_parent(path):
    """Return the nearest directory above ``path`` that exists."""
    parent = os.path.dirname(path)
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    return parent


def device_and_free(path):
    """Return ``(device, free bytes, directory)`` of the file system where ``path`` is or would be."""
    parent = existing_parent(path)
    free = os.statvfs(parent)
    return os.stat(parent).st_dev, free.f_bavail * free.f_frsize, parent


def make_directories(path, modes):
    """Create ``path`` and its parents; ``modes`` gives those that are not 0755. What is there stays as it is."""
    if os.path.isdir(path):
        return
    make_directories(os.path.dirname(path), modes)
    try:
        os.mkdir(path, modes.get(path, 0o755))
    except FileExistsError:
        raise BundleError("%s is not a directory" % path, remedy="move it away")
    os.chmod(path, modes.get(path, 0o755))


def write_atomic(path, text, mode):
    """Replace a small text file of ours."""
    make_directories(os.path.dirname(path), {})
    temporary = path + ".new"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, path)


def read_text(path, limit):
    """Return the text of a small file, or "" if it is absent, too large or not text."""
    try:
        with open_regular(path) as stream:
            data = stream.read(limit + 1)
        return data.decode() if len(data) <= limit else ""
    except (OSError, UnicodeDecodeError):
        return ""


class Staging:
    """The directory where pieces arrive: on disk, so that they survive a reboot; writable by the login user alone."""

    def __init__(self, path, login_user=None):
        self.path = path
        self.login_user = login_user

    def prepare(self):
        """Create the directory, or make it safe again."""
        make_directories(self.path, {self.path: 0o700})
        if os.path.islink(self.path):
            raise BundleError("%s is a symbolic link" % self.path, wanted="a directory", remedy="remove the link")
        owner = self._owner()
        if os.geteuid() == 0:
            os.chown(self.path, owner, -1)
        os.chmod(self.path, 0o700)

    def _owner(self):
        """Return the id of the user who logs in: become made us root, but files arrive without become."""
        if os.environ.get("SUDO_UID", "").isdigit():
            return int(os.environ["SUDO_UID"])
        name = os.environ.get("DOAS_USER") or self.login_user
        try:
            return pwd.getpwnam(name).pw_uid if name else os.geteuid()
        except KeyError:
            return os.geteuid()

    def sizes(self, sha256, size):
        """Return ``{number: bytes}`` of the pieces that are there, as far as they can belong to the file."""
        limits = lengths(size)
        found = {}
        for number, length in enumerate(limits):
            piece = stamp(self._piece(sha256, number))
            if piece and piece["regular"] and 0 < piece["size"] <= length:
                found[number] = piece["size"]
        return found

    def hashes(self, sha256, size):
        """Return ``{number as text: sha256}`` of the pieces that are there."""
        return {str(number): sha256_file(self._piece(sha256, number)) for number in self.sizes(sha256, size)}

    def is_complete(self, sha256, size):
        """Tell whether every piece is there in full length."""
        return self.sizes(sha256, size) == dict(enumerate(lengths(size)))

    def assemble(self, sha256, size, temporary):
        """Join the pieces into ``temporary`` and return whether the result has its SHA-256."""
        digest = hashlib.sha256()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as target:
            for number in range(len(lengths(size))):
                with open_regular(self._piece(sha256, number)) as piece:
                    for chunk in iter(partial(piece.read, CHUNK), b""):
                        digest.update(chunk)
                        target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        return digest.hexdigest() == sha256

    def drop(self, sha256):
        """Remove the pieces of one file."""
        for name in self.pieces():
            if name.startswith(sha256 + "."):
                os.unlink(os.path.join(self.path, name))

    def pieces(self):
        """Return the names of all pieces that are there."""
        try:
            return sorted(name for name in os.listdir(self.path) if PIECE_NAME.match(name))
        except FileNotFoundError:
            return []

    def clear(self):
        """Remove all pieces, and the directory if nothing else is in it."""
        for name in self.pieces():
            os.unlink(os.path.join(self.path, name))
        if os.path.isdir(self.path) and not os.listdir(self.path):
            os.rmdir(self.path)

    def _piece(self, sha256, number):
        return os.path.join(self.path, piece_name(sha256, number))


def unfinished(folder, sha256):
    """Return the name under which a file is assembled."""
    return os.path.join(folder, ".edgeai-%s.part" % sha256[:16])


def remove_unfinished(folder):
    """Remove what a run that was killed left behind."""
    for name in os.listdir(folder):
        if _UNFINISHED.match(name):
            os.unlink(os.path.join(folder, name))


def put(temporary, path, mode):
    """Give an assembled file its mode and owner and move it to its place for good."""
    os.chmod(temporary, int(mode, 8))
    if os.geteuid() == 0:
        os.chown(temporary, 0, 0)
    try:
        os.rename(temporary, path)
    except OSError as error:
        os.unlink(temporary)
        if error.errno == errno.EXDEV:
            raise BundleError(
                "%s lies on another file system than %s" % (path, os.path.dirname(temporary)),
                wanted="a directory that is not a mount point of its own", remedy="mount its parent instead",
            )
        if error.errno in (errno.EISDIR, errno.ENOTEMPTY):
            raise BundleError("%s is a directory" % path, wanted="a file or nothing", remedy="move the directory away")
        raise
    handle = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
