"""What a line of the log has."""

import json
import logging
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from app.observability import logs


def line_of(formatter: logging.Formatter, message: str, **extra: object) -> str:
    record = logging.getLogger("app.test").makeRecord(
        "app.test", logging.WARNING, "", 0, message, (), None, extra=extra
    )
    return formatter.format(record)


def test_a_line_has_message_request_level_logger_extras_and_time() -> None:
    bound = logs.request_id.set("mine-1")
    try:
        line = json.loads(line_of(logs.LineFormatter(json.dumps), "said", status=200, color_message="red"))
    finally:
        logs.request_id.reset(bound)
    at = datetime.fromisoformat(line.pop("timestamp"))

    assert line == {
        "event": "said",
        "request_id": "mine-1",
        "level": "warning",
        "logger": "app.test",
        "status": 200,
    }
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stderr


def test_a_failure_is_one_line_with_its_traceback() -> None:
    script = (
        "import logging; from app.observability import logs; logs.configure()\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError: logging.getLogger('app.faults').exception('it failed')"
    )
    (line,) = run(script).splitlines()

    assert "ZeroDivisionError" in json.loads(line)["exception"]
    assert json.loads(line)["event"] == "it failed"


def test_what_is_below_the_level_is_not_logged() -> None:
    script = (
        "import logging; from app.observability import logs; logs.configure('WARNING')\n"
        "logging.getLogger('a').info('quiet'); logging.getLogger('a').warning('loud')"
    )
    (line,) = run(script).splitlines()

    assert json.loads(line)["event"] == "loud"


def test_people_on_a_terminal_read_text(capsys: pytest.CaptureFixture[str]) -> None:
    text = re.sub(r"\x1b\[[\d;]*m", "", line_of(logs.LineFormatter(logs.for_people()), "said", status=200))

    assert "said" in text
    assert "status=200" in text
    assert not text.startswith("{")
