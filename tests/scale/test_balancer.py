"""Replicas on one PostgreSQL database behind HAProxy: they answer as one, and are replaced without a lost request."""

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os import environ
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from balancers import configuration, haproxy, program
from callers import Callers
from reliability import Record
from server import free_port, process
from soak import part
from sqlalchemy import Engine, inspect, text

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

RELOADED_WITHIN = 30.0
"""Seconds."""

DRAIN_SECONDS = 3.0
"""As in docker-compose.scale.yml: longer than HAProxy takes to see that a replica is not ready."""

EXPANSION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9001", {newest!r}, None, None


def upgrade() -> None:
    op.add_column("users", sa.Column("nickname", sa.String(50)))


def downgrade() -> None:
    op.drop_column("users", "nickname")
"""


class Replicas:
    """Servers of one database and one folder of models, each on a port that it keeps.

    Attributes:
        addresses: where each answers.
    """

    def __init__(self, number: int, database_url: str, artifacts: Path, folder: Path) -> None:
        self.ports = [free_port() for _ in range(number)]
        self.addresses = [f"http://127.0.0.1:{port}" for port in self.ports]
        self._database_url, self._artifacts, self._folder = database_url, artifacts, folder
        self._stacks = [ExitStack() for _ in self.ports]

    @contextmanager
    def running(self) -> Iterator[str]:
        """The address of HAProxy in front of them."""
        program()  # skips, before anything is started
        with ExitStack() as all_:
            for place, stack in enumerate(self._stacks):
                all_.enter_context(stack)
                self._start(place)
            yield all_.enter_context(haproxy(self.addresses, self._folder))

    def replace_in_turn(self, python_path: Path | None = None) -> None:
        """Stop each and start it anew, with the code that is in a folder of its own, if one is named."""
        for place, stack in enumerate(self._stacks):
            stack.close()
            self._start(place, python_path)
            time.sleep(4)  # until HAProxy has seen that it is ready again, on a busy machine too

    def _start(self, place: int, python_path: Path | None = None) -> None:
        log = self._folder / f"{place}-{time.monotonic_ns()}.log"
        server = process(
            1,
            self._database_url,
            self._artifacts,
            log,
            python_path=python_path,
            port=self.ports[place],
            drain_time=DRAIN_SECONDS,
        )
        self._stacks[place].enter_context(server)


class Setting(NamedTuple):
    """Replicas that are running, and HAProxy's address."""

    replicas: Replicas
    address: str


@pytest.fixture
def setting(loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path) -> Iterator[Setting]:
    """Two replicas, with a folder of models of their own."""
    artifacts = tmp_path / "artifacts"
    shutil.copytree(artifact_folder, artifacts / artifact_folder.name)
    replicas = Replicas(2, database_url, artifacts, tmp_path)
    with replicas.running() as address:
        yield Setting(replicas, address)


def write_and_ask_every_replica(setting: Setting, writes: int, seed: int) -> None:
    """After each write, by way of HAProxy, every replica's very next answer has it."""
    chance = random.Random(seed)
    with ExitStack() as clients:
        balancer = clients.enter_context(httpx.Client(base_url=setting.address, timeout=30))
        every = [clients.enter_context(httpx.Client(base_url=one, timeout=30)) for one in setting.replicas.addresses]
        users = [balancer.post("/users", json={}).raise_for_status().json()["user_id"] for _ in range(3)]
        rated: dict[int, dict[int, float]] = {user: {} for user in users}
        for _ in range(writes):
            user, movie = chance.choice(users), chance.randint(1, 20)
            if movie in rated[user] and chance.random() < 0.3:
                balancer.delete(f"/users/{user}/ratings/{movie}").raise_for_status()
                del rated[user][movie]
            else:
                stars = float(chance.randint(1, 5))
                balancer.put(f"/users/{user}/ratings/{movie}", json={"stars": stars}).raise_for_status()
                rated[user][movie] = stars
            for replica in every:
                stored = replica.get(f"/users/{user}/ratings", params={"limit": 100}).json()["ratings"]
                assert {one["movie_id"]: one["stars"] for one in stored} == rated[user]
                listed = replica.get(f"/users/{user}/recommendations", params={"limit": 80}).json()
                assert not {one["movie_id"] for one in listed["recommendations"]} & set(rated[user])
                assert listed["based_on"] == ("history" if rated[user] else "nothing")


