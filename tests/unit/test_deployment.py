"""Would a cluster, or docker compose, accept what `deploy/` describes, and would the services understand it?"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from docs import generate

ROOT = Path(__file__).parents[2]
KUBECTL = Path(sys.executable).parent / "kubectl"
KUBERNETES = "1.33"
"""A version that clouds offer now."""
OVERLAYS = ("base", "overlays/dev")
SERVICES = {"gateway", "ingest", "fingerprint", "matcher", "streaming", "auth", "analytics"}
FOREIGN_VARIABLES = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
CUSTOM_KINDS = {"ScaledObject": {"scaleTargetRef", "triggers"}, "TriggerAuthentication": {"secretTargetRef"}}

Manifest = dict[str, Any]


def render(overlay: str) -> list[Manifest]:
    rendered = subprocess.run(
        [KUBECTL, "kustomize", ROOT / "deploy/k8s" / overlay], check=True, capture_output=True, text=True, timeout=60
    )
    return [manifest for manifest in yaml.safe_load_all(rendered.stdout) if manifest]


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(request.param)


@pytest.fixture(scope="module")
def compose() -> Manifest:
    parsed: Manifest = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return parsed


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def containers(manifests: list[Manifest], *kinds: str) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Name of the workload, specification of its pods, one container."""
    for workload in of_kind(manifests, *(kinds or ("Deployment", "StatefulSet", "Job"))):
        pod = workload["spec"]["template"]["spec"]
        for container in pod["containers"]:
            yield workload["metadata"]["name"], pod, container


def known_variables() -> set[str]:
    return {each.name for settings in generate.settings_classes() for each in generate.variables(settings)}


def test_a_cluster_accepts_every_manifest(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        if manifest["kind"] in CUSTOM_KINDS:
            assert manifest["apiVersion"] == "keda.sh/v1alpha1"
            assert CUSTOM_KINDS[manifest["kind"]] <= set(manifest["spec"])
        else:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_every_service_is_deployed(manifests: list[Manifest]) -> None:
    deployed = {container["args"][0] for _, _, container in containers(manifests) if "args" in container}

    assert deployed == SERVICES


def test_every_pod_is_restricted(manifests: list[Manifest]) -> None:
    for name, pod, container in containers(manifests):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
        assert "memory" in container["resources"]["limits"], name
    namespace = of_kind(manifests, "Namespace")[0]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_server_is_probed(manifests: list[Manifest]) -> None:
    for name, _, container in containers(manifests, "Deployment", "StatefulSet"):
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), name


def test_a_service_is_stopped_no_sooner_than_its_work_may_take(manifests: list[Manifest]) -> None:
    default_s = 15.0
    for name, pod, container in containers(manifests, "Deployment", "StatefulSet"):
        if name not in SERVICES:
            continue
        given = {each["name"]: each.get("value") for each in container["env"]}
        work_s = float(given.get("TUNESCOUT_GRACEFUL_STOP_S") or default_s)
        pause_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] >= pause_s + work_s + 5, name


def test_every_workload_keeps_a_pod_while_a_node_is_drained(manifests: list[Manifest]) -> None:
    budgets = [budget["spec"]["selector"]["matchLabels"] for budget in of_kind(manifests, "PodDisruptionBudget")]

    for workload in of_kind(manifests, "Deployment", "StatefulSet"):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert any(budget.items() <= labels.items() for budget in budgets), workload["metadata"]["name"]


def test_every_network_connection_is_denied_that_is_not_named(manifests: list[Manifest]) -> None:
    denials = [policy["spec"] for policy in of_kind(manifests, "NetworkPolicy") if policy["spec"]["podSelector"] == {}]

    assert denials == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]


def test_there_are_as_many_matchers_as_shards(manifests: list[Manifest]) -> None:
    matcher = next(each for each in of_kind(manifests, "StatefulSet") if each["metadata"]["name"] == "matcher")
    config = next(each for each in of_kind(manifests, "ConfigMap") if "TUNESCOUT_MATCHER_SHARDS" in each["data"])

    assert matcher["spec"]["replicas"] == int(config["data"]["TUNESCOUT_MATCHER_SHARDS"])


def test_workers_are_scaled_by_queues_that_exist() -> None:
    queues = {subscription.queue for subscription in generate.subscriptions()}

    for scaled in of_kind(render("base"), "ScaledObject"):
        for trigger in scaled["spec"]["triggers"]:
            assert trigger["metadata"]["queueName"] in queues
            assert trigger["metadata"]["protocol"] == "http"


def test_every_variable_of_a_manifest_is_a_setting(manifests: list[Manifest]) -> None:
    given = {each["name"] for name, _, container in containers(manifests) for each in container.get("env", ())}
    for source in of_kind(manifests, "ConfigMap", "Secret"):
        given |= set(source.get("data", ()))

    ours = {name for name in given if name.startswith("TUNESCOUT")}

    assert ours
    assert ours <= known_variables()


def test_every_variable_of_a_composed_service_is_a_setting(compose: Manifest) -> None:
    for name, service in compose["services"].items():
        if service["image"].startswith("tunescout:"):
            assert set(service["environment"]) <= known_variables() | FOREIGN_VARIABLES, name


def test_compose_runs_every_service_once_its_stores_answer(compose: Manifest) -> None:
    ours = {name: each for name, each in compose["services"].items() if each["image"].startswith("tunescout:")}

    assert {each["command"][0] for name, each in ours.items() if name != "declare"} == SERVICES
    for name, service in ours.items():
        for dependency, how in service["depends_on"].items():
            healthy = how["condition"] == "service_completed_successfully" or (
                "healthcheck" in compose["services"][dependency]
            )
            assert healthy, f"{name} waits for {dependency}, which never tells that it is healthy"
    shards = {each["environment"].get("TUNESCOUT_MATCHER_SHARD") for each in ours.values()} - {None}
    count = int(ours["gateway"]["environment"]["TUNESCOUT_MATCHER_SHARDS"])
    assert shards == {str(shard) for shard in range(count)}


def test_compose_publishes_only_the_gateway_and_s3_and_only_here(compose: Manifest) -> None:
    published = {name: each["ports"] for name, each in compose["services"].items() if "ports" in each}

    assert set(published) == {"gateway", "s3"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_compose_has_no_secret_of_its_own(compose: Manifest) -> None:
    asked = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    example = (ROOT / "deploy/compose.env.example").read_text()

    assert set(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == asked
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            is_secret = re.search("KEY|PASS|SECRET", variable)
            assert not is_secret or value.startswith("${"), f"{variable} of {name}"


def test_compose_secrets_are_fresh_and_complete() -> None:
    def printed() -> dict[str, str]:
        run = subprocess.run(
            ["sh", ROOT / "deploy/compose-env.sh"], check=True, capture_output=True, text=True, timeout=30
        )
        return dict(line.split("=", 1) for line in run.stdout.splitlines())

    first, second = printed(), printed()

    asked = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    assert set(first) == asked
    assert all(first[name] != second[name] for name in asked)


def test_every_image_is_pinned(manifests: list[Manifest], compose: Manifest) -> None:
    images = {container["image"] for _, _, container in containers(manifests)}
    images |= {service["image"] for service in compose["services"].values()}
    images |= set(re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))

    loose = {image for image in images if not re.search(r":v?\d+\.\d+", image)}

    assert loose == set()
