"""Checks deploy/: the schemas of Kubernetes, restricted pod security, what the images need, and that nothing drifts.

Prints each complaint and `SKIPPED: ...` for what this machine cannot check; the exit code is 1 if there was a complaint.
The variable HELM_LIBRARY names a Python that has Helm's library.
"""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import yaml

from restricted import BREAKS, change, complaints

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
CHART = ROOT / "deploy/helm/postgres-backup"
# The oldest one that the chart allows, and the newest one with a schema.
VERSIONS = ["1.29", kubernetes_validate.latest_version()]
# Kinds of the Prometheus Operator, and files of kustomize and Helm, of which Kubernetes has no schema.
NO_SCHEMA = {"ServiceMonitor", "PrometheusRule", "Kustomization", "Component"}
SERVICES = ["backup", "verify"]

found = []


def complain(where, what):
    found.append(f"{where}: {what}")


def read(path):
    return (ROOT / path).read_text()


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def pod_of(document):
    """The spec of the pod that a workload makes."""
    spec = document["spec"]
    return spec["jobTemplate"]["spec"]["template"]["spec"] if document["kind"] == "CronJob" else spec["template"]["spec"]


def of_kind(manifests, kind):
    return [document for document in manifests if document["kind"] == kind]


def check_manifests(where, manifests):
    """Everything that must hold of manifests, from whichever source."""
    if not manifests:
        complain(where, "has no manifest")
    for document in manifests:
        name = f"{where}, {document['kind']} {document['metadata']['name'] if 'metadata' in document else ''}"
        if document["kind"] in NO_SCHEMA:
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                complain(name, f"Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}")
        if document["kind"] in ["Deployment", "CronJob"]:
            check_pod(name, pod_of(document))
            {"Deployment": check_deployment, "CronJob": check_cronjob}[document["kind"]](name, document)
        if document["kind"] == "ServiceAccount" and document.get("automountServiceAccountToken") is not False:
            complain(name, "mounts its token")


def check_pod(where, pod):
    for complaint in complaints(pod):
        complain(where, complaint)
    for path, value in BREAKS:
        broken = copy.deepcopy(pod)
        change(broken, path, value)
        if not list(complaints(broken)):
            complain("tests/deploy/restricted.py", f"does not notice {path} = {value} in {where}")
    [container] = pod["containers"]
    service = container["name"]
    dockerfile = read(f"services/{service}/Dockerfile")
    user = int(re.search(r"^USER (\d+):\1$", dockerfile, re.M)[1])
    security = pod["securityContext"]
    if {security["runAsUser"], security["runAsGroup"], security["fsGroup"]} != {user}:
        complain(where, f"the user of the image is {user}")
    # The folders that the image writes to.
    written = set(re.findall(r"(?:TMPDIR|VERIFY_SPOOL_DIR)=(\S+)", dockerfile))
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    if not written <= set(mounts) or not all(name in volumes for name in mounts.values()):
        complain(where, f"the image writes to {written}, and mounted are {mounts} of {set(volumes)}")
    if volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] != "Memory":
        complain(where, "password files are not in memory")
    grace = int(re.search(r"^\| `SHUTDOWN_GRACE_SECONDS` \| number \| `(\d+)`", read(f"docs/configuration-{service}.md"), re.M)[1])
    if pod["terminationGracePeriodSeconds"] <= grace:
        complain(where, f"stops before SHUTDOWN_GRACE_SECONDS, {grace}, has passed")
    known = re.findall(r"^\| `([A-Z0-9_]+)` \|", read("docs/configuration.md"), re.M)
    for variable in container.get("env", []):
        if variable["name"] not in known:
            complain(where, f"{variable['name']} is no variable")
    if re.search(r"(latest|[^0-9a-z]$)", container["image"].split(":")[-1]):
        complain(where, f"{container['image']} has no version")
    if service == "verify" and "storage" not in str(volumes[mounts["/var/spool/verify"]]["ephemeral"]):
        complain(where, "the spool has no size")


def check_deployment(where, document):
    spec = document["spec"]
    [container] = pod_of(document)["containers"]
    if spec["replicas"] != 1 or spec["strategy"] != {"type": "Recreate"}:
        complain(where, "two could run at once")
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
        if container[probe]["httpGet"] != {"path": "/livez", "port": "http"}:
            complain(where, f"{probe} does not ask /livez")
    if spec["selector"]["matchLabels"].items() - spec["template"]["metadata"]["labels"].items():
        complain(where, "the selector does not find the pod")


