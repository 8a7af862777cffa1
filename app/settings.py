"""Settings, read from the environment or from a file ``.env``."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from model.object_store import ObjectStore


class Schedule(NamedTuple):
    """When to retrain: after a number of new ratings, or at the times of a cron expression, in UTC."""

    ratings: int | None = None
    cron: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """`ValueError` for what is neither."""
        if (ratings := re.fullmatch(r"([1-9]\d*) ratings", text)) is not None:
            return cls(ratings=int(ratings[1]))
        try:
            CronSim(text, datetime.now(UTC))
        except CronSimError as error:
            raise ValueError("is neither a number of ratings, as 10000 ratings, nor a cron expression") from error
        return cls(cron=text)

    def is_due(self, now: datetime, last: datetime, new_ratings: Callable[[], int]) -> bool:
        """Whether a round is to begin, where the last one began at ``last``; ratings are counted only if need be."""
        if self.ratings is not None:
            return new_ratings() >= self.ratings
        return self.cron is not None and next(CronSim(self.cron, last)) <= now


SECRETS = Path("/run/secrets")
"""Where containers find files with secrets: one for each setting, named like its variable in small letters."""


def _fits_into_a_header(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not text:  # a header without a value would be the key
        raise ValueError("is empty: write a key into it, or take the setting or its file away")
    if not text.isascii() or not text.isprintable():
        raise ValueError("has characters that no header can carry: letters, digits and signs of ASCII can")
    return key


Key = Annotated[SecretStr, AfterValidator(_fits_into_a_header)]


def _in_form(pattern: str, wanted: str) -> AfterValidator:
    """Refuses a text of another form, with the words that say which one is wanted."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(wanted)
        return text

    return AfterValidator(check)


RequestRate = Annotated[
    str,
    _in_form(
        r"[1-9]\d*/(second|minute|hour|day)",
        "must be a number of requests in each second, minute, hour or day, as 60/minute",
    ),
]
RootPath = Annotated[str, _in_form(r"(/[\w.~-]+)+", "must be a path that ends without a slash, as /seqrec")]
ImageUrl = Annotated[
    str,
    _in_form(
        r"https?://[\w.-]+(:\d+)?/[^\s{}]*(\{(movie_id|imdb_id|tmdb_id)\}[^\s{}]*)+",
        "must be an address with {tmdb_id}, {imdb_id} or {movie_id} in it, as https://images.example/{tmdb_id}.jpg",
    ),
]

ORIGIN = re.compile(r"[a-z][a-z\d+.-]*://[^\s/?#@]+")


