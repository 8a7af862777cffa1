"""Keys and sizes are looked at before a body is read."""

import gzip
import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse

import httpx
import pytest
from server import running
from sqlalchemy import Engine

from app.edge.keys import Keys
from app.edge.limits import Limits
from app.main import create_app
from model.inference.scorer import Scorer

KEYS = Keys(api=("user",), admin="chief")
LIMITS = Limits(body=10_000, batch_body=20_000, bulk_body=50_000, pause=1.5)


@pytest.fixture
def address(loaded: Engine, scorer: Scorer) -> Iterator[str]:
    with running(create_app(loaded, scorer, keys=KEYS, limits=LIMITS)) as address:
        yield address


def begun(address: str, path: str, *headers: str) -> tuple[int, dict[str, str], dict]:
    """Status, headers and body of the answer to a POST whose body never comes."""
    kind = "application/jsonl" if path.startswith("/import") else "application/json"
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Type: {kind}", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        answer = HTTPResponse(connection)
        answer.begin()
        named = {name.lower(): value.lower() for name, value in answer.getheaders()}
        return answer.status, named, json.loads(answer.read())


@pytest.mark.parametrize(
    "path", ["/ratings", "/rank", "/predict", "/import/ratings", "/recommendations/batch", "/users"]
)
@pytest.mark.parametrize("key", [[], ["X-API-Key: wrong"]], ids=["no-key", "wrong-key"])
def test_without_a_key_no_body_is_waited_for(address: str, path: str, key: list[str]) -> None:
    status, headers, error = begun(address, path, "Content-Length: 100000000", *key)

    assert (status, error["code"]) == (401, "key_unknown" if key else "key_required")
    assert "X-API-Key" in error["message"]
    assert headers["www-authenticate"].startswith("apikey")


def test_a_key_without_the_right_is_refused_before_a_body_is_waited_for(address: str) -> None:
    status, _, error = begun(address, "/admin/reload", "Content-Length: 100000000", "X-API-Key: user")

    assert (status, error["code"]) == (403, "key_refused")
    assert "SEQREC_ADMIN_KEY" in error["message"]


@pytest.mark.parametrize(("path", "most"), [("/ratings", "20,000"), ("/rank", "10,000"), ("/import/ratings", "50,000")])
def test_a_body_that_is_announced_as_too_large_is_refused_at_once(address: str, path: str, most: str) -> None:
    status, _, error = begun(address, path, "X-API-Key: user", "Content-Length: 50001")

    assert (status, error["code"]) == (413, "body_too_large")
    assert f"{most} bytes" in error["message"]


