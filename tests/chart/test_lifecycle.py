"""How pods begin, end, grow and share."""

import re

import pytest
from chart import CASES, env, of, one, pods, render, serve

HOOK = "helm.sh/hook"


@pytest.mark.parametrize("drain, grace", [(10, 25), (0, 5), (15, 30), (300, 3600)])
def test_a_pod_may_drain_and_finish_before_it_is_killed(drain, grace):
    objects = render("minimal", shutdown={"drainS": drain, "graceS": grace})
    container, pod = serve(objects)
    assert env(container)["QUITTANCE_SHUTDOWN_GRACE_S"] == str(grace)
    drained = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert drained == drain
    assert pod["terminationGracePeriodSeconds"] >= drained + grace + 5
    worker = one(objects, "Deployment", "-worker")["spec"]["template"]["spec"]
    assert "lifecycle" not in worker["containers"][0], "nothing sends requests to a worker"
    assert worker["terminationGracePeriodSeconds"] >= grace + 5


def test_every_role_is_probed():
    for case in CASES:
        for role, port, ready in (("-serve", "http", "/readyz"), ("-worker", "metrics", "/healthz")):
            (container,) = one(render(case), "Deployment", role)["spec"]["template"]["spec"]["containers"]
            for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", ready)):
                assert container[probe]["httpGet"] == {"path": path, "port": port}
            assert port in [each["name"] for each in container["ports"]]


def test_the_ports_are_those_that_are_listened_on():
    container, _ = serve(render("minimal"))
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert env(container)["QUITTANCE_LISTEN"] == f"0.0.0.0:{ports['http']}"
    assert env(container)["QUITTANCE_METRICS_LISTEN"] == f"0.0.0.0:{ports['metrics']}"


