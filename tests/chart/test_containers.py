"""What the containers' tests take from the chart is what the chart says."""

import json
import os
import pathlib

from chart import containers, pods, render

RECORDED = pathlib.Path(__file__).parent / "snapshots" / "containers.json"


def as_a_container(pod, container):
    """What an engine without Kubernetes can be told of a pod."""
    rights = container["securityContext"]
    sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {})
    return {
        "arguments": container["args"],
        "user": f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}",
        "read_only": rights["readOnlyRootFilesystem"],
        "dropped": rights["capabilities"]["drop"],
        "no_new_privileges": not rights["allowPrivilegeEscalation"],
        "memory": container["resources"]["limits"]["memory"],
        "environment": {each["name"]: each["value"] for each in container["env"] if "value" in each},
        "secrets": [each["name"] for each in container["env"] if "valueFrom" in each],
        "drain_s": sleep.get("seconds", 0),
        "grace_s": pod.get("terminationGracePeriodSeconds", 30) - sleep.get("seconds", 0),
    }


def test_the_containers_are_run_as_the_chart_runs_its_pods():
    found = {
        container["name"]: as_a_container(pod, container)
        for name, _, pod in pods(render("minimal"))
        if not name.startswith("Pod/")
        for container in containers(pod)
    }
    if os.environ.get("UPDATE_SNAPSHOTS"):
        RECORDED.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(RECORDED.read_text())
    assert set(found) == {"migrate", "serve", "worker"}
