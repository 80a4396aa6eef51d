"""The certificate authorities in the datastore, encrypted with the cluster's token.

This is what makes a K3s server refuse to start with another token than the one its datastore was made with.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os

_PREFIX = "/bootstrap/"


class DifferentToken(Exception):
    def __str__(self):
        return "bootstrap data already found and encrypted with different token"


def _key_name(secret):
    return _PREFIX + hashlib.sha256(secret.encode()).hexdigest()[:12]


def _keystream(key, length):
    blocks = (hashlib.sha256(key + i.to_bytes(4, "big")).digest() for i in range(length // 32 + 1))
    return b"".join(blocks)[:length]


def _xor(data, key):
    return bytes(a ^ b for a, b in zip(data, _keystream(key, len(data))))


def save(store, secret, files):
    """files: {name: text}. Raises DifferentToken where another token's data is there."""
    found = store.read_value(_PREFIX)
    if found:
        if found[0] != _key_name(secret):
            raise DifferentToken()
        return
    salt = os.urandom(16)
    key = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, 4096)
    sealed = _xor(json.dumps(files).encode(), key)
    mac = hmac.new(key, sealed, "sha256").hexdigest()
    text = ":".join([salt.hex(), mac, base64.b64encode(sealed).decode()])
    store.write_value(_key_name(secret), text)


def exists(store):
    return store.read_value(_PREFIX) is not None


def load(store, secret):
    """{name: text}, None without data. Raises DifferentToken where the token does not open it."""
    found = store.read_value(_PREFIX)
    if not found:
        return None
    salt, mac, sealed = found[1].split(":")
    key = hashlib.pbkdf2_hmac("sha256", secret.encode(), bytes.fromhex(salt), 4096)
    sealed = base64.b64decode(sealed)
    if found[0] != _key_name(secret) or not hmac.compare_digest(mac, hmac.new(key, sealed, "sha256").hexdigest()):
        raise DifferentToken()
    return json.loads(_xor(sealed, key))
