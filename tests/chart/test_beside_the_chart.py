"""The image, the composition and the release do as the chart does."""

import re

import yaml
from chart import ROOT, containers, pods, render, serve

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
RELEASE = (ROOT / ".github" / "workflows" / "release.yaml").read_text()


def test_the_image_runs_as_the_user_and_on_the_ports_of_the_chart():
    container, pod = serve(render("minimal"))
    final = DOCKERFILE.rpartition("FROM ")[2]
    assert final.startswith("scratch\n")
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}\n" in final
    ports = " ".join(str(port["containerPort"]) for port in container["ports"])
    assert f"EXPOSE {ports}\n" in final


def test_the_image_is_made_of_what_cargo_needs_and_nothing_else():
    ignored = (ROOT / ".dockerignore").read_text().split()
    taken = {word[1:] for word in ignored if word.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.M)
    assert {word for words in copied for word in words.split()} == taken
    assert "*" in ignored


def test_the_composition_runs_the_service_as_the_chart_does():
    arguments = {container["name"]: container["args"] for _, _, spec in pods(render("minimal")) for container in containers(spec)}
    for name in ("migrate", "serve", "worker"):
        service = COMPOSE[name]
        assert service["command"] == arguments[name]
        assert service["user"] == "65532:65532"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert int(service["stop_grace_period"].rstrip("s")) > 25


def test_the_composition_is_reached_from_this_machine_only_and_has_odoo_behind_a_profile():
    for name, service in COMPOSE.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert service.get("profiles", []) == (["odoo"] if name.startswith("odoo") else [])
    assert COMPOSE["odoo"]["image"] == "odoo:19"
    assert "./odoo:/mnt/extra-addons:ro" in COMPOSE["odoo"]["volumes"]


def test_a_release_uses_actions_by_their_hash_and_no_right_that_it_does_not_need():
    used = re.findall(r"uses: (\S+)( # v[\d.]+)?$", RELEASE, re.M)
    assert len(used) == RELEASE.count("uses:")
    for action, version in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        assert version
    workflow = yaml.safe_load(RELEASE)
    assert workflow["permissions"] == {}
    assert [job for job, told in workflow["jobs"].items() if "id-token" in told["permissions"]] == ["publish"]
