"""The manifests for Kubernetes: valid by its own schemas, and what they promise of every pod."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.main import api
from app.settings import Settings

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
VERSION = "1.33"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")


def documents() -> Iterator[dict[str, Any]]:
    for path in FILES:
        yield from yaml.safe_load_all(path.read_text())


def pods() -> list[Any]:
    """The specification of every pod, by what makes them."""
    made = []
    for document in documents():
        specification = document.get("spec", {})
        template = specification.get("jobTemplate", {}).get("spec", specification).get("template")
        if template is not None:
            made.append(pytest.param(template["spec"], id=document["metadata"]["name"]))
    return made


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in FILES])
def test_every_manifest_is_valid(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_a_misspelt_field_is_found() -> None:
    document = yaml.safe_load((FOLDER / "disruption-budget.yaml").read_text())
    document["spec"]["maxUnavailible"] = 1

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_the_kustomization_names_every_manifest() -> None:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())

    assert sorted(kustomization["resources"]) == [path.name for path in FILES]


@pytest.mark.parametrize("pod", pods())
def test_every_pod_is_confined(pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]


def test_a_training_has_as_much_shared_memory_as_in_docker_compose() -> None:
    (job,) = (one for one in documents() if one["kind"] == "CronJob")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (mounted,) = (one["name"] for one in pod["containers"][0]["volumeMounts"] if one["mountPath"] == "/dev/shm")
    (volume,) = (one["emptyDir"] for one in pod["volumes"] if one["name"] == mounted)

    compose = yaml.safe_load((FOLDER.parents[1] / "docker-compose.yml").read_text())
    assert compose["services"]["improve"]["shm_size"] == "1gb"
    assert volume == {"medium": "Memory", "sizeLimit": "1Gi"}


def test_probes_ask_routes_that_there_are_and_a_pod_has_time_to_stop() -> None:
    (deployment,) = (one for one in documents() if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (settings,) = (one for one in documents() if one["kind"] == "ConfigMap")

    paths = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert paths <= set(api().openapi()["paths"])
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    answering = int(settings["data"]["SEQREC_SHUTDOWN_TIMEOUT"])
    assert pod["terminationGracePeriodSeconds"] > pause + answering


def test_settings_are_those_of_the_service() -> None:
    (settings,) = (one for one in documents() if one["kind"] == "ConfigMap")

    assert {name.removeprefix("SEQREC_").lower() for name in settings["data"]} <= set(Settings.model_fields)


def test_selectors_find_the_replicas() -> None:
    by_kind = {one["kind"]: one for one in documents()}
    labels = by_kind["Deployment"]["spec"]["template"]["metadata"]["labels"]

    assert by_kind["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert by_kind["Service"]["spec"]["selector"] == labels
    assert by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert (
        by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"]
        == by_kind["Deployment"]["metadata"]["name"]
    )