class Settings(BaseSettings):
    """Every variable is named after its field, in capitals, with ``SEQREC_`` in front."""

    model_config = SettingsConfigDict(
        env_prefix="SEQREC_",
        env_file=".env",
        env_ignore_empty=True,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
        extra="ignore",
        hide_input_in_errors=True,  # it may be a key
        frozen=True,
        allow_inf_nan=False,
    )

    data: Path | None = Field(None, description="Folder of a MovieLens data set; data/ml-1m where it is there.")
    ml1m_url: str | None = Field(
        None, description="Address of ml-1m.zip, in place of the official one; the checksum is the same."
    )
    database_url: str = Field(
        "sqlite:///data/seqrec.db", description="SQLite or PostgreSQL (postgresql://user:password@host/name)."
    )
    artifacts_cache: Path = Field(
        Path("data/artifacts"), description="Folder that keeps the models of an object store, and what training keeps."
    )
    artifacts: Annotated[Path | ObjectStore, NoDecode] = Field(
        Path("data/artifacts"),
        description="Folder of trained models, or its address in an object store (s3://bucket/models, gs://, file://); "
        "the newest is served, or a pinned one.",
    )
    keep_models: int = Field(
        5,
        ge=1,
        description="Trained models that are kept beside the one that is served and a pinned one: the newest, and as "
        "many of those that were set aside; a reload deletes older ones.",
    )
    retrain: str | None = Field(
        None,
        description="When the service trains a model anew on what its database holds: after a number of new ratings, "
        "as 10000 ratings, or at the times of a cron expression in UTC, as 0 3 * * *. Not set: never.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where to train and score; auto takes CUDA where there is a GPU."
    )
    bert: str = Field(
        "google-bert/bert-base-uncased",
        description="Folder with BERT's weights, or their name on the model hub; only the baseline ffnn-bert needs it.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    workers: int = Field(1, ge=1, description="Processes that answer requests.")
    api_keys: Annotated[tuple[Key, ...], NoDecode] = Field(
        (), description="Keys for reading and writing, separated by commas; without any, no other machine is served."
    )
    admin_key: Key | None = Field(None, description="Key for everything, and the only one for /admin.")
    user_cache_mb: int = Field(
        64,
        ge=1,
        description="MiB of memory, in each worker, to keep what the model knows of users who asked lately; what "
        "similar users are found by, a kilobyte each of up to 50,000 users, comes on top.",
    )
    request_timeout: float = Field(
        10.0, gt=0, description="Seconds until every request is answered; imports, exports and batches apart."
    )
    database_timeout: float = Field(
        5.0, gt=0, description="Seconds to wait for a connection, a lock or a statement of the database."
    )
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        "FULL",
        description="FULL: a write that is answered survives a power loss. NORMAL: faster; a power loss may take the "
        "last writes, never half of one.",
    )
    drain_time: float = Field(
        1.0,
        ge=0,
        description="Seconds after SIGTERM in which the service answers on but says that it is not ready, so that a "
        "proxy sends it no more. Longer than the proxy takes from one check to the next.",
    )
    shutdown_timeout: float = Field(
        8.0, gt=0, description="Seconds that requests have to end after the service has stopped listening."
    )
    most_requests: int = Field(
        128,
        ge=1,
        description="Requests that a worker takes on together; more are answered with 503, after a second at most.",
    )
    import_mb: int = Field(1024, ge=1, description="MiB of the largest import over HTTP.")
    event_retention: float = Field(
        365,
        gt=0,
        description="Days that impressions, clicks, and events that a later one has replaced are kept; 36500 for a "
        "hundred years.",
    )
    feedback: Annotated[dict[str, dict[str, Any]] | None, NoDecode] = Field(
        None,
        description='What kinds of events mean, where they are to mean something else, as {"skip": {"days": 30}}.',
    )
    request_rate: RequestRate | None = Field(
        None,
        description="Requests that a worker takes from each key (without keys: from each address), as 600/minute; "
        "more are answered with 429.",
    )
    root_path: RootPath | None = Field(
        None,
        description="Prefix, as /seqrec, under which a proxy serves all paths, and which it takes away.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-Proto and X-Forwarded-For count, separated by "
        "commas, besides this machine; * for all.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins of other sites, as https://shop.example, whose pages may use the API, separated by "
        "commas; * for all.",
    )
    hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Names that a service without keys answers under, separated by commas, besides localhost and "
        "addresses in numbers; * for all.",
    )
    image_url: ImageUrl | None = Field(
        None,
        description="Where the page finds pictures of movies, as https://images.example/{tmdb_id}.jpg, with {tmdb_id}, "
        "{imdb_id} or {movie_id}; without it, the page shows none.",
    )
    unprotected: bool = Field(
        False,
        description="Serve other machines without keys. For networks that restrict access otherwise, as Docker does by "
        "the address that it publishes a port on.",
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level that is logged: DEBUG, INFO, WARNING or ERROR; requests are logged at INFO."
    )

    @field_validator("artifacts", mode="before")
    @classmethod
    def _in_object_store(cls, value: object, info: ValidationInfo) -> object:
        is_address = isinstance(value, str) and "://" in value
        return ObjectStore(str(value), info.data["artifacts_cache"]) if is_address else value

    @property
    def artifact_folder(self) -> Path:
        """Where models lie on this machine, and beside them what training keeps."""
        return self.artifacts.cache if isinstance(self.artifacts, ObjectStore) else self.artifacts

    @field_validator("feedback", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError('is not JSON: write as {"skip": {"days": 30}}') from error

    @field_validator("retrain")
    @classmethod
    def _is_schedule(cls, value: str | None) -> str | None:
        if value is not None:
            Schedule.parse(value)
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("hosts")
    @classmethod
    def _in_small_letters(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.lower() for name in names)

    @field_validator("cors_origins")
    @classmethod
    def _as_browsers_send_them(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        origins = tuple(one.lower().removesuffix("/") for one in given)
        for origin in origins:
            if origin != "*" and ORIGIN.fullmatch(origin) is None:
                raise ValueError(f"has {origin}, which is not an origin: write as https://shop.example, without a path")
        return origins

    @field_validator("api_keys", "hosts", "trusted_proxies", "cors_origins", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
