"""What pods mount comes out of the database; only tokens come from the cloud, and only while it is there."""

from __future__ import annotations

import json

from standin_common import log
from standin_common.apiclient import Refused
from standin_common.volumes import NotMountable

from .link import NoAnswer, NotConnected, Rejected

_KINDS = {"configmaps": "configmap", "secrets": "secret"}


class StoreClient:
    """Stands where volumes expect a client of the API."""

    def __init__(self, database, link):
        self._database, self._link = database, link

    def get(self, path):
        """/api/v1/namespaces/<namespace>/<plural>/<name>"""
        _, _, _, _, namespace, plural, name = path.split("/")
        found = self._database.get(f"{namespace}/{_KINDS[plural]}/{name}")
        if found is None:
            raise Refused(404, json.dumps({"reason": "NotFound", "message": f'{plural} "{name}" not found'}))
        return found

    def request(self, _method, path, body):
        """POST .../serviceaccounts/<account>/token: the token in the database is under a key that offline nobody looks up."""
        _, _, _, _, namespace, _, account, _ = path.split("/")
        try:
            return self._link.request("token", {"namespace": namespace, "account": account, "spec": body["spec"]}, 10.0)
        except (NotConnected, NoAnswer, Rejected):
            log.kubernetes("E", "serviceaccount.go:114", f'query meta "{account}"/"{namespace}"/[]string(nil)/3607/'
                           'v1.BoundObjectReference{Kind:"Pod", APIVersion:"v1"} length error')
            raise NotMountable("failed to fetch token: serviceaccount length from meta db is 0") from None
