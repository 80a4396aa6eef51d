"""Jobs: run a pod to completion, retry up to backoffLimit."""

from __future__ import annotations

from ..api.objects import copy, now
from . import conditions


class JobController:
    watches = {"jobs", "pods"}

    def __init__(self, objects, recorder):
        self._objects, self._recorder = objects, recorder
        self.wake_in = None

    def sync(self):
        for job in self._objects.all("jobs"):
            done = conditions.find(job, "Complete") or conditions.find(job, "Failed")
            if not job["metadata"].get("deletionTimestamp") and not done:
                self._sync_one(job)

    def _sync_one(self, job):
        meta, spec = job["metadata"], job["spec"]
        pods = [p for p in self._objects.all("pods", meta["namespace"]) if conditions.controller_of(p) == meta["uid"]]
        succeeded = sum(p["status"].get("phase") == "Succeeded" for p in pods)
        failed = sum(p["status"].get("phase") == "Failed" for p in pods)
        active = sum(conditions.is_active(p) for p in pods)
        status = {k: v for k, v in (("active", active), ("succeeded", succeeded), ("failed", failed)) if v}
        status["startTime"] = (job.get("status") or {}).get("startTime") or now()
        if succeeded >= spec["completions"]:
            status.update(completionTime=now(), conditions=conditions.put([], "Complete", "True", "CompletionsReached"))
        elif failed > spec["backoffLimit"]:
            status["conditions"] = conditions.put([], "Failed", "True", "BackoffLimitExceeded",
                                                  "Job has reached the specified backoff limit")
        elif not spec.get("suspend"):
            for _ in range(min(spec["parallelism"], spec["completions"] - succeeded) - active):
                self._create(job)
        if status != job.get("status"):
            self._objects.edit("jobs", job, lambda o: o.update(status=status), "status")

    def _create(self, job):
        template, meta = copy(job["spec"]["template"]), job["metadata"]
        labels = {**(template.get("metadata", {}).get("labels") or {}), "job-name": meta["name"],
                  "batch.kubernetes.io/job-name": meta["name"]}
        pod = {"metadata": {**template.get("metadata", {}), "labels": labels, "generateName": meta["name"] + "-",
                            "ownerReferences": [conditions.owner_reference(job)]}, "spec": template["spec"]}
        created = self._objects.create(self._objects.registry["pods"], meta["namespace"], pod)
        self._recorder.record(job, "Normal", "SuccessfulCreate", f"Created pod: {created['metadata']['name']}",
                              "job-controller")
