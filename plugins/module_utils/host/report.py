# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One preflight report for all hosts: which sites may go on, and what to do for the others. Pure."""
from __future__ import annotations

import textwrap

from ansible_collections.edgeai.sites.plugins.module_utils.host.fleet import judge_fleet
from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import ORDER, REFUSING, make
from ansible_collections.edgeai.sites.plugins.module_utils.host.verdicts import judge

WIDTH = 110
LABELS = {"error": "ERROR", "fail": "FAIL", "inconclusive": "unclear", "warn": "warn"}


def assess(probes, sites):
    """Judge every host of the run.

    :param probes: ``{host: registered result of host_probe}``; unreachable and failed results are findings too.
    :param sites: ``{host: name of its site}`` of the same hosts.
    :return: ``{"verdicts": [verdict + {"site", "host"}], "sites_refused": [..], "sites_ready": [..], "text": str}``.
    """
    answered = {host: probe for host, probe in probes.items() if _answered(probe)}
    together = judge_fleet(answered)
    rows = []
    for host in sorted(sites):
        if host in answered:
            verdicts = judge(answered[host]["evidence"], answered[host]["intent"]) + together.get(host, [])
        else:
            verdicts = [_no_answer(probes.get(host) or {})]
        rows += [dict(verdict, site=sites[host], host=host) for verdict in verdicts]
    rows.sort(key=lambda row: (row["site"], ORDER.index(row["verdict"]), row["host"], row["check"]))
    refused = sorted({row["site"] for row in rows if row["verdict"] in REFUSING})
    ready = sorted(set(sites.values()) - set(refused))
    return {"verdicts": rows, "sites_refused": refused, "sites_ready": ready, "text": render(rows, sites)}


def _answered(probe):
    return bool(probe) and "evidence" in probe and "intent" in probe


def _no_answer(probe):
    said = " ".join(str(probe.get("msg", "")).split()) or "no answer"
    said = said[len("Task failed: "):] if said.startswith("Task failed: ") else said
    without = "Or leave it out of this run: --limit 'all:!<host>'"
    if probe.get("unreachable"):
        return make("reachable", "error", said, "an answer over SSH",
                    f"Look at power and link of the host, and that ssh works with the inventory's address, user and key. {without}")
    if probe.get("failed"):
        return make("probe", "error", said, "Python 3.8 or later, and root by become",
                    f"Repair what the message names: python3 on the host, or the become password. {without}")
    return make("probe", "error", "the probe did not run on this host", "evidence", "Run the playbook preflight from its start.")


def render(rows, sites, width=WIDTH):
    """The report as text: refused sites first, in each site the worst first, every finding with its remedy."""
    refused = {row["site"] for row in rows if row["verdict"] in REFUSING}
    names = sorted(set(sites.values()), key=lambda site: (site not in refused, site))
    lines = [_headline(len(sites), len(names), len(refused))]
    for site in names:
        mine = [row for row in rows if row["site"] == site]
        hosts = sum(1 for name in sites.values() if name == site)
        lines += ["", _site_line(site, hosts, mine, site in refused)]
        for row, where in _alike(row for row in mine if row["verdict"] != "pass"):
            lines += _finding(row, where, width)
    return "\n".join(lines)


def _headline(hosts, sites, refused):
    if not hosts:
        return "No host was looked at: nothing may go on."
    looked = f"{_plural(hosts, 'host')} at {_plural(sites, 'site')} looked at"
    if not refused:
        return f"{looked}: fit, nothing stands in the way."
    if refused == sites:
        return f"{looked}: no site goes on. Nothing was changed."
    return f"{looked}: {refused} of {_plural(sites, 'site')} refused, the others go on. Nothing was changed at the refused ones."


def _site_line(site, hosts, rows, refused):
    counts = {label: sum(1 for row in rows if row["verdict"] == label) for label in ORDER}
    parts = [_plural(hosts, "host"), f"{counts['pass']} checks passed"]
    parts += [f"{counts[key]} {word}" for key, word in (
        ("error", "without an answer"), ("fail", "failed"), ("inconclusive", "unclear"), ("warn", "to mind")) if counts[key]]
    return f"{'REFUSED' if refused else 'READY':<8} {site}  ({', '.join(parts)})"


def _alike(rows):
    """``[(row, hosts)]``: what is the same on many hosts of a site is said once."""
    groups = {}
    for row in rows:
        key = tuple(row[name] for name in ("verdict", "check", "found", "wanted", "remedy"))
        groups.setdefault(key, (row, []))[1].append(row["host"])
    return list(groups.values())


def _finding(row, hosts, width):
    what = f"{row['check'].replace('_', ' ')}: {', '.join(hosts)}"
    lines = _wrapped(f"  {LABELS[row['verdict']]:<8} ", what, width)
    for name, text in (("found", row["found"]), ("wanted", row["wanted"]), ("to do", row["remedy"])):
        if text:
            lines += _wrapped(f"           {name:<7}", text, width)
    return lines


def _wrapped(start, text, width):
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=" " * len(start),
                         break_long_words=False, break_on_hyphens=False)


def _plural(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
