# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a rollout for other programs: JSON, JUnit for CI, and Prometheus' text format. Pure."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import Any, Dict, List

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.timeline import took

FORMAT = "edgeai.sites/rollout-report"
VERSION = 1
# Characters that XML 1.0 does not allow at all, not even escaped (https://www.w3.org/TR/xml/#charsets).
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_json(summary: Dict[str, Any]) -> str:
    """Return {format, version} and all that ``report.summarise`` says. Times are seconds since the epoch, in UTC."""
    return json.dumps({"format": FORMAT, "version": VERSION, **summary}, indent=1, sort_keys=True) + "\n"


def render_junit(summary: Dict[str, Any]) -> str:
    """Return one suite for each wave and one case for each target: failed ones fail, those nobody can judge are errors or skipped."""
    root = ET.Element("testsuites", name=_clean(f"rollout {summary['release']}"))
    by_wave: Dict[str, List[Dict[str, Any]]] = {}
    for row in summary["targets"]:
        by_wave.setdefault(row["wave"] or "left out", []).append(row)
    for wave, rows in by_wave.items():
        suite = ET.SubElement(root, "testsuite", name=_clean(wave), tests=str(len(rows)))
        counts = {"failure": 0, "error": 0, "skipped": 0}
        for row in rows:
            seconds = sum(length for _state, length in took(row["phases"], summary["at"]))
            case = ET.SubElement(suite, "testcase", classname=_clean(f"{summary['release']}.{wave}"), name=_clean(row["target"]), time=str(seconds))
            kind = "" if row["state"] in s.GOOD else "failure" if row["state"] in s.BAD else "skipped" if row["state"] in s.OUTSIDE else "error"
            if kind:
                counts[kind] += 1
                ET.SubElement(case, kind, message=_clean(f"{row['state']}: {row['reason']}")).text = _clean(_gates(row)) or None
        suite.attrib.update(failures=str(counts["failure"]), errors=str(counts["error"]), skipped=str(counts["skipped"]))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def render_metrics(summary: Dict[str, Any]) -> str:
    """Return the counts in Prometheus' text format, for the textfile collector of a node exporter."""
    labels = f'release="{_quoted(summary["release"])}",fleet="{_quoted(summary["fleet"])}"'
    lines = _metric("targets", "Targets of a rollout by state.", labels,
                    [(f'state="{kind}"', summary["counts"].get(kind, 0)) for kind in s.TARGET_STATES])
    lines += _metric("running_targets", "Targets by what they run: the new image, the old one, or nobody knows which.", labels,
                     [(f'image="{which}"', number) for which, number in zip(("new", "old", "unknown"), summary["runs"].values())])
    lines += _metric("wave_passed", "1 for a wave that has passed.", labels,
                     [(f'wave="{_quoted(wave["name"])}"', int(wave["state"] == s.PASSED)) for wave in summary["waves"]])
    lines += _metric("status", "1 for the status that a rollout has.", labels,
                     [(f'status="{status}"', int(summary["status"] == status)) for status in s.ROLLOUT_STATES])
    lines += _metric("started_seconds", "When it was started.", labels, [("", summary["started"])])
    return "\n".join(lines + _metric("seen_seconds", "Of which moment these numbers are.", labels, [("", summary["at"])])) + "\n"


def _metric(name: str, text: str, labels: str, values: List[Any]) -> List[str]:
    return [f"# HELP edgeai_rollout_{name} {text}", f"# TYPE edgeai_rollout_{name} gauge"] + [
        f"edgeai_rollout_{name}{{{labels}{',' if own else ''}{own}}} {value}" for own, value in values]


def _gates(row: Dict[str, Any]) -> str:
    return "\n".join(f"{gate.get('gate')}: {gate.get('verdict')}: found {gate.get('found')}, wanted {gate.get('wanted')}" for gate in row["gates"])


def _clean(text: Any) -> str:
    return _NOT_IN_XML.sub("?", str(text))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
