#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_report
short_description: Reports on a rollout from its ledger, also while it runs
version_added: 0.2.0
description:
  - Says what runs where and why, from the ledger of a rollout - for each target the image before, the wanted one and the one that runs,
    how long each phase took, what its gates found; for each wave the rules with their numbers; and who decided what.
  - Reads only. It takes no lock, so that it can be run while a rollout runs, and after one was aborted or its controller died.
  - Runs on the controller and touches no device. What a target runs is what was proven of it last, not what it runs this minute.
author: edgeai.sites contributors (@edgeai-sites)
options:
  ledger:
    description: The rollout's ledger, the path of a directory or C(configmap:<namespace>/<name>), with its plan and its journal.
    type: path
    required: true
  ledger_kubeconfig:
    description: Path of the kubeconfig of the ledger's cluster, where O(ledger) is in one.
    type: path
  dest:
    description:
      - Directory that receives the report as C(index.html) (a page with a timeline, without scripts), C(report.txt), C(report.md),
        C(report.json) and C(junit.xml). Made if it is not there. Readable by its owner only. Not written in check mode.
    type: path
  textfile:
    description:
      - File that receives the numbers in Prometheus' text format, for the textfile collector of a node exporter. Readable by all.
        Not written in check mode.
    type: path
  now:
    description: Of which moment the report is, in seconds since the epoch; by default now. One that has ended is reported as of its end.
    type: int
  timezone:
    description: IANA name of the time zone in which times are shown.
    type: str
    default: UTC
attributes:
  check_mode:
    description: Reports the same, and does not write files.
    support: full
  diff_mode:
    description: A report is no change of anything.
    support: none
  idempotent:
    description: The same ledger gives the same files once the rollout has ended; until then the time goes on in them.
    support: full
seealso:
  - module: edgeai.sites.rollout_plan
"""

EXAMPLES = r"""
- name: Report on the rollout
  edgeai.sites.rollout_report:
    ledger: ~/.edgeai/factories/rollouts/vision-2.4
    dest: ~/.edgeai/factories/reports/vision-2.4
    textfile: /var/lib/prometheus/node-exporter/vision-2.4.prom
    timezone: Europe/Berlin
"""

RETURN = r"""
text:
  description: The report as people read it.
  returned: success
  type: str
report:
  description: The report as data.
  returned: success
  type: dict
status:
  description: How the rollout stands, such as C(running), C(paused), C(done) or C(aborted).
  returned: success
  type: str
  sample: done
files:
  description: The files of the report.
  returned: success
  type: list
  elements: str
"""

# Its work is done by the action plugin of the same name, in the controller's own process.
