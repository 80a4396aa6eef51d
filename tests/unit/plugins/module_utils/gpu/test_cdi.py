# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CDI specifications: what is read, what is stale, what may go."""
from __future__ import annotations

import json

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.gpu import cdi

GENERATED = """---
cdiVersion: 0.5.0
containerEdits:
  deviceNodes:
  - path: /dev/nvidia-modeset
  - path: /dev/nvidiactl
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - args:
    - nvidia-cdi-hook
    - update-ldcache
    - --folder
    - /usr/lib/x86_64-linux-gnu
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  mounts:
  - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05
    hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05
    options:
    - ro
    - nosuid
  - containerPath: /run/nvidia-persistenced/socket
    hostPath: /run/nvidia-persistenced/socket
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: "0"
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
    - hostPath: /dev/null
      path: /dev/nvidia1
  name: '1'
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: all
kind: nvidia.com/gpu
"""
PATHS = (
    "/dev/nvidia-modeset", "/dev/nvidiactl", "/usr/bin/nvidia-cdi-hook", "/usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05",
    "/run/nvidia-persistenced/socket", "/dev/nvidia0", "/dev/null")
HAND_WRITTEN = """# camera rig of hall 3
cdiVersion: "0.5.0"
kind: nvidia.com/gpu
devices:
  - name: "0"
    containerEdits:
      deviceNodes:
        - path: /dev/nvidia0
          hostPath: /dev/null
      env: [SIMULATED=1]
"""


def test_what_nvidia_ctk_writes():
    spec = cdi.parse(GENERATED)
    assert (spec.kind, spec.devices, spec.versions) == (cdi.KIND, ("0", "1", "all"), frozenset(["580.95.05"]))
    assert spec.paths == PATHS
    assert spec.generated and cdi.may_be_removed(spec)


def test_what_a_person_wrote():
    spec = cdi.parse(HAND_WRITTEN)
    assert (spec.kind, spec.devices, spec.paths) == (cdi.KIND, ("0",), ("/dev/null",))
    assert not cdi.may_be_removed(spec)
    assert cdi.may_be_removed(cdi.parse("# Written by edgeai.sites\n" + HAND_WRITTEN))


def test_json_says_the_same():
    document = {
        "cdiVersion": "0.5.0", "kind": cdi.KIND,
        "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/nvidia0"}]}}, {"name": "all"}],
        "containerEdits": {"mounts": [{"hostPath": "/usr/lib/libcuda.so.580.95.05", "containerPath": "/x"}],
                           "hooks": [{"path": "/usr/bin/nvidia-cdi-hook", "args": ["a"]}]},
    }
    spec = cdi.parse(json.dumps(document))
    assert (spec.devices, spec.versions, spec.generated) == (("0", "all"), frozenset(["580.95.05"]), True)
    assert set(spec.paths) == {"/dev/nvidia0", "/usr/lib/libcuda.so.580.95.05", "/usr/bin/nvidia-cdi-hook"}


@pytest.mark.parametrize("text", ["", "{", "[]", "kind", "- - -", ":\n:", "\tkind: x", "devices:\n- 0\n- 1", "a: |\n  b: c"])
def test_nothing_is_made_of_nothing(text):
    spec = cdi.parse(text)
    assert (spec.kind, spec.devices) == ("", ())
    assert not cdi.may_be_removed(spec)


@pytest.mark.parametrize("missing, loaded, why", [
    ((), "580.95.05", ""),
    ((), "", ""),
    ((), "590.44.01", "for driver 580.95.05, loaded is 590.44.01"),
    (("/dev/nvidia0",), "580.95.05", "1 of its 7 files are not there, such as /dev/nvidia0"),
])
def test_stale(missing, loaded, why):
    assert why in cdi.stale_because(cdi.parse(GENERATED), missing, loaded)
    assert bool(why) == bool(cdi.stale_because(cdi.parse(GENERATED), missing, loaded))


@pytest.mark.parametrize("devices, gpus, lacking", [
    (("0", "1", "all"), 2, 0), (("0", "all"), 2, 1), (("all",), 1, 0), ((), 1, 1), (("GPU-1234", "all"), 2, 0), (("0", "all"), 0, 0),
])
def test_devices_that_it_lacks(devices, gpus, lacking):
    assert cdi.lacks(cdi.parse(GENERATED)._replace(devices=devices), gpus) == lacking
