# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""K3s tokens: their forms, the CA they pin, and keeping them out of sight."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import NamedTuple

MASK = "********"

_FULL = re.compile(r"^K10([0-9a-f]{64})::(?:([^:\s]+):)?([^:\s]+)$")
_BOOTSTRAP = re.compile(r"^[a-z0-9]{6}\.[a-z0-9]{16}$")
_SHORT = re.compile(r"^[^:\s\"'\\]+$")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
_SECRETS = re.compile(
    r"K10[0-9a-f]{64}::\S*?(?=[\s\"'\\]|$)"         # full tokens
    r"|(?<![0-9a-f@:./-])[0-9a-f]{32}(?![0-9a-f])"  # generated secrets and node passwords
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")            # user:password in an address


class Token(NamedTuple):
    """``ca_hash`` is empty in a short token, ``user`` in short and bootstrap tokens."""

    ca_hash: str
    user: str
    secret: str

    @property
    def bootstrap(self) -> bool:
        """Whether this is a time-limited token made by ``k3s token create``."""
        return bool(_BOOTSTRAP.match(self.secret)) and not self.user


def parse(text: str) -> Token:
    """Parse a token in any of K3s's forms; ValueError names the problem without showing the token."""
    text = text.strip()
    full = _FULL.match(text)
    if full:
        return Token(full.group(1), full.group(2) or "", full.group(3))
    if text.startswith("K10"):
        raise ValueError("the token starts with K10 and is not K10<64 hex digits>::<user>:<secret>; copy it whole")
    if not _SHORT.match(text):
        raise ValueError("the token is empty, or has white space, quotes or a colon")
    return Token("", "", text)


def problem_for(text: str, runtime: str, first_server: bool) -> str | None:
    """Why this token cannot be used by this kind of node, or None. An empty text is the caller's business."""
    try:
        token = parse(text)
    except ValueError as error:
        return str(error)
    if runtime == "k3s_agent" and not token.ca_hash:
        return "an agent wants the full token (K10<CA hash>::...): a short one would trust any server that answers"
    if runtime == "k3s_server" and first_server and token.ca_hash:
        return "the first server of a cluster cannot start with a full token; give the part after the last colon"
    if first_server and len(token.secret) < 16:
        return "the token has less than 16 characters, and it is the key to the whole cluster"
    return None


def ca_for(pem: bytes, ca_hash: str) -> bytes | None:
    """The CA certificate (PEM) that ``ca_hash`` pins within what a server serves as /cacerts, or None.

    K3s hashes the file when it has one certificate, and the root's DER form when it is a chain. Only the
    certificate that matches is returned: a server could put a foreign root beside the right one.
    """
    blocks = _PEM.findall(pem)
    if len(blocks) == 1 and hashlib.sha256(pem).hexdigest() == ca_hash:
        return pem
    for block in blocks if len(blocks) > 1 else []:
        der = base64.b64decode(b"".join(block.split()))
        if hashlib.sha256(der).hexdigest() == ca_hash:
            return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
    return None


def hashes(pem: bytes) -> tuple[str, ...]:
    """Every hash by which a token could pin this CA file: of the file, and of each certificate in it."""
    if not pem:
        return ()
    ders = [base64.b64decode(b"".join(block.split())) for block in _PEM.findall(pem)]
    return tuple(hashlib.sha256(data).hexdigest() for data in [pem] + ders)


def mask(text: str) -> str:
    """``text`` with everything that looks like a K3s secret replaced.

    64 hex digits alone (CA hashes, image digests) are public and stay: they make messages useful.
    """
    return _SECRETS.sub(MASK, text)
