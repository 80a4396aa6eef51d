# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run modules on another host of the inventory, in the middle of an action that is about many hosts for hours.

A task with delegate_to would do for one question; a rollout asks for as long as it runs, whenever a target's turn has come.
"""

from __future__ import annotations

import time
from dataclasses import asdict

from ansible import constants as C
from ansible.errors import AnsibleError

from ansible_collections.edgeai.sites.plugins.module_utils.health.pods import container_id
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.counters import recall
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import Answers
from ansible_collections.edgeai.sites.plugins.plugin_utils.filters import plain


class OnNode:
    """One host, over the connection that its variables describe and without privileges.

    action: the one that asks; variables: the host's, as in ``hostvars``.
    """

    def __init__(self, action, host, variables):
        self._action = action
        self._host = host
        # Others are not needed to get there, and each is templated when it is read.
        self._variables = {key: plain(variables[key]) for key in variables if key.startswith("ansible_")}
        self._variables.update(inventory_hostname=host)

    def run(self, module, arguments):
        """Return the result of a module. Raises AnsibleError when the host cannot be reached, or the module fails."""
        handler = self._handler()
        try:
            result = handler._execute_module(module_name=module, module_args=arguments, task_vars=self._variables)
        finally:
            handler.cleanup(force=True)
            handler._connection.close()
        if result.get("failed") or result.get("unreachable"):
            # Which of them there is depends on how it failed, and on the version of Ansible.
            said = (result.get(key) for key in ("msg", "exception", "module_stderr", "module_stdout"))
            raise AnsibleError(f"node {self._host}: {next((str(text) for text in said if text), 'the module said nothing')}")
        return result

    def _handler(self):
        loaders, variables = self._action._shared_loader_obj, self._variables
        task, context = self._action._task.copy(), self._action._play_context.copy()
        task.become = False
        context.remote_addr = variables.get("ansible_host", self._host)
        context.connection = variables.get("ansible_connection", "ssh")
        connection = loaders.connection_loader.get(context.connection, context, None)
        if connection is None:
            raise AnsibleError(f"node {self._host} is to be reached by {context.connection}, and there is no such connection plugin")
        for kind, plugin in (("connection", connection), ("shell", connection._shell)):
            own = {key: variables[key] for key in C.config.get_plugin_vars(kind, plugin._load_name) if key in variables}
            plugin.set_options(task_keys={"password": context.password} if context.password else {}, var_options=own)
        return loaders.action_loader.get(
            "ansible.legacy.normal", task=task, connection=connection, play_context=context, loader=self._action._loader,
            templar=self._action._templar.copy_with_new_env(available_variables=variables), shared_loader_obj=loaders)


class ByNode:
    """Asks a model on its own node, where the API has no way to it."""

    def __init__(self, node, namespace, seconds):
        self._node = node
        self._namespace = namespace
        self._seconds = seconds

    def __call__(self, question, expected, pod):
        """Return the Answers of the container that the API knows; others are those of another start, and raise."""
        exam, at = question.exam, int(time.time())
        said = self._node.run("edgeai.sites.model_exam", {
            "namespace": self._namespace, "target": expected.name, "digest": question.digest, "port": expected.port, "model": expected.model,
            "health_path": exam.health_path, "http_path": exam.http_path, "http_turns": exam.http_turns, "warm_ups": exam.warm_ups,
            "requests": list(exam.requests), "probe_timeout": self._seconds, **({"counter": asdict(exam.counter)} if exam.counter else {})})
        if said["error"]:
            raise AnsibleError(f"on node {expected.node}: {said['error']}")
        if said["container_id"] != container_id(pod):
            raise AnsibleError(f"node {expected.node} runs another start of {expected.name} than the cloud knows: it restarted since, or the "
                               "cloud has not heard of it yet")
        return Answers(said["container_id"], at, health=said["health"], http=tuple(said["http"]), answers=tuple(said["answers"]),
                       times=tuple(said["times"]), outputs=recall(said.get("outputs")) if exam.counter else None)
