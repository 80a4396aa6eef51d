"""The container runtime interface (v1): the messages that EdgeCore needs of it, and a client for containerd's socket."""

from __future__ import annotations

import os

from standin_common.protobuf import Codec

_NAMED = {1: ("name", str), 2: ("attempt", int)}
MESSAGES = {
    "Empty": {},
    "VersionRequest": {1: ("version", str)},
    "VersionResponse": {2: ("runtime_name", str), 3: ("runtime_version", str), 4: ("runtime_api_version", str)},
    "StatusResponse": {1: ("status", "RuntimeStatus")},
    "RuntimeStatus": {1: ("conditions", ["RuntimeCondition"])},
    "RuntimeCondition": {1: ("type", str), 2: ("status", bool), 3: ("reason", str), 4: ("message", str)},
    "PodSandboxMetadata": {1: ("name", str), 2: ("uid", str), 3: ("namespace", str), 4: ("attempt", int)},
    "DNSConfig": {1: ("servers", [str]), 2: ("searches", [str]), 3: ("options", [str])},
    "PortMapping": {1: ("protocol", int), 2: ("container_port", int), 3: ("host_port", int), 4: ("host_ip", str)},
    "Int64Value": {1: ("value", int)},
    "NamespaceOption": {1: ("network", int), 2: ("pid", int), 3: ("ipc", int)},
    "LinuxSandboxSecurityContext": {1: ("namespace_options", "NamespaceOption"), 6: ("privileged", bool)},
    "LinuxPodSandboxConfig": {1: ("cgroup_parent", str), 2: ("security_context", "LinuxSandboxSecurityContext")},
    "PodSandboxConfig": {1: ("metadata", "PodSandboxMetadata"), 2: ("hostname", str), 3: ("log_directory", str),
                         4: ("dns_config", "DNSConfig"), 5: ("port_mappings", ["PortMapping"]), 6: ("labels", {str: str}),
                         7: ("annotations", {str: str}), 8: ("linux", "LinuxPodSandboxConfig")},
    "RunPodSandboxRequest": {1: ("config", "PodSandboxConfig"), 2: ("runtime_handler", str)},
    "PodSandboxId": {1: ("pod_sandbox_id", str)},
    "PodSandboxStatusResponse": {1: ("status", "PodSandboxStatus")},
    "PodSandboxStatus": {1: ("id", str), 2: ("metadata", "PodSandboxMetadata"), 3: ("state", int),
                         5: ("network", "PodSandboxNetworkStatus")},
    "PodSandboxNetworkStatus": {1: ("ip", str)},
    "ListPodSandboxResponse": {1: ("items", ["PodSandbox"])},
    "PodSandbox": {1: ("id", str), 2: ("metadata", "PodSandboxMetadata"), 3: ("state", int), 4: ("created_at", int),
                   5: ("labels", {str: str})},
    "ContainerMetadata": _NAMED,
    "ImageSpec": {1: ("image", str)},
    "KeyValue": {1: ("key", str), 2: ("value", str)},
    "Mount": {1: ("container_path", str), 2: ("host_path", str), 3: ("readonly", bool)},
    "Device": {1: ("container_path", str), 2: ("host_path", str), 3: ("permissions", str)},
    "CDIDevice": {1: ("name", str)},
    "LinuxContainerResources": {1: ("cpu_period", int), 2: ("cpu_quota", int), 3: ("cpu_shares", int),
                                4: ("memory_limit_in_bytes", int), 5: ("oom_score_adj", int)},
    "Capability": {1: ("add_capabilities", [str]), 2: ("drop_capabilities", [str])},
    "LinuxContainerSecurityContext": {1: ("capabilities", "Capability"), 2: ("privileged", bool),
                                      3: ("namespace_options", "NamespaceOption"), 5: ("run_as_user", "Int64Value"),
                                      7: ("readonly_rootfs", bool), 11: ("no_new_privs", bool),
                                      12: ("run_as_group", "Int64Value")},
    "LinuxContainerConfig": {1: ("resources", "LinuxContainerResources"),
                             2: ("security_context", "LinuxContainerSecurityContext")},
    "ContainerConfig": {1: ("metadata", "ContainerMetadata"), 2: ("image", "ImageSpec"), 3: ("command", [str]),
                        4: ("args", [str]), 5: ("working_dir", str), 6: ("envs", ["KeyValue"]), 7: ("mounts", ["Mount"]),
                        8: ("devices", ["Device"]), 9: ("labels", {str: str}), 10: ("annotations", {str: str}), 11: ("log_path", str),
                        15: ("linux", "LinuxContainerConfig"), 17: ("cdi_devices", ["CDIDevice"])},
    "CreateContainerRequest": {1: ("pod_sandbox_id", str), 2: ("config", "ContainerConfig"),
                               3: ("sandbox_config", "PodSandboxConfig")},
    "ContainerId": {1: ("container_id", str)},
    "StopContainerRequest": {1: ("container_id", str), 2: ("timeout", int)},
    "ListContainersResponse": {1: ("containers", ["Container"])},
    "Container": {1: ("id", str), 2: ("pod_sandbox_id", str), 3: ("metadata", "ContainerMetadata"), 6: ("state", int),
                  7: ("created_at", int), 8: ("labels", {str: str}), 9: ("annotations", {str: str})},
    "ContainerStatusResponse": {1: ("status", "ContainerStatus")},
    "ContainerStatus": {1: ("id", str), 2: ("metadata", "ContainerMetadata"), 3: ("state", int), 4: ("created_at", int),
                        5: ("started_at", int), 6: ("finished_at", int), 7: ("exit_code", int), 9: ("image_ref", str),
                        10: ("reason", str), 11: ("message", str)},
    "ExecSyncRequest": {1: ("container_id", str), 2: ("cmd", [str]), 3: ("timeout", int)},
    "ExecSyncResponse": {1: ("stdout", bytes), 2: ("stderr", bytes), 3: ("exit_code", int)},
    "ImageRequest": {1: ("image", "ImageSpec")},
    "ImageStatusResponse": {1: ("image", "Image")},
    "Image": {1: ("id", str)},
    "PullImageResponse": {1: ("image_ref", str)},
}
_CODEC = Codec(MESSAGES)
# method: (service, request, response)
_METHODS = {
    "Version": ("Runtime", "VersionRequest", "VersionResponse"),
    "Status": ("Runtime", "Empty", "StatusResponse"),
    "RunPodSandbox": ("Runtime", "RunPodSandboxRequest", "PodSandboxId"),
    "StopPodSandbox": ("Runtime", "PodSandboxId", "Empty"),
    "RemovePodSandbox": ("Runtime", "PodSandboxId", "Empty"),
    "PodSandboxStatus": ("Runtime", "PodSandboxId", "PodSandboxStatusResponse"),
    "ListPodSandbox": ("Runtime", "Empty", "ListPodSandboxResponse"),
    "CreateContainer": ("Runtime", "CreateContainerRequest", "ContainerId"),
    "StartContainer": ("Runtime", "ContainerId", "Empty"),
    "StopContainer": ("Runtime", "StopContainerRequest", "Empty"),
    "RemoveContainer": ("Runtime", "ContainerId", "Empty"),
    "ListContainers": ("Runtime", "Empty", "ListContainersResponse"),
    "ContainerStatus": ("Runtime", "ContainerId", "ContainerStatusResponse"),
    "ExecSync": ("Runtime", "ExecSyncRequest", "ExecSyncResponse"),
    "ImageStatus": ("Image", "ImageRequest", "ImageStatusResponse"),
    "PullImage": ("Image", "ImageRequest", "PullImageResponse"),
}
POD, NODE = 0, 2                      # namespace modes
READY = 0                             # of a sandbox
CREATED, RUNNING, EXITED = 0, 1, 2    # of a container


