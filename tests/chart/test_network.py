"""What is let in and out."""

import pytest
from chart import CASES, env, of, one, pods, render, serve


def paths(ingress):
    return [path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]


def test_webhooks_alone_are_public():
    objects = render("minimal", ingress={"enabled": True, "host": "pay.example.com"})
    assert paths(one(objects, "Ingress")) == ["/webhooks/"]
    route = render(
        "minimal", httpRoute={"enabled": True, "hostnames": ["pay.example.com"], "parentRefs": [{"name": "public"}]}
    )
    assert [match["path"]["value"] for match in one(route, "HTTPRoute")["spec"]["rules"][0]["matches"]] == ["/webhooks/"]


def test_the_api_has_a_host_and_a_class_of_its_own():
    public, api = (one(render("production"), "Ingress", ending) for ending in ("-quittance", "-api"))
    assert paths(public) == ["/webhooks/"]
    assert paths(api) == ["/v1/", "/openapi.json", "/docs"]
    assert public["spec"]["ingressClassName"] != api["spec"]["ingressClassName"]
    assert public["spec"]["tls"][0]["secretName"] == "pay-tls"
    routes = of(render("cloudnativepg"), "HTTPRoute")
    assert len({route["spec"]["hostnames"][0] for route in routes}) == 2


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_reached_from_outside_where_nobody_asked_for_it(case):
    objects = render(case, ingress={"enabled": False, "api": {"enabled": False}}, httpRoute={"enabled": False, "api": {"enabled": False}})
    assert not of(objects, "Ingress") + of(objects, "HTTPRoute")
    assert [service["spec"]["type"] for service in of(objects, "Service")] == ["ClusterIP"]


def chosen(policy, labels):
    selector = policy["spec"]["podSelector"]
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", [])
    )


@pytest.mark.parametrize("case", [case for case in CASES if case != "small"])
def test_every_pod_is_denied_all_by_default(case):
    objects = render(case)
    deny = one(objects, "NetworkPolicy", "-deny")
    assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & deny["spec"].keys()
    for name, labels, _ in pods(objects):
        assert chosen(deny, labels), name


def outgoing(objects, component):
    """Where a component's pods may go: (port, whither)."""
    labels = next(labels for _, labels, _ in pods(objects) if labels["app.kubernetes.io/component"] == component)
    for policy in of(objects, "NetworkPolicy"):
        if chosen(policy, labels):
            for rule in policy["spec"].get("egress", []):
                for port in rule["ports"]:
                    yield port["port"], rule.get("to")


def test_out_go_names_postgres_stripe_odoo_and_traces_alone():
    for component in ("serve", "worker"):
        assert {port for port, _ in outgoing(render("production"), component)} == {53, 5432, 443, 8069, 4318}
        assert {port for port, _ in outgoing(render("minimal"), component)} == {53, 5432, 443}
    assert {port for port, _ in outgoing(render("production"), "migrate")} == {53, 5432}
    assert {port for port, _ in outgoing(render("vault"), "migrate")} == {53, 5432, 8200}


def test_port_443_goes_to_public_addresses_only():
    (to,) = [to for port, to in outgoing(render("minimal"), "worker") if port == 443]
    blocks = {peer["ipBlock"]["cidr"]: set(peer["ipBlock"]["except"]) for peer in to}
    assert blocks["0.0.0.0/0"] >= {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "100.64.0.0/10"}
    assert blocks["::/0"] >= {"fc00::/7", "fe80::/10", "::1/128"}


def test_postgres_is_where_it_is_said_to_be():
    assert [to for port, to in outgoing(render("production"), "serve") if port == 5432] == [[{"ipBlock": {"cidr": "10.30.0.0/24"}}]]
    (to,) = [to for port, to in outgoing(render("cloudnativepg"), "serve") if port == 5432]
    cluster = one(render("cloudnativepg"), "Cluster")["metadata"]["name"]
    assert to == [{"podSelector": {"matchLabels": {"cnpg.io/cluster": cluster}}}]


def test_only_serve_is_asked_and_only_metrics_of_both():
    objects = render("production")
    opened = {}
    for _, labels, spec in pods(objects):
        component = labels["app.kubernetes.io/component"]
        opened[component] = {
            port["port"]
            for policy in of(objects, "NetworkPolicy")
            if chosen(policy, labels)
            for rule in policy["spec"].get("ingress", [])
            for port in rule["ports"]
        }
        offered = {port["name"] for container in spec["containers"] for port in container.get("ports", [])}
        assert opened[component] <= offered, "a policy names a port that the pod has"
    assert opened == {"serve": {"http", "metrics"}, "worker": {"metrics"}, "migrate": set(), "test": set()}


def test_nobody_may_be_let_in():
    objects = render("minimal", networkPolicy={"ingressFrom": [], "metricsFrom": []})
    assert [policy["spec"].get("ingress", []) for policy in of(objects, "NetworkPolicy")] == [[]] * 5


def test_the_test_reaches_the_service_by_the_address_that_kubernetes_tells():
    test = one(render("minimal"), "Pod", "-test")["spec"]
    assert test["enableServiceLinks"] is True
    (service,) = [container for container in test["containers"] if container["name"] == "service"]
    assert service["args"] == ["health"]
    assert env(service)["QUITTANCE_LISTEN"] == "$(Q_QUITTANCE_SERVICE_HOST):$(Q_QUITTANCE_SERVICE_PORT)"
    assert one(render("minimal"), "Service")["metadata"]["name"] == "q-quittance"
    assert ("http", None) in [(port, None) for port, _ in outgoing(render("minimal"), "test")]
    _, pod = serve(render("minimal"))
    assert pod["enableServiceLinks"] is False


def test_a_service_selects_the_pods_that_serve():
    for case in CASES:
        objects = render(case)
        selector = one(objects, "Service")["spec"]["selector"]
        chosen_pods = [name for name, labels, _ in pods(objects) if selector.items() <= labels.items()]
        assert chosen_pods == ["Deployment/q-quittance-serve"]
