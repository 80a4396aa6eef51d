# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan as a play gets it: from files, into a file, and in words when that cannot be."""

from __future__ import annotations

import json
import types

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible_collections.edgeai.sites.plugins.action.rollout_plan import ActionModule

from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.rollout.samples import NOW, RELEASE, fleet
from ansible_collections.edgeai.sites.tests.unit.plugins.module_utils.workload.samples import image

# It runs on the controller and never asks for more of a connection.
NOWHERE = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None))


def run(tmp_path, check_mode=False, **options):
    path = tmp_path / "vision-2.yml"
    if not path.exists():
        path.write_text(yaml.safe_dump(RELEASE), encoding="utf-8")
    task, where = Task(), fleet()
    task.check_mode = check_mode
    task.async_val = 0
    task.args = {"release": str(path), "fleet": "test", "workloads": where["workloads"], "sites": where["sites"], "now": NOW, **options}
    action = ActionModule(task, NOWHERE, PlayContext(), DataLoader(), None, None)
    return action.run(task_vars={})


def test_a_plan_with_its_text(tmp_path):
    result = run(tmp_path)
    assert result["changed"] is False and result["feasible"] is True and result["hash"] == result["plan"]["hash"]
    assert result["text"].startswith("release vision-2 on fleet test: can be run") and result["forecast"]["start"] == NOW


def test_the_file_changes_when_the_plan_does(tmp_path):
    dest = tmp_path / "plans" / "p.json"
    assert run(tmp_path, check_mode=True, dest=str(dest))["changed"] is True and not dest.exists()
    first = run(tmp_path, dest=str(dest))
    assert first["changed"] is True and json.loads(dest.read_text())["plan"] == first["plan"] and dest.stat().st_mode & 0o777 == 0o600
    assert run(tmp_path, dest=str(dest), now=NOW + 3600)["changed"] is False
    assert run(tmp_path, dest=str(dest), seen={"north/vision-n1": {"online": False}})["changed"] is True
    dest.write_text("[]")
    assert run(tmp_path, dest=str(dest))["changed"] is True


def test_digests_of_the_bundle_are_used(tmp_path):
    (tmp_path / "bundle.json").write_text(json.dumps({"schema": 1, "artifacts": [image("vision", "2", arch) for arch in ("amd64", "arm64")]}))
    result = run(tmp_path, bundle=str(tmp_path))
    assert {target["bytes"] for target in result["plan"]["targets"].values()} == {1}
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(AnsibleActionFail, match="bundle.json"):
        run(tmp_path, bundle=str(tmp_path))
    assert run(tmp_path, bundle=str(tmp_path / "not built yet"))["feasible"]


def test_mistakes_are_told_with_the_file(tmp_path):
    (tmp_path / "vision-2.yml").write_text("release: X\n")
    with pytest.raises(AnsibleActionFail, match=r"cannot plan .*vision-2.yml has \d mistakes:\n.*vision-2.yml:1:1: "):
        run(tmp_path)
    (tmp_path / "vision-2.yml").write_text(yaml.safe_dump({**RELEASE, "targets": {"expect": 9}}))
    with pytest.raises(AnsibleActionFail, match="the release expects 9"):
        run(tmp_path)
    with pytest.raises(AnsibleActionFail, match="No such file"):
        run(tmp_path, release=str(tmp_path / "none.yml"))
    (tmp_path / "vision-2.yml").write_text(yaml.safe_dump(RELEASE))
    with pytest.raises(AnsibleActionFail, match="cannot write the plan"):
        run(tmp_path, dest="/proc/none/p.json")
