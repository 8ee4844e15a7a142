"""The restricted Pod Security Standard, and what this project asks of a pod besides.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SECCOMP = {"RuntimeDefault", "Localhost"}
HOST = ["hostNetwork", "hostPID", "hostIPC"]


def complaints(spec):
    """What is wrong with the spec of a pod, one sentence each."""
    pod = spec.get("securityContext", {})
    for name in HOST:
        if spec.get(name):
            yield f"{name} is set"
    if pod.get("sysctls"):
        yield "sysctls are set"
    for volume in spec.get("volumes", []):
        for kind in set(volume) - {"name"} - VOLUMES:
            yield f"the volume {volume['name']} is a {kind}"
    containers = spec.get("initContainers", []) + spec.get("containers", []) + spec.get("ephemeralContainers", [])
    for container in containers:
        for complaint in complaints_about_container(container, pod):
            yield f"container {container['name']}: {complaint}"
    # Ours.
    if spec.get("automountServiceAccountToken") is not False:
        yield "the token of the service account is mounted"
    if spec.get("enableServiceLinks") is not False:
        yield "service links are on: their variables look like ours"


def complaints_about_container(container, pod):
    own = container.get("securityContext", {})
    either = lambda name: own.get(name, pod.get(name))
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "privileges may escalate"
    if either("runAsNonRoot") is not True:
        yield "runAsNonRoot is not set"
    if not either("runAsUser"):
        yield "runAsUser is root or not set"
    if (either("seccompProfile") or {}).get("type") not in SECCOMP:
        yield "no profile of seccomp"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities are not dropped"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities are added"
    if own.get("procMount", "Default") != "Default":
        yield "procMount is set"
    for port in container.get("ports", []):
        if port.get("hostPort"):
            yield "a port of the host is taken"
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"]:
        if container.get(probe, {}).get("httpGet", {}).get("host"):
            yield f"{probe} asks another host"
    # Ours.
    if own.get("readOnlyRootFilesystem") is not True:
        yield "the root file system can be written to"
    if "memory" not in container.get("resources", {}).get("limits", {}):
        yield "no limit of memory"


def change(spec, path, value):
    """Sets one field of a copied spec, or removes it with None."""
    *parents, last = path
    for name in parents:
        spec = spec.setdefault(name, {}) if isinstance(spec, dict) else spec[name]
    if value is None:
        del spec[last]
    else:
        spec[last] = value


# Each makes a good pod a bad one.
CONTAINER = ("containers", 0, "securityContext")
BREAKS = [
    (("hostNetwork",), True),
    (("hostPID",), True),
    (("hostIPC",), True),
    (("automountServiceAccountToken",), None),
    (("enableServiceLinks",), True),
    (("securityContext", "runAsNonRoot"), None),
    (("securityContext", "runAsUser"), 0),
    (("securityContext", "seccompProfile"), None),
    (("securityContext", "seccompProfile", "type"), "Unconfined"),
    (("securityContext", "sysctls"), [{"name": "kernel.shm_rmid_forced", "value": "1"}]),
    (("volumes", 0), {"name": "host", "hostPath": {"path": "/"}}),
    ((*CONTAINER, "privileged"), True),
    ((*CONTAINER, "allowPrivilegeEscalation"), None),
    ((*CONTAINER, "readOnlyRootFilesystem"), False),
    ((*CONTAINER, "runAsUser"), 0),
    ((*CONTAINER, "capabilities"), None),
    ((*CONTAINER, "capabilities", "add"), ["SYS_ADMIN"]),
    ((*CONTAINER, "procMount"), "Unmasked"),
    (("containers", 0, "ports"), [{"containerPort": 8080, "hostPort": 8080}]),
    (("containers", 0, "livenessProbe"), {"httpGet": {"host": "169.254.169.254", "port": 80}}),
    (("containers", 0, "resources", "limits"), None),
]