@pytest.mark.parametrize("path", ["/ratings", "/import/ratings"])
def test_a_body_without_a_length_is_refused_where_it_becomes_too_large(address: str, path: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(60):
            yield b"\n" * 1000

    answer = httpx.post(
        f"{address}{path}", content=pieces(), headers={"X-API-Key": "user", "Content-Type": "application/jsonl"}
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("path", ["/ratings", "/import/ratings"])
def test_a_body_that_does_not_come_is_given_up(address: str, path: str) -> None:
    started = time.perf_counter()

    status, _, error = begun(address, path, "X-API-Key: user", "Content-Length: 100")

    assert (status, error["code"]) == (408, "slow_body")
    assert LIMITS.pause <= time.perf_counter() - started < LIMITS.pause + 8


def test_who_leaves_in_the_middle_of_a_body_has_written_nothing(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"POST /users HTTP/1.1\r\nHost: {host}\r\nX-API-Key: user\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 20\r\n\r\n{{}}".encode())  # valid so far, and not whole

    time.sleep(0.5)
    assert httpx.get(f"{address}/users/121", headers={"X-API-Key": "user"}).status_code == 404


def test_a_body_in_pieces_is_read_whole(address: str) -> None:
    body = json.dumps({"user_id": 1, "movie_ids": [1, 2]}).encode()

    answer = httpx.post(
        f"{address}/predict",
        content=iter([body[:7], body[7:20], body[20:]]),
        headers={"X-API-Key": "user", "Content-Type": "application/json"},
    )

    assert answer.status_code == 200
    assert [entry["movie_id"] for entry in answer.json()["predictions"]] == [1, 2]


@pytest.mark.parametrize("body", [b"[" * 9000, b'{"title": "\xff"}'], ids=["deeply nested", "not UTF-8"])
def test_a_body_that_cannot_be_read_is_an_error_of_the_caller(address: str, body: bytes) -> None:
    headers = {"X-API-Key": "user", "Content-Type": "application/json"}

    answer = httpx.post(f"{address}/rank", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("lone", [rb"\ud800", rb"\uDFFF", b"\xed\xa0\x80"], ids=["first half", "second half", "bytes"])
def test_half_a_character_is_refused_wherever_it_is(address: str, lone: bytes) -> None:
    for path, body in (
        ("/predict", b'{"user_id": "%b", "movie_ids": [1]}'),
        ("/predict", b'{"user_id": 1, "movie_ids": ["%b"]}'),
        ("/recommendations", b'{"genre": ["%b"]}'),
        ("/events", b'{"events": [{"user_id": 1, "movie_id": 1, "kind": "%b"}]}'),
        ("/users", b'{"%b": 1}'),
        ("/movies", b'{"title": "A%b (2026)"}'),
    ):
        headers = {"X-API-Key": "chief", "Content-Type": "application/json"}
        answer = httpx.post(f"{address}{path}", content=body % lone, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (path, body)
        assert "lone surrogates" in answer.json()["message"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_both_halves_of_a_character_are_one(address: str) -> None:
    headers = {"X-API-Key": "chief", "Content-Type": "application/json"}

    answer = httpx.post(f"{address}/users", content=rb'{"external_id": "\ud83c\udfac \ud55c"}', headers=headers)

    name = "\N{CLAPPER BOARD} \N{HANGUL SYLLABLE HAN}"
    assert (answer.status_code, answer.json()["external_id"]) == (201, name)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/ratings", {"ratings": [{"user_id": 1, "movie_id": 1, "stars": True}]}),
        ("/ratings", {"ratings": [{"user_id": True, "movie_id": 1, "stars": 4}]}),
        ("/predict", {"user_id": 1, "movie_ids": [True]}),
        ("/users", {"age": True}),
        ("/recommendations", {"n": True}),
        ("/recommendations", {"diversity": False}),
    ],
)
def test_true_is_no_number(address: str, path: str, body: dict) -> None:
    answer = httpx.post(f"{address}{path}", json=body, headers={"X-API-Key": "user"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "a number is wanted" in answer.json()["message"]


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_called_json_gets_the_header_named(address: str, kind: str | None) -> None:
    headers = {"X-API-Key": "user"} | ({} if kind is None else {"Content-Type": kind})

    answer = httpx.put(f"{address}/users/1/ratings/2", content=b'{"stars": 4}', headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media")
    assert "Content-Type: application/json" in answer.json()["message"]


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/merge-patch+json", "Application/JSON"]
)
def test_json_is_known_by_any_of_its_names(address: str, kind: str) -> None:
    headers = {"X-API-Key": "user", "Content-Type": kind}

    assert httpx.put(f"{address}/users/1/ratings/2", content=b'{"stars": 4}', headers=headers).status_code == 200


LINE = '{"user_id": 1, "movie_id": 1, "stars": 4}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(LINE.encode("utf-8-sig"), None, id="byte-order-mark"),
        pytest.param(LINE.encode("utf-16"), "UTF-16", id="utf-16"),
        pytest.param(gzip.compress(LINE.encode()), "compressed", id="gzip"),
        pytest.param(b"\n" * 20_000 + LINE.encode(), "blank lines", id="blank-lines"),
    ],
)
def test_an_import_that_is_no_plain_text_is_read_or_told_what_it_is(
    address: str, content: bytes, said: str | None
) -> None:
    headers = {"X-API-Key": "user", "Content-Type": "application/jsonl"}

    answer = httpx.post(f"{address}/import/ratings", content=content, headers=headers)

    assert answer.status_code == (200 if said is None else 422)
    assert said is None or said in answer.json()["message"]
