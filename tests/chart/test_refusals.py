"""Values that cannot work are refused before anything is installed, and the message says which and why."""

import re

import pytest
import yaml
from chart import CHART, ROOT, refusal

BY_SCHEMA = [
    ({"serve": {"replicas": 0}}, "serve.replicas|/serve/replicas", "minimum"),
    ({"serve": {"replicas": "two"}}, "/serve/replicas", "want integer"),
    ({"serve": {"replcas": 3}}, "/serve", "'replcas' not allowed"),
    ({"replicaCount": 3}, "''", "'replicaCount' not allowed"),
    ({"image": {"tag": "a tag"}}, "/image/tag", "does not match pattern"),
    ({"image": {"digest": "sha256:1"}}, "/image/digest", "does not match pattern"),
    ({"sealing": {"provider": "environment"}}, "/sealing/provider", "must be one of 'file', 'vault'"),
    ({"sealing": {"others": ["a", "a"]}}, "/sealing/others", "are equal"),
    ({"database": {"tls": {"mode": "disable"}}}, "/database/tls/mode", "must be one of"),
    ({"database": {"url": "postgres://u:p@db/q"}}, "/database", "'url' not allowed"),
    ({"settings": {"database_url": "postgres://u:p@db/q"}}, "/settings", "'database_url' not allowed"),
    ({"settings": {"sealing_key": "x"}}, "/settings", "'sealing_key' not allowed"),
    ({"settings": {"keep_events_days": 34}}, "/settings/keep_events_days", "minimum"),
    ({"settings": {"trusted_proxies": "10.0.0.0"}}, "/settings/trusted_proxies", "does not match pattern"),
    ({"settings": {"log_format": "xml"}}, "/settings/log_format", "must be one of 'text', 'json'"),
    ({"shutdown": {"graceS": 0}}, "/shutdown/graceS", "minimum"),
    ({"podAntiAffinity": "soft"}, "/podAntiAffinity", "must be one of"),
    ({"serve": {"service": {"type": "ExternalName"}}}, "/serve/service/type", "must be one of"),
    ({"worker": {"autoscaling": {"via": "cron"}}}, "/worker/autoscaling/via", "must be one of 'keda', 'external'"),
    ({"serve": {"podDisruptionBudget": {"maxUnavailable": 0}}}, "/serve/podDisruptionBudget/maxUnavailable", "minimum"),
    ({"ingress": {"paths": ["/"]}}, "/ingress", "'paths' not allowed"),
    ({"networkPolicy": {"dns": {"to": []}}}, "/networkPolicy/dns/to", "minItems"),
    ({"networkPolicy": {"postgres": {"to": [{"cidr": "10.0.0.0/8"}]}}}, "/networkPolicy/postgres/to/0", "'cidr' not allowed"),
    ({"security": {"runAsUser": 0}}, "/security", "'runAsUser' not allowed"),
]

