# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens with which EdgeCore joins: their form, the CA that they pin, their expiry.

A token is ``<sha256 of the CA's DER, hex>.<JWT>``. The JWT is HS256, its key is the DER form of the CA's private key, and
its only claim is ``exp``. CloudCore writes one into the secret tokensecret at its start and every 12 hours; it is good
for 24 hours and any number of nodes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from typing import Any, NamedTuple, Optional

# What is left of a token has to outlast a slow join.
MARGIN = 900  # seconds

_FORM = re.compile(r"^([0-9a-f]{64})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$")
_SIGNATURE_BYTES = 32
_MAX = 4096  # characters; a real one has 170
_REFRESH = "Restart CloudCore, which writes a new one at its start, and check that it runs: it refreshes it every 12 hours"


class TokenError(ValueError):
    """Why a token cannot be used, and what to do. The token is never in the text."""


class Token(NamedTuple):
    """A well-formed token. ``expires``: seconds since 1970."""

    ca_sha256: str
    jwt: str
    expires: float


def parse(text: str) -> Token:
    """Take a token apart. TokenError when it is none, or only a part or a wrapping of one."""
    text = text.strip()
    found = _FORM.match(text) if len(text) <= _MAX else None
    if not found:
        raise TokenError(_what_else(text))
    ca_sha256, header, claims, signature = found.groups()
    if len(_decoded(signature) or b"") != _SIGNATURE_BYTES:
        raise TokenError("the token is cut off: its signature has not %d bytes; copy it whole" % _SIGNATURE_BYTES)
    algorithm, expires = _field(header, "alg"), _field(claims, "exp")
    if algorithm != "HS256" or isinstance(expires, bool) or not isinstance(expires, (int, float)):
        raise TokenError("the token is not one of CloudCore's: found alg %r and exp %r, wanted HS256 and a time; %s"
                         % (algorithm, expires, "read it from the secret kubeedge/tokensecret"))
    return Token(ca_sha256, ".".join((header, claims, signature)), float(expires))


def verify(text: str, ca: bytes, now: float, ca_key: Optional[bytes] = None, margin: float = MARGIN) -> Token:
    """Parse a token and prove that CloudCore with this CA will accept it at ``now`` and for ``margin`` seconds.

    ``ca`` and ``ca_key``: DER, as in casecret. Without the key the signature is not checked.
    """
    token = parse(text)
    wanted = hashlib.sha256(ca).hexdigest()
    if token.ca_sha256 != wanted:
        raise TokenError("the token is another CA's: it pins %s…, CloudCore has %s…. %s"
                         % (token.ca_sha256[:12], wanted[:12], _REFRESH))
    if token.expires <= now:
        raise TokenError("the token expired %s ago. %s. Compare the clocks too" % (_span(now - token.expires), _REFRESH))
    if token.expires <= now + margin:
        raise TokenError("the token expires in %s, too soon for a join. %s" % (_span(token.expires - now), _REFRESH))
    if ca_key is not None and not _signed(token, ca_key):
        raise TokenError("the token is signed by another key than that of the CA in casecret. %s" % _REFRESH)
    return token


def _what_else(text: str) -> str:
    if not text:
        return "there is no token: CloudCore has not written it yet. Wait until it is up, and read its log if it stays so"
    if len(text) > _MAX:
        return "the token has %d characters, and none has more than %d" % (len(text), _MAX)
    unwrapped = _decoded(text)
    if unwrapped is not None and _FORM.match(unwrapped.decode("utf-8", "replace").strip()):
        return "the token is wrapped in base64, as secrets hold it; decode it once"
    if text[0] in "\"'" or text[-1] in "\"'":
        return "the token stands in quotes; remove them"
    if re.search(r"\s", text):
        return "the token has white space inside; it is one word"
    return ("the token has %d of 4 parts, or a part with other characters than a token has; copy it whole: <64 hex digits>.<JWT>"
            % (text.count(".") + 1))


def _signed(token: Token, ca_key: bytes) -> bool:
    body, _dot, signature = token.jwt.rpartition(".")
    return hmac.compare_digest(hmac.new(ca_key, body.encode("ascii"), hashlib.sha256).digest(), _decoded(signature) or b"")


def _field(part: str, name: str) -> Any:
    try:
        document = json.loads(_decoded(part) or b"")
    except ValueError:
        raise TokenError("the token is cut off or damaged: a part of it is not JSON; copy it whole") from None
    return document.get(name) if isinstance(document, dict) else None


def _decoded(text: str) -> Optional[bytes]:
    """base64 of either alphabet, padded or not; None for what is none."""
    plain = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _span(seconds: float) -> str:
    return "%d min" % round(seconds / 60) if seconds < 7200 else "%d h" % round(seconds / 3600)
