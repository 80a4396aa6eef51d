"""The four forms of a K3s token: secret, full token with CA hash, and both with a bootstrap token."""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass

_FULL = re.compile(r"K10([0-9a-f]{64})::(.+)", re.S)
_BOOTSTRAP = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")


@dataclass(frozen=True)
class Token:
    ca_hash: str        # "" where the token does not pin the CA
    user: str           # "", "server" or "node"; a short token has none
    secret: str

    @property
    def is_bootstrap(self):
        return bool(_BOOTSTRAP.fullmatch(self.secret))


def parse(text: str) -> Token:
    text = text.strip()
    found = _FULL.fullmatch(text)
    ca_hash, rest = (found[1], found[2]) if found else ("", text)
    if _BOOTSTRAP.fullmatch(rest):
        return Token(ca_hash, "", rest)
    if found and ":" in rest:
        user, _, secret = rest.partition(":")
        return Token(ca_hash, user, secret)
    return Token(ca_hash, "", rest)


def full(ca_hash: str, secret: str, user: str = "server") -> str:
    return f"K10{ca_hash}::{user}:{secret}"


def random_secret() -> str:
    return secrets.token_hex(16)


def random_bootstrap() -> str:
    letters = string.ascii_lowercase + string.digits
    return ("".join(secrets.choice(letters) for _ in range(6)) + "."
            + "".join(secrets.choice(letters) for _ in range(16)))
