# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for a terminal and for Markdown: the same tables, two dresses. Pure."""
from __future__ import annotations

import textwrap

from ansible_collections.edgeai.sites.plugins.module_utils.report import summary as s
from ansible_collections.edgeai.sites.plugins.module_utils.report import words
from ansible_collections.edgeai.sites.plugins.module_utils.report.status import grouped

NODE_HEAD = ("node", "runtime", "state", "version", "sent")
CERTIFICATE_HEAD = (*NODE_HEAD, "certificate")
GPU_HEAD = ("node", "gpu", "offers", "proof", "isolation", "health", "evidence")
TARGET_HEAD = ("workload", "node", "image", "digest", "answer", "verdict")


def headline(summary: s.Summary) -> str:
    """One line: which fleet, how many sites in which state."""
    number = len(summary.sites)
    places = words.plural(sum(site.name != s.CLOUD for site in summary.sites), "site")
    places += " and the cloud" if any(site.name == s.CLOUD for site in summary.sites) else ""
    states = [f"{count} {status}" for status, count in summary.counts.items()]
    if len(summary.counts) == 1:
        states = [f"{'all ' if number > 1 else ''}{next(iter(summary.counts))}"]
    mode = " (check mode: nothing was changed)" if summary.check_mode else ""
    return f"fleet {summary.fleet}: {places}, {', '.join(states) or 'none'}{mode}"


def node_table(site: s.SiteSummary) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows: :data:`NODE_HEAD`, with the certificates of the nodes where they have one."""
    rows = [
        (
            node.name,
            node.runtime,
            node.state,
            f"{node.version} (stand-in)" if node.engine == "stand-in" else node.version or "-",
            words.size(node.bytes_sent) if node.bytes_sent else "-",
        )
        for node in site.nodes
    ]
    days = [node.certificate_days for node in site.nodes]
    if all(number is None for number in days):
        return NODE_HEAD, rows
    return CERTIFICATE_HEAD, [(*row, _certificate(number)) for row, number in zip(rows, days)]


def _certificate(days: int | None) -> str:
    if days is None:
        return "-"
    return f"{words.plural(days, 'day')} left" if days >= 0 else f"expired {words.plural(-days, 'day')} ago"


def target_rows(site: s.SiteSummary) -> list[tuple[str, ...]]:
    """Rows under :data:`TARGET_HEAD`."""
    return [
        (
            target.get("name", ""),
            target.get("node", ""),
            target.get("image", ""),
            words.digest(target.get("digest", "")),
            words.answer(target),
            target.get("verdict", ""),
        )
        for target in site.targets
    ]


def gpu_rows(site: s.SiteSummary) -> list[tuple[str, ...]]:
    """Rows under :data:`GPU_HEAD`."""
    return [
        (
            node.get("name", ""),
            node.get("kind", ""),
            f"{node['allocatable']} of {node.get('expected')}" if "allocatable" in node else "-",
            node.get("proof", "-"),
            node.get("isolation", "-"),
            node.get("health", "-"),
            node.get("evidence", ""),
        )
        for node in site.gpus
    ]


def step_rows(summary: s.Summary) -> list[tuple[str, str]]:
    """Each step with the time it took, in the order it ran."""
    return [(step["name"], words.seconds(step["seconds"])) for step in summary.steps]


def render_text(summary: s.Summary, width: int = 100) -> str:
    """The report for a terminal of ``width`` columns."""
    lines = [headline(summary), ""]
    for site in summary.sites:
        lines.append(f"{site.name}: {site.status}")
        for reason in site.reasons:
            lines += textwrap.wrap(reason, width - 4, initial_indent="  ! ", subsequent_indent="    ")
        lines += _columns(*node_table(site))
        if site.gpus:
            lines += [""] + _columns(GPU_HEAD, gpu_rows(site))
        if site.targets:
            lines += [""] + _columns(TARGET_HEAD, target_rows(site))
        for note in site.notes:
            lines += textwrap.wrap(note, width - 4, initial_indent="  . ", subsequent_indent="    ")
        for warning in _warnings(site):
            lines += textwrap.wrap(warning, width - 4, initial_indent="  ~ ", subsequent_indent="    ")
        lines.append("")
    if summary.steps:
        lines.append("  ".join(f"{name} {took}" for name, took in step_rows(summary)))
    return "\n".join(lines).rstrip() + "\n"


def render_markdown(summary: s.Summary) -> str:
    """The report for a merge request, a ticket or a chat."""
    lines = [f"# {headline(summary)}", "", f"`{summary.playbook}`, {summary.started} to {summary.finished}", ""]
    for site in summary.sites:
        lines += [f"## {site.name}: {site.status}", ""]
        lines += [f"- {_cell(reason)}" for reason in site.reasons] + ([""] if site.reasons else [])
        lines += _markdown_table(*node_table(site))
        if site.gpus:
            lines += _markdown_table(GPU_HEAD, gpu_rows(site))
        if site.targets:
            lines += _markdown_table(TARGET_HEAD, target_rows(site))
        remarks = [*site.notes, *_warnings(site)]
        lines += [f"- {_cell(remark)}" for remark in remarks] + ([""] if remarks else [])
    lines += _markdown_table(("step", "took"), step_rows(summary)) if summary.steps else []
    return "\n".join(lines).rstrip() + "\n"


def _warnings(site: s.SiteSummary) -> list[str]:
    """What to mind, said once for all the nodes that it is true of; the number that differs between them is in the evidence."""
    rows = [row for row in site.verdicts if row.get("verdict") == "warn"]
    return [
        f"mind {row.get('check', '')} ({names}): {row.get('found', '')}" + (f". {row['remedy']}" if row.get("remedy") else "")
        for names, row in grouped(rows, ("check", "remedy"))
    ]


def _columns(head, rows) -> list[str]:
    table = [tuple(head)] + [tuple(str(cell) for cell in row) for row in rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(head))]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]


def _markdown_table(head, rows) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return lines + [""]


def _cell(value) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
