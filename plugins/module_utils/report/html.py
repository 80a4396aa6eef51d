# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one self-contained HTML page: no script, no font, no request leaves it. Pure."""
from __future__ import annotations

import html

from ansible_collections.edgeai.sites.plugins.module_utils.report import status
from ansible_collections.edgeai.sites.plugins.module_utils.report import summary as s
from ansible_collections.edgeai.sites.plugins.module_utils.report import text, words

TONE = {status.AS_WANTED: "good", status.NOT_CHECKED: "quiet"}
MARK = {"pass": "good", "healthy": "good", "warn": "warn", "simulated": "warn", "in use": "quiet", "not run": "quiet", "-": "quiet"}

STYLE = """
:root { --ink:#1b2430; --paper:#f5f6f8; --card:#fff; --line:#dfe3e8; --soft:#5b6777;
        --good:#14713d; --bad:#b3261e; --warn:#8a5a00; --quiet:#5b6777; }
@media (prefers-color-scheme: dark) {
  :root { --ink:#e8ecf1; --paper:#12171e; --card:#1b222c; --line:#323c49; --soft:#9aa7b6;
          --good:#5bd08d; --bad:#ff8a80; --warn:#f0bf5a; --quiet:#9aa7b6; } }
* { box-sizing:border-box }
body { margin:0; background:var(--paper); color:var(--ink); font:16px/1.5 system-ui,sans-serif }
main { max-width:70rem; margin:0 auto; padding:2rem 1.25rem 4rem }
h1 { font-size:1.5rem; margin:0 } h2 { font-size:1.2rem; margin:0 } h3 { font-size:.95rem; margin:1.25rem 0 .25rem }
p.sub { color:var(--soft); margin:.25rem 0 1.5rem }
section { background:var(--card); border:1px solid var(--line); border-radius:.6rem; padding:1.25rem; margin:0 0 1.25rem }
header { display:flex; gap:1rem; align-items:baseline; flex-wrap:wrap }
.badge { font-weight:600; border:1.5px solid currentColor; border-radius:2rem; padding:.05rem .7rem; white-space:nowrap }
.good { color:var(--good) } .bad { color:var(--bad) } .warn { color:var(--warn) } .quiet { color:var(--quiet) }
.table { overflow-x:auto } table { border-collapse:collapse; width:100% }
th,td { text-align:left; padding:.4rem .8rem .4rem 0; border-bottom:1px solid var(--line); vertical-align:top }
th { font-weight:600; color:var(--soft); font-size:.85rem } td { font-variant-numeric:tabular-nums }
td:first-child { white-space:nowrap }
code { font-family:ui-monospace,monospace; font-size:.9em }
ul.reasons { margin:.75rem 0 0; padding-left:1.1rem } li { margin:.25rem 0 }
details { margin-top:1rem } summary { cursor:pointer; color:var(--soft) }
td.wide { width:60%; vertical-align:middle }
.bar { background:var(--good); height:.5rem; border-radius:.25rem; min-width:2px }
"""


def render_html(summary: s.Summary) -> str:
    """A complete document. Every value that came from outside is escaped."""
    body = [_head(summary)] + [_site(site) for site in summary.sites] + [_steps(summary)]
    return page(f"{summary.fleet}: edge AI sites", body)


def page(title: str, body: list[str], style: str = "") -> str:
    """A complete document in the look of all our reports, around parts that are HTML already. ``style``: rules of its own."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}{style}</style></head>\n<body><main>\n" + "\n".join(body) + "\n</main></body></html>\n"
    )


def _head(summary: s.Summary) -> str:
    line = html.escape(text.headline(summary))
    when = html.escape(f"{summary.playbook} · {summary.started} to {summary.finished}")
    return f"<h1>{line}</h1><p class=sub>{when}</p>"


def _site(site: s.SiteSummary) -> str:
    tone = TONE.get(site.status, "bad")
    parts = [f"<header><h2>{html.escape(site.name)}</h2><span class='badge {tone}'>{html.escape(site.status)}</span></header>"]
    if site.reasons:
        parts.append("<ul class=reasons>" + "".join(f"<li>{html.escape(reason)}</li>" for reason in site.reasons) + "</ul>")
    if site.targets:
        parts.append("<h3>What runs</h3>" + table(text.TARGET_HEAD, text.target_rows(site), mark=(len(text.TARGET_HEAD) - 1,)))
    parts.append("<h3>Nodes</h3>" + table(*text.node_table(site)))
    parts += [f"<p class=sub>{html.escape(note)}</p>" for note in site.notes]
    if site.gpus:
        parts.append("<h3>GPUs</h3>" + table(
            text.GPU_HEAD, text.gpu_rows(site), mark=[text.GPU_HEAD.index(name) for name in ("proof", "isolation", "health")]))
    if site.verdicts:
        rows = [
            (row.get("verdict", ""), status.subject_of(row), row.get("check", ""),
             row.get("found", ""), row.get("wanted", ""), row.get("remedy", "") or "")
            for row in site.verdicts
        ]
        evidence = table(("verdict", "where", "check", "found", "wanted", "what to do"), rows, mark=(0,))
        parts.append(f"<details><summary>Evidence: {words.plural(len(rows), 'verdict')}</summary>{evidence}</details>")
    return "<section>" + "".join(parts) + "</section>"


def _steps(summary: s.Summary) -> str:
    if not summary.steps:
        return ""
    longest = max(step["seconds"] for step in summary.steps) or 1
    rows = "".join(
        f"<tr><td>{html.escape(step['name'])}</td><td>{words.seconds(step['seconds'])}</td>"
        f"<td class=wide><div class=bar style='width:{100 * step['seconds'] / longest:.1f}%'></div></td></tr>"
        for step in summary.steps
    )
    return f"<section><h2>Steps</h2><div class=table><table>{rows}</table></div></section>"


def table(head, rows, mark=(), tones=None) -> str:
    """A table of values that are escaped here. Columns in ``mark`` get the tone of their value's first word, up to a colon."""
    tones = MARK if tones is None else tones

    def cell(index: int, value) -> str:
        tone = f" class={tones.get(str(value).partition(':')[0], 'bad')}" if index in mark else ""
        return f"<td{tone}>{html.escape(str(value))}</td>"

    header = "".join(f"<th scope=col>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(cell(index, value) for index, value in enumerate(row)) + "</tr>" for row in rows)
    return f"<div class=table><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>"