class RuntimeProblem(Exception):
    """The runtime refused, or does not answer; `code` is gRPC's, the text what a Go program would say."""

    def __init__(self, code, details):
        self.code, self.details = code, details
        super().__init__(f"rpc error: code = {code} desc = {details}")


class Runtime:
    """Calls by name: runtime.call("Version", version="v1")."""

    def __init__(self, endpoint):
        """endpoint: unix:///run/containerd/containerd.sock"""
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
        import grpc
        self._grpc, self.endpoint = grpc, endpoint
        self._path = endpoint.replace("unix://", "")
        self._channel = grpc.insecure_channel("unix:" + self._path, [("grpc.max_receive_message_length", 16 << 20)])
        self._calls = {}

    def call(self, method, deadline=120.0, /, **request):
        if not os.path.exists(self._path):
            raise RuntimeProblem("Unavailable", 'connection error: desc = "transport: Error while dialing: dial unix '
                                 f'{self._path}: connect: no such file or directory"')
        service, encoded, decoded = _METHODS[method]
        if method not in self._calls:
            self._calls[method] = self._channel.unary_unary(
                f"/runtime.v1.{service}Service/{method}", _CODEC.encoder(encoded), _CODEC.decoder(decoded))
        try:
            return self._calls[method](request, timeout=deadline)
        except self._grpc.RpcError as problem:
            code = problem.code().name.title().replace("_", "")
            details = problem.details()
            if code == "Unavailable":
                details = (f'connection error: desc = "transport: Error while dialing: dial unix {self._path}: connect: '
                           'connection refused"')
            raise RuntimeProblem(code, details) from None
