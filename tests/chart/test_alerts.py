"""Alerts fire, have an entry in the runbook, and speak of metrics that there are; so does the dashboard."""

import json
import re
import subprocess

import yaml
from chart import ROOT, one, render

PROMTOOL = ROOT / "target" / "promtool" / "promtool"
TESTS = ROOT / "tests" / "chart" / "alerts_test.yaml"
SUFFIXES = r"(_bucket|_sum|_count)?"


def rules():
    return one(render("production"), "PrometheusRule")["spec"]


def alerts():
    return [rule for group in rules()["groups"] for rule in group["rules"]]


def promtool(*arguments, cwd):
    done = subprocess.run([PROMTOOL, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contract():
    """The metrics that docs/metrics.md promises, with their labels."""
    rows = re.findall(r"^\| `(quittance_\w+)` \| (\w+) \| (.*?) \|", (ROOT / "docs" / "metrics.md").read_text(), re.M)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, _, labels in rows}


def test_each_alert_fires_when_it_must(tmp_path):
    spec = rules()
    for rule in (rule for group in spec["groups"] for rule in group["rules"]):
        rule["annotations"] = {"summary": rule["annotations"]["summary"]}
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(spec))
    (tmp_path / "tests.yaml").write_text(TESTS.read_text())
    assert f"{len(alerts())} rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml", cwd=tmp_path)
    promtool("test", "rules", "tests.yaml", cwd=tmp_path)


def test_each_alert_has_a_test_that_makes_it_fire():
    fired = {
        case["alertname"]
        for test in yaml.safe_load(TESTS.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in alerts()}


def test_each_alert_says_what_how_bad_and_where_to_read_on():
    entries = re.findall(r"^### (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.M)
    assert sorted(entries) == sorted(rule["alert"] for rule in alerts()), "one entry for each, and no other"
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["for"]
        assert rule["annotations"]["description"]
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert 'namespace="pay"' in rule["expr"], "another release's pods are not this one's"
        assert "@" not in json.dumps(rule)


def test_the_runbook_is_where_it_is_said_to_be():
    objects = render("production", metrics={"prometheusRule": {"runbookUrl": "https://wiki.example.com/quittance"}})
    for group in one(objects, "PrometheusRule")["spec"]["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["runbook_url"].startswith("https://wiki.example.com/quittance#")


def dashboard():
    return json.loads(one(render("production"), "ConfigMap")["data"]["quittance.json"])


def expressions():
    yield from (rule["expr"] for rule in alerts())
    yield from (target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", []))


def test_alerts_and_dashboard_ask_for_metrics_and_labels_that_there_are():
    known = contract()
    added = {"namespace", "pod", "component", "le"}
    for expression in expressions():
        for name, matchers in re.findall(r"(quittance_\w+)\{(.*?)\}", expression):
            base = name if name in known else re.sub(SUFFIXES + "$", "", name)
            assert base in known, expression
            assert set(re.findall(r'(\w+)=~?"', matchers)) <= known[base] | added, expression
        grouped = {label.strip() for labels in re.findall(r"by \((.*?)\)", expression) for label in labels.split(",")}
        asked = {label for name in known if name in expression for label in known[name]}
        assert grouped <= asked | added, expression


def test_every_metric_is_on_the_dashboard():
    shown = " ".join(target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", []))
    assert [name for name in contract() if not re.search(name + SUFFIXES + r"\{", shown)] == []


def test_the_dashboard_can_be_read_by_grafana():
    found = dashboard()
    numbers = [panel["id"] for panel in found["panels"]]
    assert len(numbers) == len(set(numbers))
    assert [variable["name"] for variable in found["templating"]["list"]] == ["datasource", "namespace"]
    assert one(render("production"), "ConfigMap")["metadata"]["labels"]["grafana_dashboard"] == "1"
    for panel in found["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        for target in panel.get("targets", []):
            assert 'namespace="$namespace"' in target["expr"]


def test_metrics_are_read_from_the_pods_of_both_roles_with_the_label_that_alerts_need():
    monitor = one(render("production"), "PodMonitor")["spec"]
    assert monitor["selector"]["matchExpressions"][0]["values"] == ["serve", "worker"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")
    assert endpoint["relabelings"][0]["targetLabel"] == "component"