def check_cronjob(where, document):
    spec, job = document["spec"], document["spec"]["jobTemplate"]["spec"]
    [container] = pod_of(document)["containers"]
    service = container["name"]
    wanted = {
        "concurrencyPolicy": spec["concurrencyPolicy"] == "Forbid",
        "startingDeadlineSeconds": spec["startingDeadlineSeconds"] >= 600,
        "timeZone": bool(spec["timeZone"]),
        "backoffLimit": job["backoffLimit"] == 0,
        "restartPolicy": pod_of(document)["restartPolicy"] == "Never",
        "probes": not [name for name in container if name.endswith("Probe")],
        "args": container["args"][0] == "run",
    }
    for what, holds in wanted.items():
        if not holds:
            complain(where, f"{what} is not as it must be")
    options = read(f"docs/configuration-{service}.md")
    for option in container["args"][1:]:
        if f"[{option}]" not in options and f"{option} " not in options:
            complain(where, f"{service} {container['args']}: the documents know no {option}")
    timeout = int(re.search(rf"^\| `{service.upper()}_TIMEOUT` \| number \| `(\d+)`", options, re.M)[1])
    if job["activeDeadlineSeconds"] <= timeout:
        complain(where, f"is ended before {service.upper()}_TIMEOUT, {timeout}")
    environment = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
    if service == "backup" and [environment.get("BACKUP_SCHEDULE"), environment.get("TZ")] != [spec["schedule"], spec["timeZone"]]:
        complain(where, "BACKUP_SCHEDULE and TZ are not the schedule and the time zone")
    final = next(rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob")["onExitCodes"]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", read("docs/configuration.md"), re.M)}
    if final["containerName"] != service or 78 not in final["values"] or not set(final["values"]) <= codes:
        complain(where, "podFailurePolicy does not end the job for exit code 78")


