# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typed access to documents that somebody else wrote (lock file, bundle.json, OCI index)."""

from __future__ import annotations

import difflib
import re

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError

SHA256 = re.compile(r"[0-9a-f]{64}\Z")
SHA512 = re.compile(r"[0-9a-f]{128}\Z")


def is_a(value, kind):
    """Tell whether ``value`` is of type ``kind``; a bool is no int here."""
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def require(value, kind, where):
    """Return ``value`` if it is of type ``kind``, else raise with the place."""
    if not is_a(value, kind):
        hint = "put it in quotes" if kind is str and isinstance(value, (int, float)) else "correct the type"
        raise BundleError(
            "%s has the wrong type" % where,
            found="%s %.80r" % (type(value).__name__, value), wanted=kind.__name__, remedy=hint,
        )
    return value


def match(value, pattern, where, wanted):
    """Return the string ``value`` if the compiled ``pattern`` matches all of it."""
    require(value, str, where)
    if not pattern.match(value):
        raise BundleError("%s is not valid" % where, found="%.120r" % value, wanted=wanted)
    return value


def sha256_hex(value, where):
    """Return a lower-case SHA-256 in hexadecimal or raise."""
    return match(value, SHA256, where, "64 lower-case hexadecimal digits")


def sha512_hex(value, where):
    """Return a lower-case SHA-512 in hexadecimal or raise."""
    return match(value, SHA512, where, "128 lower-case hexadecimal digits")


def only_keys(mapping, required, optional, where):
    """Raise if a key is missing or unknown; an unknown one is answered with the nearest known one."""
    require(mapping, dict, where)
    known = list(required) + list(optional)
    for key in mapping:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise BundleError(
                "%s has an unknown key" % where, found="%.80r" % (key,), wanted="one of %s" % ", ".join(known),
                remedy="did you mean %r?" % near[0] if near else "remove the key",
            )
    missing = [key for key in required if key not in mapping]
    if missing:
        raise BundleError("%s lacks %s" % (where, ", ".join(missing)), remedy="add the missing keys")
    return mapping
