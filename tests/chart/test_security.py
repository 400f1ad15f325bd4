"""Pods are restricted, hold no token, and no secret is written down anywhere."""

import json

import pytest
from chart import CASES, containers, env, of, one, pods, render, serve

EVERYTHING = ["minimal", "production", "cloudnativepg", "external-secrets", "vault", "small"]


def test_every_example_is_looked_at():
    assert sorted(EVERYTHING) == CASES


@pytest.mark.parametrize("case", EVERYTHING)
def test_every_pod_is_restricted(case):
    seen = 0
    for name, _, spec in pods(render(case)):
        seen += 1
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        if case != "vault":
            assert (spec["securityContext"]["runAsUser"], spec["securityContext"]["fsGroup"]) == (65532, 65532), name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        assert all(volume.keys() & {"secret", "configMap"} for volume in spec["volumes"]), name
        for container in containers(spec):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["runAsNonRoot"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert all(mount["readOnly"] for mount in container["volumeMounts"]), name
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
            assert "memory" in container["resources"]["limits"], name
    assert seen >= 3


@pytest.mark.parametrize("case", EVERYTHING)
def test_no_pod_and_no_account_has_a_token(case):
    for name, _, spec in pods(render(case)):
        assert spec["automountServiceAccountToken"] is False, name
    for account in of(render(case), "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    assert not [each for each in render(case) if each["kind"] in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")]


@pytest.mark.parametrize("case", EVERYTHING)
def test_no_secret_is_in_a_config_map_or_in_plain_environment(case):
    objects = render(case)
    assert not of(objects, "Secret"), "the chart makes no secret: it would be in the release's own"
    for each in of(objects, "ConfigMap"):
        assert each["metadata"]["name"].endswith("-dashboard")
    for name, _, spec in pods(objects):
        for container in containers(spec):
            for variable in container["env"]:
                if variable["name"] in ("QUITTANCE_DATABASE_URL",) or variable["name"].startswith("KEY_THAT_UNWRAPS"):
                    assert "secretKeyRef" in variable["valueFrom"], name
            assert "QUITTANCE_SEALING_KEY" not in env(container), "a key in a file is not in the environment"


def test_secret_files_are_for_the_services_group_alone():
    for _, _, spec in pods(render("production")):
        for volume in spec["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440


def test_a_key_is_replaced_by_values_alone():
    before = render("minimal", sealing={"current": "kek-2025"})
    known = render("minimal", sealing={"current": "kek-2025", "others": ["kek-2026"]})
    wraps = render("minimal", sealing={"current": "kek-2026", "others": ["kek-2025"]})
    after = render("minimal", sealing={"current": "kek-2026"})

    def keys(objects):
        container, pod = serve(objects)
        (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "sealing"]
        found = env(container)
        listed = found.get("QUITTANCE_SEALING_KEYS_PREVIOUS", "")
        names = [name.strip("$()") for name in listed.split(",") if name]
        assert found["QUITTANCE_SEALING_PROVIDER"] == "file"
        assert found["QUITTANCE_SEALING_KEY_FILE"] == "/etc/quittance/sealing/current"
        return volume["secret"]["items"], [found[name] for name in names]

    def file(key):
        return [{"key": key, "path": "current"}]

    assert keys(before) == (file("kek-2025"), [])
    assert keys(known) == (file("kek-2025"), ["quittance-sealing/kek-2026"])
    assert keys(wraps) == (file("kek-2026"), ["quittance-sealing/kek-2025"])
    assert keys(after) == (file("kek-2026"), [])


def test_what_a_variable_is_made_of_comes_before_it():
    container, _ = serve(render("minimal", sealing={"others": ["a", "b"]}))
    names = [variable["name"] for variable in container["env"]]
    assert env(container)["QUITTANCE_SEALING_KEYS_PREVIOUS"] == "$(KEY_THAT_UNWRAPS_0),$(KEY_THAT_UNWRAPS_1)"
    assert names.index("KEY_THAT_UNWRAPS_1") < names.index("QUITTANCE_SEALING_KEYS_PREVIOUS")


def test_external_secrets_make_what_pods_read():
    objects = render("external-secrets")
    made = {
        f"{each['spec']['target']['name']}/{entry['secretKey']}"
        for each in of(objects, "ExternalSecret")
        for entry in each["spec"]["data"]
    }
    container, pod = serve(objects)
    (file,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "sealing"]
    read = {env(container)["QUITTANCE_DATABASE_URL"], env(container)["KEY_THAT_UNWRAPS_0"]}
    read.add(f"{file['secretName']}/{file['items'][0]['key']}")
    assert read == made
    assert "remoteRef" in json.dumps(objects)


def test_a_cluster_of_cloudnativepg_is_what_pods_connect_to_and_is_checked_by_its_own_authority():
    objects = render("cloudnativepg")
    cluster = one(objects, "Cluster")
    name = cluster["metadata"]["name"]
    container, pod = serve(objects)
    assert env(container)["QUITTANCE_DATABASE_URL"] == f"{name}-app/uri"
    assert env(container)["PGSSLMODE"] == "verify-full"
    assert env(container)["PGSSLROOTCERT"] == "/etc/quittance/database/ca.crt"
    (authority,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "database-ca"]
    assert authority["secretName"] == f"{name}-ca"
    assert authority["items"] == [{"key": "ca.crt", "path": "ca.crt"}], "its private key stays where it is"


def test_a_cluster_loses_no_acknowledged_commit_and_outlives_the_release():
    cluster = one(render("cloudnativepg"), "Cluster")
    assert cluster["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert cluster["spec"]["postgresql"]["parameters"]["synchronous_commit"] == "on"
    assert cluster["spec"]["postgresql"]["synchronous"] == {"method": "any", "number": 1}
    assert cluster["spec"]["backup"] == {"retentionPolicy": "30d"}
    sql = cluster["spec"]["bootstrap"]["initdb"]["postInitApplicationSQL"]
    assert "grant quittance_app, quittance_dispatch to quittance" in sql


def test_the_user_is_left_to_the_cluster_where_that_is_asked_for():
    _, pod = serve(render("vault"))
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_vault_is_asked_with_a_token_from_a_file():
    container, pod = serve(render("vault"))
    found = env(container)
    assert found["QUITTANCE_SEALING_PROVIDER"] == "vault"
    assert found["QUITTANCE_VAULT_TOKEN_FILE"] == "/etc/quittance/vault/token"
    assert found["QUITTANCE_SEALING_KEYS_PREVIOUS"] == "$(KEY_THAT_UNWRAPS_0)"
    assert found["SSL_CERT_FILE"] == "/etc/quittance/ca/ca-certificates.crt"
    assert {"name": "vault", "mountPath": "/etc/quittance/vault", "readOnly": True} in container["volumeMounts"]
    assert "sealing" not in [volume["name"] for volume in pod["volumes"]]
