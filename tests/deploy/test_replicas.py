"""The override of several replicas, and HAProxy's configuration beside it."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
BASE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OVERRIDE = yaml.safe_load((ROOT / "docker-compose.scale.yml").read_text())
BALANCER = (ROOT / "deploy/haproxy/haproxy.cfg").read_text()


def test_a_replica_drains_for_longer_than_the_balancer_takes_to_notice() -> None:
    found = re.search(r"check inter (\d+)ms fall (\d+)", BALANCER)
    assert found
    noticed = int(found[1]) * int(found[2]) / 1000
    drains = float(OVERRIDE["services"]["api"]["environment"]["SEQREC_DRAIN_TIME"])

    assert drains >= 2 * noticed
    assert float(OVERRIDE["services"]["api"]["stop_grace_period"].removesuffix("s")) > drains + 8


def test_the_balancer_finds_the_replicas_by_the_name_and_port_of_the_service() -> None:
    (port,) = BASE["services"]["api"]["ports"]
    assert port.endswith(":8000")
    assert re.search(r"^ +server-template replica \d+ api:8000 resolvers docker", BALANCER, re.MULTILINE)
    mounted = OVERRIDE["services"]["balancer"]["volumes"][0].partition(":")[0]
    assert (ROOT / mounted).is_file()


def test_a_port_for_each_replica_is_asked_for() -> None:
    """One port cannot be published by several containers, and an override cannot take it away."""
    assert "SEQREC_PORT:?" in OVERRIDE["services"]["api"]["labels"]["seqrec.ports"]


def test_the_balancer_is_confined_as_everything_else() -> None:
    balancer, api = OVERRIDE["services"]["balancer"], BASE["services"]["api"]
    for name in ("read_only", "cap_drop", "security_opt", "pids_limit"):
        assert balancer[name] == api[name]
    assert "mem_limit" in balancer
