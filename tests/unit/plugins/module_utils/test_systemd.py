# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd does not say by itself."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils import systemd


def test_drop_ins_that_are_not_loaded(tmp_path):
    unit = str(tmp_path / "k3s.service")
    assert systemd.unloaded(unit, {}) == []
    folder = tmp_path / "k3s.service.d"
    folder.mkdir()
    for name in ("10-a.conf", "20-b.conf", "30-notes.txt"):
        (folder / name).write_text("")
    first, second = (str(folder / name) for name in ("10-a.conf", "20-b.conf"))
    assert systemd.unloaded(unit, {"DropInPaths": ""}) == [first, second]
    assert systemd.unloaded(unit, {"DropInPaths": "/run/systemd/x.conf " + first}) == [second]
    assert systemd.unloaded(unit, {"DropInPaths": second + " " + first}) == []
