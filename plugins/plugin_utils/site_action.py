# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What actions share that ask the API of one site.

Actions and no modules: all they need is on the controller, and a module for it would be packed, unpacked and compiled
again for every site, which costs it as much CPU time as its work.
"""

from __future__ import annotations

import traceback
from abc import abstractmethod
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase

from ansible_collections.edgeai.sites.plugins.module_utils.health import expression
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.plugin_utils.filters import plain


class SiteAction(ActionBase):
    """Validates the arguments, connects, runs ``look`` and turns what it raises into a failure of the task."""

    _requires_connection = False
    _supports_check_mode = True

    ARGUMENTS: dict[str, Any] = {}
    ERRORS: tuple[type[Exception], ...] = ()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(argument_spec=self.ARGUMENTS)
        for library, name in ((client.urllib3, "kubernetes"), (expression.jmespath, "jmespath")):
            if library is None:
                return {**result, "failed": True, "msg": missing_required_lib(name)}
        params = plain(given)
        try:
            seen, message = self.look(params)
        except (client.ApiError, *self.ERRORS) as error:
            return {**result, "failed": True, "msg": "site %s: %s" % (params["site"], error), "exception": traceback.format_exc()}
        return {**result, "changed": False, "failed": not seen.get("healthy", True), "msg": message, **seen}

    @abstractmethod
    def look(self, params: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Return what was seen and a message for people. The task fails when ``healthy`` is there and false."""
