"""Renders the chart, as often as a test asks and once for each set of values."""

import copy
import functools
import json
import pathlib
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "quittance"
HELM = ROOT / "target" / "helm" / "bin" / "helm"
CASES = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
NAMESPACE = "pay"

# The oldest and the newest that the chart is held against.
VERSIONS = ["1.30.0", "1.37.0"]


def helm(*arguments, values=None):
    """What helm did, with more values over standard input."""
    given = ["--values", "-"] if values is not None else []
    return subprocess.run(
        [HELM, *map(str, arguments), *given],
        input=json.dumps(values) if values is not None else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@functools.cache
def text(case, more="{}", version=VERSIONS[-1]):
    """A case from `ci/` as helm prints it, with more values as JSON."""
    done = helm(
        *["template", "q", CHART, "--namespace", NAMESPACE, "--kube-version", version, "--values", CHART / "ci" / f"{case}.yaml"],
        values=json.loads(more),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def _parsed(case, more):
    return [document for document in yaml.safe_load_all(text(case, more)) if document]


def render(case, **more):
    """The objects of a case, with more values."""
    return copy.deepcopy(_parsed(case, json.dumps(more)))


def refusal(case="minimal", **more):
    """What helm says of values that do not fit."""
    done = helm("template", "q", CHART, "--values", CHART / "ci" / f"{case}.yaml", values=more)
    assert done.returncode != 0, "these values were taken"
    return done.stderr


def of(objects, kind, ending=""):
    """Those of a kind whose name ends so."""
    return [each for each in objects if each["kind"] == kind and each["metadata"]["name"].endswith(ending)]


def one(objects, kind, ending=""):
    """The only one."""
    (only,) = of(objects, kind, ending)
    return only


def pods(objects):
    """The name, labels and spec of every pod that comes to be."""
    for each in objects:
        name = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] == "Pod":
            yield name, each["metadata"]["labels"], each["spec"]
        elif each["kind"] in ("Deployment", "Job"):
            template = each["spec"]["template"]
            yield name, template["metadata"]["labels"], template["spec"]


def containers(spec):
    """All of a pod's containers, those that run first too."""
    return spec.get("initContainers", []) + spec["containers"]


def env(container):
    """A container's environment: plain values, and `secret/entry` of what comes from a secret."""
    found = {}
    for variable in container["env"]:
        if "value" in variable:
            found[variable["name"]] = variable["value"]
        else:
            secret = variable["valueFrom"]["secretKeyRef"]
            found[variable["name"]] = f"{secret['name']}/{secret['key']}"
    return found


def serve(objects):
    """The container that serves, and its pod."""
    pod = one(objects, "Deployment", "-serve")["spec"]["template"]["spec"]
    return pod["containers"][0], pod
