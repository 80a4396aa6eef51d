"""Results as callbacks of different versions of ansible-core get them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.report.seen import Seen, seen

HOST = SimpleNamespace(get_name=lambda: "camera-a")
TASK = SimpleNamespace(get_name=lambda: "k3s : Start K3s", action="edgeai.sites.k3s_service")
DATA = {"changed": True}


@pytest.mark.parametrize(
    "result",
    [
        SimpleNamespace(host=HOST, task=TASK, result=DATA),
        SimpleNamespace(_host=HOST, _task=TASK, _result=DATA),
    ],
    ids=["since 2.19", "before 2.19"],
)
def test_seen(result):
    assert seen(result) == Seen("camera-a", "Start K3s", "k3s_service", DATA)