IN_WORDS = [
    ({"image": {"repository": ""}}, "image.repository is not set"),
    ({"database": {"existingSecret": ""}}, "no database: set database.existingSecret"),
    ({"database": {"cloudnativepg": {"enabled": True}}}, "leave only one of database.existingSecret and database.cloudnativepg.enabled"),
    ({"sealing": {"existingSecret": ""}}, "sealing.existingSecret is not set"),
    ({"sealing": {"others": ["current"]}}, "sealing.others names current, which is sealing.current"),
    ({"sealing": {"provider": "vault"}}, "sealing.vault.address is not set"),
    ({"sealing": {"provider": "vault", "vault": {"address": "https://vault"}}}, "Vault has no token"),
    ({"externalSecrets": {"enabled": True}}, "externalSecrets.secretStoreRef.name is not set"),
    (
        {"externalSecrets": {"enabled": True, "secretStoreRef": {"name": "s"}, "sealing": {"current": {"key": "k"}}}},
        "leave only one of sealing.existingSecret and externalSecrets.sealing",
    ),
    (
        {"sealing": {"existingSecret": ""}, "externalSecrets": {"enabled": True, "secretStoreRef": {"name": "s"}, "sealing": {"a": {"key": "k"}}}},
        "sealing names the entry current, which externalSecrets.sealing does not make",
    ),
    ({"serve": {"autoscaling": {"enabled": True, "minReplicas": 9}}}, "serve.autoscaling.minReplicas is above maxReplicas"),
    ({"worker": {"autoscaling": {"enabled": True}}}, "worker.autoscaling.prometheusAddress is not set"),
    ({"ingress": {"enabled": True}}, "ingress.host is not set"),
    ({"ingress": {"api": {"enabled": True}}}, "ingress.api.host is not set"),
    (
        {"ingress": {"enabled": True, "host": "pay.example.com", "api": {"enabled": True, "host": "pay.example.com"}}},
        "the API would be as open to the Internet as the webhooks",
    ),
    (
        {
            "httpRoute": {
                **{"enabled": True, "hostnames": ["pay.example.com"], "parentRefs": [{"name": "g"}]},
                "api": {"enabled": True, "hostnames": ["pay.example.com"], "parentRefs": [{"name": "i"}]},
            }
        },
        "the API would be as open to the Internet as the webhooks",
    ),
    ({"httpRoute": {"enabled": True, "hostnames": ["a"]}}, "httpRoute.parentRefs is not set"),
    ({"httpRoute": {"api": {"enabled": True, "parentRefs": [{"name": "g"}]}}}, "httpRoute.api.hostnames is not set"),
    ({"extraEnv": [{"name": "QUITTANCE_SEALING_KEY", "value": "x"}]}, "extraEnv gives QUITTANCE_SEALING_KEY as a plain value"),
]


@pytest.mark.parametrize("values, place, why", BY_SCHEMA, ids=lambda each: re.sub(r"\W+", "-", str(each)) if isinstance(each, dict) else "")
def test_the_schema_names_the_value_and_what_is_wrong(values, place, why):
    said = refusal(**values)
    assert re.search(place, said), said
    assert why in said, said


@pytest.mark.parametrize("values, why", IN_WORDS, ids=lambda each: re.sub(r"\W+", "-", each)[:60] if isinstance(each, str) else "")
def test_values_that_do_not_go_together_are_refused_in_words(values, why):
    assert why in refusal(**values)


def test_the_schema_knows_every_setting_of_the_service_that_no_other_value_stands_for():
    table = re.findall(r"^\| `QUITTANCE_(\w+)`", (ROOT / "README.md").read_text(), re.M)
    by_other_values = {"CONFIG", "DATABASE_URL", "LISTEN", "METRICS_LISTEN", "SHUTDOWN_GRACE_S", "OTLP_ENDPOINT", "RETRY_DIVISOR"}
    settings = {
        name.lower()
        for name in table
        if name not in by_other_values and not name.startswith(("SEALING_", "VAULT_", "STRIPE_REQUESTS_PER_S_"))
    }
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert set(schema["properties"]["settings"]["properties"]) == settings


def test_the_schema_has_every_value_and_no_other():
    def paths(tree, of_schema):
        for key, value in (tree.get("properties", {}) if of_schema else tree).items():
            inner = value.get("properties") if of_schema else isinstance(value, dict) and value
            yield key
            if inner and key not in ("settings", "resources", "labels", "affinity"):
                yield from (f"{key}.{path}" for path in paths(value, of_schema))

    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    of_maps = re.compile(r"^global$|^externalSecrets\.database\.|^(image|imagePullSecrets)\.name$")
    known = {path for path in paths(schema, True) if not of_maps.search(path)}
    assert known == set(paths(values, False))


def test_the_readme_has_every_value():
    import chart_readme

    text = (CHART / "values.yaml").read_text()
    said = [path for path, _ in chart_readme.described(text)]
    assert len(said) == len(set(said))

    def leaves(tree, before=""):
        for key, value in tree.items():
            path = before + key
            if path in said or not isinstance(value, dict) or not value:
                yield path
            else:
                yield from leaves(value, f"{path}.")

    assert list(leaves(yaml.safe_load(text))) == said
    assert chart_readme.table() in (CHART / "README.md").read_text(), "run `make chart-readme`"