def test_a_rollout_takes_no_pod_away_before_another_is_ready():
    for role in of(render("minimal"), "Deployment"):
        assert role["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    for role in of(render("production"), "Deployment"):
        assert role["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 1, "each node may have one already"


def test_the_schema_comes_before_the_pods_and_what_the_hook_needs_before_the_hook():
    objects = render("production")
    job = one(objects, "Job", "-migrate")
    assert job["metadata"]["annotations"][HOOK] == "pre-install,pre-upgrade"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["migrate"]
    account = job["spec"]["template"]["spec"]["serviceAccountName"]
    for kind, ending in (("ServiceAccount", account), ("NetworkPolicy", "-migrate")):
        before = one(objects, kind, ending)["metadata"]["annotations"]
        assert before[HOOK] == "pre-install,pre-upgrade"
        assert int(before["helm.sh/hook-weight"]) < int(job["metadata"]["annotations"]["helm.sh/hook-weight"])


@pytest.mark.parametrize("case", CASES)
def test_a_hook_needs_nothing_that_is_made_after_it(case):
    objects = render(case)
    later = {each["metadata"]["name"] for each in objects if HOOK not in each["metadata"].get("annotations", {})}
    for job in of(objects, "Job"):
        spec = job["spec"]["template"]["spec"]
        needed = {spec["serviceAccountName"]}
        needed |= {volume[kind][name] for volume in spec["volumes"] for kind, name in (("secret", "secretName"), ("configMap", "name")) if kind in volume}
        needed |= {value.split("/")[0] for value in env(spec["containers"][0]).values()}
        assert not needed & later


@pytest.mark.parametrize("case", ["cloudnativepg", "external-secrets"])
def test_pods_migrate_by_themselves_where_the_chart_makes_what_a_migration_needs(case):
    objects = render(case)
    assert not of(objects, "Job")
    for role in of(objects, "Deployment"):
        (first,) = role["spec"]["template"]["spec"]["initContainers"]
        assert first["args"] == ["migrate"]
        assert first["image"] == role["spec"]["template"]["spec"]["containers"][0]["image"]


def test_roles_keep_apart_and_spread():
    for case, expected in (("minimal", "preferred"), ("production", "required"), ("small", None)):
        for role in of(render(case), "Deployment"):
            spec, labels = role["spec"]["template"]["spec"], role["spec"]["template"]["metadata"]["labels"]
            apart = spec.get("affinity", {}).get("podAntiAffinity", {})
            assert list(apart) == ([f"{expected}DuringSchedulingIgnoredDuringExecution"] if expected else [])
            assert [each["topologyKey"] for each in spec["topologySpreadConstraints"]] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
            for each in spec["topologySpreadConstraints"]:
                assert each["labelSelector"]["matchLabels"].items() <= labels.items()


def test_a_drain_takes_one_pod_at_a_time_and_is_never_held_up():
    for budget in of(render("minimal"), "PodDisruptionBudget"):
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert len(of(render("minimal"), "PodDisruptionBudget")) == 2
    assert not of(render("small"), "PodDisruptionBudget")


def test_serve_grows_by_cpu_and_workers_by_the_age_of_the_oldest_event():
    objects = render("production")
    cpu = one(objects, "HorizontalPodAutoscaler", "-serve")["spec"]
    assert cpu["metrics"][0]["resource"]["name"] == "cpu"
    keda = one(objects, "ScaledObject", "-worker")["spec"]
    assert keda["triggers"][0]["metadata"]["query"] == 'max(quittance_event_lag_seconds{namespace="pay"})'
    external = one(render("external-secrets"), "HorizontalPodAutoscaler", "-worker")["spec"]
    assert external["metrics"][0]["external"]["metric"]["name"] == "quittance_event_lag_seconds"
    assert external["metrics"][0]["external"]["target"] == {"type": "Value", "value": "10"}
    assert keda["triggers"][0]["metadata"]["threshold"] == "10"
    assert (cpu["minReplicas"], cpu["maxReplicas"], keda["minReplicaCount"], keda["maxReplicaCount"]) == (3, 8, 1, 6)
    targets = [cpu["scaleTargetRef"]["name"], keda["scaleTargetRef"]["name"], external["scaleTargetRef"]["name"]]
    assert targets == ["q-quittance-serve", "q-quittance-worker", "q-quittance-worker"]
    for role in of(objects, "Deployment"):
        assert "replicas" not in role["spec"], "an upgrade would undo what scales"


@pytest.mark.parametrize("case", CASES)
def test_all_pods_together_keep_to_stripes_rate(case):
    objects = render(case)
    most = 0
    for role in ("-serve", "-worker"):
        scalers = of(objects, "HorizontalPodAutoscaler", role) + of(objects, "ScaledObject", role)
        if scalers:
            spec = scalers[0]["spec"]
            most += spec.get("maxReplicas") or spec["maxReplicaCount"]
        else:
            most += one(objects, "Deployment", role)["spec"]["replicas"]
    container, _ = serve(objects)
    share = int(env(container)["QUITTANCE_STRIPE_REQUESTS_PER_S_LIVE"])
    assert 100 - most < share * most <= 100


def test_all_pods_have_the_same_settings():
    objects = render("production")
    per_pod = {"QUITTANCE_LISTEN", "QUITTANCE_METRICS_LISTEN"}
    settings = []
    for _, _, spec in pods(objects):
        for container in spec["containers"]:
            settings.append({name: value for name, value in env(container).items() if name not in per_pod})
    assert len(settings) == 5
    assert all(each == settings[0] for each in settings)
    assert settings[0]["QUITTANCE_DATABASE_CONNECTIONS"] == "24"
    assert settings[0]["QUITTANCE_ODOO_ALLOWED_NETWORKS"] == "10.20.0.0/16"
    assert settings[0]["QUITTANCE_OTLP_ENDPOINT"] == "http://otel-collector.monitoring:4318"


def test_a_large_number_is_written_out():
    container, _ = serve(render("minimal", settings={"rate_reads_per_s": 1000000}))
    assert re.fullmatch("1000000", env(container)["QUITTANCE_RATE_READS_PER_S"])


def test_an_image_is_named_by_digest_before_tag_and_by_the_charts_version_else():
    assert serve(render("production"))[0]["image"].startswith("registry.example.com/quittance@sha256:")
    assert serve(render("minimal"))[0]["image"] == "registry.example.com/quittance:0.1.0"
