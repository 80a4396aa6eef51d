# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception of this package: what was found, what was wanted, what to do."""

from __future__ import annotations


class BundleError(Exception):
    """A bundle, lock file, artifact or node that is not as it must be.

    ``message`` names the thing; ``found``, ``wanted`` and ``remedy`` are optional sentences without a final stop.
    """

    def __init__(self, message, found=None, wanted=None, remedy=None):
        self.message = message
        self.found = found
        self.wanted = wanted
        self.remedy = remedy
        super().__init__(self.text())

    def text(self):
        """Return all parts as one line for a person."""
        parts = [self.message]
        for word, value in (("Found", self.found), ("Wanted", self.wanted), ("Remedy", self.remedy)):
            if value is not None:
                parts.append("%s: %s" % (word, value))
        return ". ".join(str(part).rstrip(".") for part in parts) + "."
