# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JMESPath conditions over JSON: compiled early, and true only when the answer is the boolean true."""

from __future__ import annotations

from typing import Any

try:
    import jmespath
except ImportError:  # the module and the filters say so in their own words
    jmespath = None


class ExpressionError(ValueError):
    """The text is not JMESPath; the message shows where."""


def check_expression(text: str) -> None:
    """Raise ExpressionError when ``text`` cannot be compiled."""
    try:
        jmespath.compile(text)
    except jmespath.exceptions.JMESPathError as error:
        raise ExpressionError("not a JMESPath expression: %s (%s)" % (text, " ".join(str(error).split()))) from error


def holds(text: str, document: Any) -> bool:
    """Return whether the expression gives exactly true; null, a number, a list or an error inside it do not pass."""
    try:
        return jmespath.search(text, document) is True
    except jmespath.exceptions.JMESPathError:
        return False