def check_monitoring(where, manifests):
    """The rules are those of docs/, and what is scraped is there."""
    [rule] = of_kind(manifests, "PrometheusRule")
    if rule["spec"] != yaml.safe_load(read("docs/prometheus/rules.yml")):
        complain(where, "the PrometheusRule is not docs/prometheus/rules.yml: call deploy/generate")
    [monitor] = of_kind(manifests, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = of_kind(manifests, "Service")
    scraped = [service for service in services if wanted <= service["metadata"]["labels"].items()]
    ports = {port["name"] for service in scraped for port in service["spec"]["ports"]}
    if len(scraped) != 2 or {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} - ports:
        complain(where, "the ServiceMonitor does not find both services")
    policies = of_kind(manifests, "NetworkPolicy")
    labels = [document["spec"]["template"]["metadata"]["labels"] for document in of_kind(manifests, "Deployment")]
    for policy in policies:
        chosen = [pod for pod in labels if policy["spec"]["podSelector"]["matchLabels"].items() <= pod.items()]
        if len(chosen) != 1:
            complain(where, f"the NetworkPolicy {policy['metadata']['name']} chooses {len(chosen)} workloads")


def kustomize(folder):
    """What kustomize makes of a folder, or None if there is none."""
    for program in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if shutil.which(program[0]):
            return documents(subprocess.run([*program, folder], check=True, capture_output=True, text=True).stdout)
    return None


def check_kubernetes(version):
    files = {path: documents(path.read_text()) for path in sorted(KUBERNETES.rglob("*.yaml"))}
    for path, manifests in files.items():
        check_manifests(path.relative_to(ROOT), manifests)
        if path.name == "kustomization.yaml":
            for image in manifests[0].get("images", []):
                if image["newTag"] != version:
                    complain(path.relative_to(ROOT), f"the version is {version}, not {image['newTag']}")
    for path, manifests in files.items():
        for document in manifests:
            if document["kind"] in ["Deployment", "CronJob"]:
                image = pod_of(document)["containers"][0]["image"]
                if not image.endswith(f":{version}"):
                    complain(path.relative_to(ROOT), f"the version is {version}, not that of {image}")
    built = kustomize(KUBERNETES / "overlays/example")
    if built is None:
        print("SKIPPED: kustomize: neither kubectl nor kustomize is here; the overlays were not built")
        return files
    check_manifests("overlays/example", built)
    check_monitoring("overlays/example", built)
    [namespace] = of_kind(built, "Namespace")
    if namespace["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
        complain("overlays/example", "the namespace does not enforce the restricted standard")
    outside = [document["kind"] for document in built if document["kind"] != "Namespace"
               and document["metadata"].get("namespace") != namespace["metadata"]["name"]]
    if outside or len(of_kind(built, "NetworkPolicy")) != 2:
        complain("overlays/example", f"{outside} are not in the namespace, or a NetworkPolicy is missing")
    cron = kustomize(KUBERNETES / "overlays/cronjobs")
    check_manifests("overlays/cronjobs", cron)
    if of_kind(cron, "Deployment") or len(of_kind(cron, "CronJob")) != 2:
        complain("overlays/cronjobs", "does not have two CronJobs and nothing else")
    return files


BOTH = {"image": {"repository": "ghcr.io/owner/repository"}, "backup": {"existingSecret": "b"}, "verify": {"existingSecret": "v"}}


def merged(base, more):
    both = copy.deepcopy(base)
    for name, value in more.items():
        both[name] = merged(both.get(name, {}), value) if isinstance(value, dict) else value
    return both


def chart_cases():
    on = {name: {"enabled": True} for name in ["serviceMonitor", "prometheusRule", "dashboard", "networkPolicy"]}
    good = {
        "least": {},
        "everything": merged(on, {
            "image": {"tag": "0.1.0-pg17", "pullSecrets": [{"name": "login"}]},
            "backup": {
                "env": {"BACKUP_KEEP_MONTHLY": 12, "LOG_FORMAT": "json"},
                "extraEnv": [{"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "uri"}}}],
                "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
                "extraVolumes": [{"name": "ca", "secret": {"secretName": "db-ca"}}],
                "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/db-ca", "readOnly": True}],
                "serviceAccount": {"annotations": {"example.com/role": "backup"}},
                "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"}, "nodeSelector": {"e": "f"},
                "tolerations": [{"operator": "Exists"}], "affinity": {"nodeAffinity": {}}, "priorityClassName": "p",
            },
            "verify": {"spool": {"size": "1Ti", "storageClassName": "fast"}, "imageDigest": "sha256:" + "0" * 64,
                       "serviceAccount": {"create": False}},
            "serviceMonitor": {"tokenSecret": "b", "labels": {"release": "prometheus"}},
        }),
        "cronjobs": {"mode": "cronjob", "timeZone": "Europe/Berlin", "backup": {"schedule": "30 2 * * *"}},
        "interval": {"backup": {"schedule": "", "env": {"BACKUP_INTERVAL": "3600"}}},
        "verify alone": {"backup": {"enabled": False}},
    }
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", read("docs/kubernetes.md"), re.S)):
        good[f"docs/kubernetes.md, values {number + 1}"] = yaml.safe_load(text)
    bad = {
        "an unknown value": {"replicas": 2},
        "an unknown value of a service": {"backup": {"secret": "x"}},
        "a spool of backup": {"backup": {"spool": {"size": "1Gi"}}},
        "an unknown mode": {"mode": "daemonset"},
        "no repository": {"image": {"repository": ""}},
        "no configuration": {"verify": {"existingSecret": ""}},
        "a schedule of six fields": {"backup": {"schedule": "0 0 3 * * *"}},
        "a variable in lower case": {"backup": {"env": {"log_format": "json"}}},
        "a tag as a digest": {"backup": {"imageDigest": "0.1.0"}},
        "a number as a name": {"backup": {"existingSecret": 5}},
        "metrics of a CronJob": {"mode": "cronjob", "serviceMonitor": {"enabled": True}},
        "a CronJob without a schedule": {"mode": "cronjob", "verify": {"schedule": ""}},
    }
    return {name: merged(BOTH, values) for name, values in good.items()}, {name: merged(BOTH, values) for name, values in bad.items()}


def check_documented_values():
    """Every value in the table of docs/kubernetes.md exists."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    [table] = re.findall(r"^\| Value \|.*?\n\n", read("docs/kubernetes.md"), re.S | re.M)
    rows = [row for row in table.splitlines()[2:] if row]
    names = [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
    for name in names:
        there = values
        for part in name.split("."):
            there = there.get(part) if isinstance(there, dict) else None
        if there is None:
            complain("docs/kubernetes.md", f"the chart has no value {name}")
    if len(names) < 15:
        complain("docs/kubernetes.md", f"only {names}")


def check_chart(version, files):
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text())
    if [metadata["version"], str(metadata["appVersion"])] != [version, version]:
        complain("Chart.yaml", f"the version is {version}")
    check_documented_values()
    if not os.environ.get("HELM_LIBRARY"):
        print("SKIPPED: helm: Helm's library is not here (HELM_LIBRARY); the chart was not rendered")
        return
    good, bad = chart_cases()
    program = [os.environ["HELM_LIBRARY"], ROOT / "tests/deploy/helm.py", CHART]
    answer = subprocess.run(program, input=json.dumps({**good, **bad}), check=True, capture_output=True, text=True)
    answer = json.loads(answer.stdout)
    # Information, such as that an icon is recommended, is no finding.
    findings = [message for message in answer["lint"]["messages"] if message["severity"] > 1]
    if answer["lint"]["errors"] or findings:
        complain("helm lint", f"{answer['lint']['errors']} {findings}")
    results = answer["results"]
    for name in bad:
        if "manifests" in results[name]:
            complain("chart", f"takes {name}")
    rendered = {}
    for name in good:
        if "error" in results[name]:
            complain(f"chart, {name}", results[name]["error"])
            return
        texts = [text for path, text in results[name]["manifests"].items() if not path.endswith("NOTES.txt")]
        rendered[name] = [document for text in texts for document in documents(text)]
        check_manifests(f"chart, {name}", rendered[name])
    check_monitoring("chart, everything", rendered["everything"])
    [dashboard] = of_kind(rendered["everything"], "ConfigMap")
    if json.loads(dashboard["data"]["postgres-backup.json"]) != json.loads(read("docs/grafana/dashboard.json")):
        complain("chart", "the dashboard is not docs/grafana/dashboard.json: call deploy/generate")
    kinds = lambda name: sorted(document["kind"] for document in rendered[name])
    two = lambda kind: sorted(["Service", "ServiceAccount", kind] * 2)
    if kinds("least") != two("Deployment") or kinds("cronjobs") != sorted(["ServiceAccount", "CronJob"] * 2):
        complain("chart", f"makes {kinds('least')} and {kinds('cronjobs')}")
    if kinds("verify alone") != ["Deployment", "Service", "ServiceAccount"]:
        complain("chart, verify alone", f"makes {kinds('verify alone')}")
    names = [variable["name"] for variable in pod_of(of_kind(rendered["interval"], "Deployment")[0])["containers"][0]["env"]]
    if names != ["TZ", "BACKUP_INTERVAL"]:
        complain("chart, interval", f"has the variables {names}")
    check_agreement(files, rendered)


def check_agreement(files, rendered):
    """A pod of the chart is that of deploy/kubernetes, but for what the values choose."""
    for kind, folder, case in [("Deployment", "base", "least"), ("CronJob", "overlays/cronjobs", "cronjobs")]:
        for service in SERVICES:
            [ours] = of_kind(files[KUBERNETES / folder / f"{service}.yaml"], kind)
            [theirs] = [document for document in of_kind(rendered[case], kind)
                        if pod_of(document)["containers"][0]["name"] == service]
            pods = [copy.deepcopy(pod_of(document)) for document in (ours, theirs)]
            for pod in pods:
                for chosen in ["image", "imagePullPolicy", "env", "envFrom"]:
                    pod["containers"][0].pop(chosen, None)
            if pods[0] != pods[1]:
                complain("chart", f"the pod of the {kind} of {service} is not that of deploy/kubernetes/{folder}")
            if kind == "CronJob" and {**ours["spec"]["jobTemplate"]["spec"], "template": 0} != {
                **theirs["spec"]["jobTemplate"]["spec"], "template": 0}:
                complain("chart", f"the job of {service} is not that of deploy/kubernetes/{folder}")


def main():
    version = re.search(r'^version = "(.+)"$', read("Cargo.toml"), re.M)[1]
    files = check_kubernetes(version)
    check_chart(version, files)
    generated = subprocess.run([ROOT / "deploy/generate", "--check"], capture_output=True, text=True)
    if generated.returncode != 0:
        complain("deploy/generate", generated.stderr.strip())
    for complaint in found:
        print(complaint)
    print(f"{len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
