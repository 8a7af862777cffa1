"""Alerts and dashboard ask for what the service has, and Prometheus gets it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from documents import ROOT, section
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import Expr, VectorSelector
from ruamel.yaml import YAML

from app.edge.hosts import Hosts
from app.settings import Settings
from seqrec import errors

MONITORING = ROOT / "deploy" / "monitoring"
OF_PROMETHEUS = {"instance", "job"}
"""Labels that Prometheus adds."""

HTTP_CODES = {"not_found", "method_not_allowed", "http_error"}
"""Of errors that have no class."""


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def rules() -> list[dict[str, Any]]:
    (group,) = read(MONITORING / "alerts.yml")["groups"]
    return list(group["rules"])


def panels() -> list[dict[str, Any]]:
    return list(json.loads((MONITORING / "dashboard.json").read_text())["panels"])


def expressions() -> Iterator[Any]:
    """What is asked of Prometheus, each with a name; Grafana's variables have a value."""
    for rule in rules():
        yield pytest.param(rule["expr"], id=rule["alert"])
    for panel in panels():
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            yield pytest.param(text, id=f"{panel['title']}, {target['refId']}")


def selectors(expression: str) -> list[VectorSelector]:
    found: list[VectorSelector] = []

    def collect(node: Expr) -> None:
        if isinstance(node, VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), pre_visit=collect)
    return found


@pytest.fixture
def labels_of(client: TestClient) -> dict[str, set[str]]:
    """The labels of each metric that the service has after some requests, by the name of the sample."""
    client.get("/users/1/recommendations")
    client.get("/users/1/recommendations", params={"year_from": 2099})
    client.get("/users/9999")
    found: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_alerts_and_dashboard_ask_for_metrics_and_labels_that_there_are(labels_of: dict[str, set[str]]) -> None:
    asked = [(one.id, selector) for one in expressions() for selector in selectors(one.values[0])]

    assert len(asked) > 40
    for where, selector in asked:
        assert selector.name in labels_of, where
        named = {matcher.name for matcher in selector.matchers.matchers}
        assert named <= labels_of[selector.name] | OF_PROMETHEUS, where


def test_alerts_name_codes_that_errors_have() -> None:
    codes = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "code")}
    named = {
        code
        for rule in rules()
        for selector in selectors(rule["expr"])
        for matcher in selector.matchers.matchers
        if matcher.name == "code"
        for code in matcher.value.split("|")
    }

    assert named
    assert named <= codes | HTTP_CODES


def test_the_operator_learns_what_to_do_about_every_alert() -> None:
    documented = re.findall(r"^\| `(SeqRec\w+)` \|", section(ROOT / "docs" / "operations.md", "Alerts"), re.MULTILINE)

    assert documented == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"]


def test_every_alert_is_tried() -> None:
    tried = (ROOT / "tests" / "deploy" / "alerts_test.yml").read_text()

    for rule in rules():
        assert f'"{rule["alert"]}"' in tried


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, of Debian's package prometheus, is missing")
def test_alerts_fire_when_they_should_and_only_then() -> None:
    command = ["promtool", "test", "rules", "tests/deploy/alerts_test.yml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_service_of_the_override_answers_prometheus() -> None:
    override = read(ROOT / "docker-compose.monitoring.yml")["services"]
    (job,) = read(MONITORING / "prometheus.yml")["scrape_configs"]
    ((target,),) = [config["targets"] for config in job["static_configs"]]
    hosts = Settings(hosts=override["api"]["environment"]["SEQREC_HOSTS"].replace("${SEQREC_HOSTS:-}", "")).hosts

    assert job["job_name"] == "seqrec"
    Hosts(hosts).require("GET", target, None)


def test_files_that_the_override_mounts_are_there() -> None:
    services = read(ROOT / "docker-compose.monitoring.yml")["services"].values()
    mounted = [volume.partition(":")[0] for service in services for volume in service.get("volumes", ())]
    files = [name for name in mounted if name.startswith("./")]

    assert len(files) == 5
    for name in files:
        assert (ROOT / name).is_file(), name


def test_images_of_the_override_are_pinned() -> None:
    for service in read(ROOT / "docker-compose.monitoring.yml")["services"].values():
        assert re.search(r":v?\d+\.\d+\.\d+$", service.get("image", ":0.0.0"))
