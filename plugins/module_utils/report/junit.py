# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JUnit XML: one suite per site, one case per verdict, so that any CI shows what failed. Pure."""
from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from ansible_collections.edgeai.sites.plugins.module_utils.report import status
from ansible_collections.edgeai.sites.plugins.module_utils.report import summary as s

#: Characters that XML 1.0 does not allow at all, not even escaped (https://www.w3.org/TR/xml/#charsets).
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(summary: s.Summary) -> str:
    """A ``testsuites`` document. A site without any evidence is an error, never an empty green suite."""
    root = ET.Element("testsuites", name=_clean(f"edgeai.sites {summary.fleet}"))
    for site in summary.sites:
        _suite(root, site, summary.started)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ET.Element, site: s.SiteSummary, started: str) -> None:
    suite = ET.SubElement(root, "testsuite", name=_clean(site.name), timestamp=started)
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for row in site.verdicts:
        subject = status.subject_of(row) or site.name
        kind = {"fail": "failures", "error": "errors", "inconclusive": "errors"}.get(row.get("verdict", "error"))
        _case(suite, counts, f"{site.name}.{subject}", row.get("check", ""), kind, _body(row))
    kind = None if site.status == status.AS_WANTED else "failures" if site.status in status.BAD else "errors"
    _case(suite, counts, site.name, "site is as wanted", kind, "\n".join(site.reasons) or site.status)
    suite.attrib.update({key: str(value) for key, value in counts.items()})


def _case(suite: ET.Element, counts: dict[str, int], classname: str, name: str, kind: str | None, body: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=_clean(classname), name=_clean(name))
    counts["tests"] += 1
    if kind:
        counts[kind] += 1
        child = ET.SubElement(case, kind.rstrip("s"), message=_clean(body.splitlines()[0] if body else kind))
        child.text = _clean(body)


def _body(row: dict) -> str:
    return f"found: {row.get('found', '')}\nwanted: {row.get('wanted', '')}\nremedy: {row.get('remedy', '')}"


def _clean(text: str) -> str:
    return FORBIDDEN.sub("?", str(text))
