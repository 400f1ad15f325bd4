"""What other people's scanners find. Whatever is let pass has its reason here."""

import json
import subprocess
import sys

import pytest
from chart import CASES, ROOT, text

CHECKOV = ROOT / "target" / "checkov" / "bin" / "checkov"
HADOLINT = ROOT / "target" / "chart" / "bin" / "hadolint"

WAIVED = {
    "CKV_K8S_11": "no limit on CPU: it would hold back webhooks' acknowledgements while cores are idle; memory has one",
    "CKV_K8S_35": "the database's URL is read from the environment; the image has no shell, and a container no other process. "
    "The key-encryption key is in a file; keys that only unwrap are in the environment while one is replaced",
}

# A Pod that ends has no probes.
WAIVED_OF_PODS_THAT_END = {"CKV_K8S_8", "CKV_K8S_9"}

# Which image, and by which digest, is the installation's own choice: `production` names one.
TAGS = {"CKV_K8S_43", "CKV_K8S_15"}

WAIVED_OF_EXAMPLES = {
    "cloudnativepg": TAGS,
    "external-secrets": TAGS,
    "minimal": TAGS,
    "production": set(),
    # It shows how network policies are turned off.
    "small": TAGS | {"CKV2_K8S_6"},
    # It shows how the user's number is left to the cluster, which gives a high one.
    "vault": TAGS | {"CKV_K8S_40"},
}

# The scanner does not put in what the stages are built from: those are named with their tags, as arguments.
WAIVED_OF_THE_IMAGE = {"CKV_DOCKER_7"}


def checkov(*arguments):
    done = subprocess.run(
        [CHECKOV, "--skip-download", "--quiet", "--output", "json", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    return found[0] if isinstance(found, list) else found


@pytest.mark.parametrize("case", CASES)
def test_checkov_finds_nothing_but_what_is_explained(case, tmp_path):
    (tmp_path / "rendered.yaml").write_text(text(case))
    found = checkov("--framework", "kubernetes", "--file", tmp_path / "rendered.yaml")
    assert found["summary"]["passed"] > 200
    left = [
        f"{each['check_id']} {each['resource']}: {each['check_name']}"
        for each in found["results"]["failed_checks"]
        if each["check_id"] not in WAIVED
        and not (each["check_id"] in WAIVED_OF_PODS_THAT_END and each["resource"].startswith("Pod."))
        and each["check_id"] not in WAIVED_OF_EXAMPLES[case]
    ]
    assert left == []


def test_checkov_finds_nothing_in_the_image():
    found = checkov("--framework", "dockerfile", "--file", ROOT / "Dockerfile")
    assert found["summary"]["passed"] > 10
    left = [each for each in found["results"]["failed_checks"] if each["check_id"] not in WAIVED_OF_THE_IMAGE]
    assert left == []


def test_hadolint_finds_nothing_in_the_images():
    done = subprocess.run(
        [HADOLINT, "--failure-threshold", "style", "Dockerfile", "containers/postgres/Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_waiver_is_needed(tmp_path):
    (tmp_path / "rendered.yaml").write_text(text("minimal"))
    found = checkov("--framework", "kubernetes", "--file", tmp_path / "rendered.yaml")
    assert WAIVED.keys() <= {each["check_id"] for each in found["results"]["failed_checks"]}


def test_the_scanner_is_awake(tmp_path):
    bad = text("minimal").replace("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true")
    (tmp_path / "rendered.yaml").write_text(bad)
    found = checkov("--framework", "kubernetes", "--file", tmp_path / "rendered.yaml")
    assert "CKV_K8S_20" in {each["check_id"] for each in found["results"]["failed_checks"]}, sys.version
