"""Every example is clean, fits Kubernetes, and comes out as it was reviewed."""

import os
import pathlib
import re

import kubernetes_validate
import pytest
import yaml
from chart import CASES, CHART, ROOT, VERSIONS, helm, render, text

# What operators define: Kubernetes itself knows no schema of them.
OPERATORS = {"Cluster", "ExternalSecret", "HTTPRoute", "PodMonitor", "PrometheusRule", "ScaledObject"}
SNAPSHOTS = pathlib.Path(__file__).parent / "snapshots"


@pytest.mark.parametrize("case", CASES)
def test_lint_finds_nothing(case):
    done = helm("lint", "--strict", CHART, "--values", CHART / "ci" / f"{case}.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_every_object_fits_the_oldest_and_the_newest_kubernetes(case, version):
    known = 0
    for each in yaml.safe_load_all(text(case, version=version)):
        if each and each["kind"] not in OPERATORS:
            kubernetes_validate.validate(each, version, strict=True)
            known += 1
    assert known > 5


def test_an_older_kubernetes_is_refused():
    done = helm("template", "q", CHART, "--kube-version", "1.29.9", "--values", CHART / "ci" / "minimal.yaml")
    assert done.returncode != 0
    assert "requires kubeVersion: >=1.30.0" in done.stderr


@pytest.mark.parametrize("case", CASES)
def test_it_comes_out_as_it_was_reviewed(case):
    snapshot = SNAPSHOTS / f"{case}.yaml"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(text(case))
    assert text(case) == snapshot.read_text(), "read the difference; if it is meant, run make chart UPDATE_SNAPSHOTS=1"


@pytest.mark.parametrize("case", CASES)
def test_no_name_is_given_twice_and_each_object_has_the_common_labels(case):
    names = [(each["kind"], each["metadata"]["name"]) for each in render(case)]
    assert len(names) == len(set(names))
    for each in render(case, commonLabels={"team": "finance"}):
        labels = each["metadata"]["labels"]
        assert each["metadata"]["namespace"] == "pay"
        assert labels["app.kubernetes.io/instance"] == "q"
        assert labels["team"] == "finance"


def test_the_version_is_the_services():
    cargo = re.search(r'\[package\].*?version = "(.*?)"', (ROOT / "Cargo.toml").read_text(), re.S)[1]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == cargo


def test_the_notes_say_what_to_do_next_and_what_is_open():
    def notes(case):
        done = helm("install", "q", CHART, "--namespace", "pay", "--dry-run=client", "--values", CHART / "ci" / f"{case}.yaml")
        assert done.returncode == 0, done.stderr
        return done.stdout.partition("NOTES:")[2]

    small, production = notes("small"), notes("production")
    assert "quittance admin bootstrap" in small
    assert "Stripe cannot reach this release yet" in small
    assert "networkPolicy is off" in small
    assert "--url https://pay.example.com" in production
    assert "360 connections" in production  # 24 for each of 8 + 6 pods and one that is on its way
    assert "cannot reach" not in production
    assert "--url https://pay.example.com" in notes("cloudnativepg")
    assert "Keys that only unwrap: kek-2025" in notes("external-secrets")