def test_a_write_is_in_the_very_next_answer_of_every_replica(setting: Setting) -> None:
    write_and_ask_every_replica(setting, writes=25, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_many_writes_are_in_the_very_next_answers(setting: Setting, record: Record) -> None:
    write_and_ask_every_replica(setting, writes=(writes := part(3000)), seed=2)
    record(
        "two replicas behind HAProxy, every write looked for in both",
        database="postgresql",
        failed=0,
        writes_acknowledged=writes,
        found=writes,
    )


def test_a_reload_reaches_every_replica_in_time_asked_or_not(
    setting: Setting, artifact_folder: Path, tmp_path: Path
) -> None:
    newer = "99990101T000000Z-small"
    shutil.copytree(artifact_folder, tmp_path / "artifacts" / newer)

    assert httpx.post(f"{setting.address}/admin/reload", timeout=30).json()["version"] == newer

    ends = time.monotonic() + RELOADED_WITHIN
    while not all(serves(replica, newer) for replica in setting.replicas.addresses):
        assert time.monotonic() < ends, "a replica still serves the model before"
        time.sleep(0.1)


def serves(replica: str, version: str) -> bool:
    """Whether it does by its metrics, which look into the process alone."""
    return f'seqrec_model_info{{version="{version}"}} 1.0' in httpx.get(f"{replica}/metrics").text


def test_no_request_is_lost_while_replicas_are_restarted_in_turn(setting: Setting, loaded: Engine) -> None:
    callers = Callers(setting.address)
    with callers.asking():
        setting.replicas.replace_in_turn()

    callers.assert_nothing_was_lost(loaded)


def test_no_request_is_lost_while_schema_and_replicas_are_upgraded(
    setting: Setting, loaded: Engine, database_url: str, tmp_path: Path
) -> None:
    newer = version_with_one_more_migration(tmp_path / "newer", loaded)
    callers = Callers(setting.address)
    with callers.asking():
        time.sleep(1)
        upgrade_schema(newer, database_url)
        time.sleep(2)  # the old version serves on the new schema
        setting.replicas.replace_in_turn(newer)

    callers.assert_nothing_was_lost(loaded)
    assert "nickname" in {column["name"] for column in inspect(loaded).get_columns("users")}


def version_with_one_more_migration(folder: Path, engine: Engine) -> Path:
    """A copy of this code that knows one more revision of the schema, which only adds."""
    for package in ("app", "model", "migrations", "seqrec"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    with engine.connect() as connection:
        newest = connection.scalar(text("SELECT version_num FROM alembic_version"))
    (folder / "migrations/versions/9001_nicknames.py").write_text(EXPANSION.format(newest=newest))
    return folder


def upgrade_schema(code: Path, database_url: str) -> None:
    subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", "db", "upgrade"],
        env=environ | {"PYTHONPATH": str(code), "SEQREC_DATABASE_URL": database_url},
        cwd=code,
        check=True,
        capture_output=True,
    )


def test_the_configuration_is_one_that_haproxy_takes(tmp_path: Path, database_url: str) -> None:
    for name, settings in (
        ("deployed", (ROOT / "deploy/haproxy/haproxy.cfg").read_text()),
        ("tested", configuration(["http://127.0.0.1:8001", "http://127.0.0.1:8002"], 8000)),
    ):
        (tmp_path / name).write_text(settings)
        checked = subprocess.run(
            [program(), "-c", "-f", str(tmp_path / name)], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr
        assert "WARNING" not in checked.stderr, checked.stderr
