# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send a node the pieces that it lacks; the thinking is in module_utils/bundle, the work on the node in the module."""

from __future__ import annotations

import os
import shutil
import tempfile

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.path import unfrackpath

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.artifacts_args import TASK_ARGS
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.blobs import Blob, read_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.pieces import lengths, piece_name, to_send
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.placement import placements

MODULE = "edgeai.sites.artifacts"


class ActionModule(ActionBase):
    """Ask the node what it lacks, send that, and ask again: the second answer must be "nothing"."""

    _supports_check_mode = True
    _requires_connection = True
    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        """Return the result of the module with the bytes that were sent."""
        result = super().run(tmp, task_vars)
        unused, args = self.validate_argument_spec(argument_spec=TASK_ARGS)
        bundle = unfrackpath(args["bundle"], follow=False)
        try:
            plan = placements(
                read_manifest(bundle), args["runtime"], args["arch"], args["images"],
                args["k3s_version"], args["bin_dir"], args["data_dir"], args["packages"], args["state_dir"],
                args["binaries"],
            )
            result.update(self._converge(bundle, args, plan, task_vars))
        except BundleError as error:
            raise AnsibleActionFail(error.text())
        return result

    def _converge(self, bundle, args, plan, task_vars):
        module_args = dict(
            args, placements=[placement.to_dict() for placement in plan], login_user=self._get_remote_user(),
            assemble=False,
        )
        answer = self._ask(module_args, task_vars)
        requests = answer.get("requests", [])
        if not requests or answer.get("failed"):
            return dict(self._for_people(answer), bytes_sent=0)
        by_hash = {placement.sha256: placement for placement in plan}
        staging = None if self._task.check_mode else answer["staging"]
        size = sum(self._send(bundle, by_hash[item["sha256"]], item, staging) for item in requests)
        if self._task.check_mode:
            return dict(self._for_people(answer), bytes_sent=0, bytes_to_send=size)
        answer = self._ask(dict(module_args, assemble=True), task_vars)
        if answer.get("damaged"):
            raise BundleError(
                "%s did not arrive whole" % ", ".join(answer["damaged"]),
                found="pieces in %s with a wrong length or wrong bytes" % staging,
                remedy="run again; if it stays, check the disk of the node",
            )
        return dict(self._for_people(answer), bytes_sent=size)

    def _ask(self, module_args, task_vars):
        return self._execute_module(module_name=MODULE, module_args=module_args, task_vars=task_vars)

    @staticmethod
    def _for_people(answer):
        return {key: value for key, value in answer.items() if key not in ("requests", "staging", "damaged", "invocation")}

    def _send(self, bundle, placement, request, staging):
        """Send the pieces of one file that the node lacks and return their bytes; without staging only count."""
        blob = Blob(bundle, placement)
        numbers = to_send(blob.verify(), request["staged"])
        sizes = lengths(placement.size)
        if staging:
            folder = tempfile.mkdtemp(prefix="edgeai-pieces-", dir=C.DEFAULT_LOCAL_TMP)
            try:
                for number in numbers:
                    local = os.path.join(folder, piece_name(placement.sha256, number))
                    blob.write_piece(number, local)
                    self._connection.put_file(local, self._connection._shell.join_path(staging, os.path.basename(local)))
                    os.unlink(local)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        return sum(sizes[number] for number in numbers)
