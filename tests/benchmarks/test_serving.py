"""The benchmark of serving: that it counts what it says, and that a small run fills every row."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from server import running
from starlette.types import Receive, Scope, Send

from app.cli.console import reporter
from app.settings import Settings
from benchmarks.serving import layers, load, report
from benchmarks.serving.goals import GOALS, Goal
from benchmarks.serving.ground import prepare
from benchmarks.serving.load import Plan, Request, percentile
from benchmarks.serving.measure import QUICK, Bench

LEAST = QUICK._replace(seconds=0.5, repeats=2, starts=1, mixed=50, mixed_seconds=5.0, different_seconds=1.0)


def answering(status: int, seen: list[str]) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """A server that notes the paths it is asked, and answers each in two parts with this status."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.append(scope["path"])
            headers = [(b"content-length", b"2")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            await send({"type": "http.response.body", "body": b"}"})

    return app


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def test_the_load_asks_each_request_once_unless_they_are_repeated() -> None:
    seen: list[str] = []
    asked = [Request("GET", f"/{number}") for number in range(100)]
    with running(answering(200, seen)) as address:
        answers = load.run(Plan(port_of(address), asked, connections=4, repeated=False, seconds=20))

    assert sorted(seen) == sorted(request.path for request in asked)
    assert 96 < answers.answered <= 100  # the other connections' last answers may be under way at the end
    assert 0 < answers.p50 <= answers.p99


def test_the_load_ends_after_the_most_answers_it_is_to_get() -> None:
    seen: list[str] = []
    with running(answering(200, seen)) as address:
        load.run(Plan(port_of(address), [Request("GET", "/a")], connections=1, most=30, seconds=20))

    assert len(seen) == 30


def test_an_error_of_the_server_is_no_answer() -> None:
    with running(answering(503, [])) as address, pytest.raises(RuntimeError, match="status 503"):
        load.run(Plan(port_of(address), [Request("GET", "/a")], seconds=20))


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([4, 1, 3, 2], 50) == 2
    assert percentile([4, 1, 3, 2], 99) == 4
    assert percentile([7], 50) == 7


@pytest.mark.parametrize(
    ("value", "more_is_better", "stands"),
    [
        pytest.param(12, False, "short", id="slower than the target"),
        pytest.param(8, False, "target reached", id="between target and mark"),
        pytest.param(5, False, "mark passed", id="faster than the mark"),
        pytest.param(8, True, "short", id="less than a target that is to be exceeded"),
    ],
)
def test_a_value_stands_where_target_and_mark_say(value: float, more_is_better: bool, stands: str) -> None:
    goal = Goal("a", "a row", "ms", 10, 6 if not more_is_better else 20, more_is_better)

    assert goal.reached(value) == stands


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_small_run_fills_every_row(sample_folder: Path, artifact_folder: Path, tmp_path: Path) -> None:
    settings = Settings(data=sample_folder, artifacts=artifact_folder.parent)
    with reporter() as progress:
        ground = prepare(settings, tmp_path / "kept", tmp_path, progress)
    said: list[str] = []
    measured = Bench(ground, LEAST, tmp_path, said.append).run()
    report.write(tmp_path / "out", measured, ground, LEAST, "quick", 0.0)

    written = json.loads((tmp_path / "out" / "speed.json").read_text())
    page = (tmp_path / "out" / "speed.md").read_text()
    assert set(written["values"]) >= {goal.key for goal in GOALS}
    assert all(value > 0 for key, value in written["values"].items() if key != "memory.growth")
    assert all(goal.title in page for goal in GOALS)
    assert all(both[0][0] > 0 < both[1][0] for both in measured.compared.values())
    for breakdown in measured.breakdowns.values():
        assert breakdown.milliseconds[layers.SCORER] > 0
        assert breakdown.milliseconds[layers.HTTP] > 0
    assert (tmp_path / "out" / "speed.png").stat().st_size > 10_000
    assert str(tmp_path) not in page
