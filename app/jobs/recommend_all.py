"""Lists for all users, in one file.

Users are taken in blocks, which several processes share. A finished block is a file in a folder beside the output.
Blocks are joined when all are there, so the output appears whole. An interrupted run leaves its finished blocks, and
the next run uses them if SeqRec, model, catalogue, options, what events mean and the users of the block are the same;
ratings that came in between count only in the blocks that are made later.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Self

from app.errors import DatabaseError, ListsBusy, WorkerError
from app.jobs.list_files import ListFormat, format_of, rows
from app.jobs.reporter import Reporter
from app.services.feedback.kinds import fingerprint, meanings_from
from app.services.model_host import ModelHost
from app.services.models.loading import to_serve
from app.services.popularity import Popularity
from app.services.recommendations import RecommendationOptions, Recommender
from app.settings import Settings
from app.storage import locks, models, revisions, users
from app.storage.database import Database, connect, public_url, require_current
from model.device import choose_device
from model.files import atomic_write
from model.inference import artifact
from model.inference.scorer import Scorer
from model.processes import use_one_thread, work_for_parent

USERS_PER_BLOCK = 256
"""Users that are read, scored and written together: what an interruption loses, in each process."""

ORIGIN = ".origin.json"
"""File beside the blocks: what they were made from."""


class Block(NamedTuple):
    """All users with ids from ``first`` to ``last``, both included; ``digest`` is one of all their ids."""

    first: int
    last: int
    digest: str

    @classmethod
    def of(cls, ids: Sequence[int]) -> Self:
        """The block of these users, in ascending order."""
        return cls(ids[0], ids[-1], hashlib.blake2b(json.dumps(ids).encode(), digest_size=8).hexdigest())


class Plan(NamedTuple):
    """What every block of a run is made from.

    Attributes:
        artifact: the model's folder.
        revision: of the catalogue.
        folder: where finished blocks are.
        suffix: of the output's name, and of each block's.
        origin: what the lists depend on, as a JSON object; blocks of another origin are of no use.
    """

    settings: Settings
    artifact: Path
    revision: int
    options: RecommendationOptions
    folder: Path
    suffix: str
    origin: str

    def path(self, block: Block) -> Path:
        """By name in the order of users; another one when users of the block have come or gone."""
        return self.folder / f"{block.first:019d}-{block.last:019d}-{block.digest}{self.suffix}"


def recommend_all(
    out: Path, options: RecommendationOptions, settings: Settings, reporter: Reporter, workers: int | None = None
) -> int:
    """Write a list for every user of the database to ``out``; returns the number of users.

    Rows are those of `app.jobs.list_files`, users by id ascending. ``workers`` is how many processes share the work:
    by default one for each core, or one alone on a GPU.

    Raises `SettingsError` for an unknown ending of the name, `DatabaseError` or `ArtifactError` if database or model
    cannot be used, `ListsBusy` if another process writes the same file, and what `Recommender.recommend_many` raises.
    """
    format_ = format_of(out)
    with alone(out):
        return _write_all(out, format_, options, settings, reporter, workers)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """While no other process writes lists into this file or folder; `ListsBusy` if one does."""
    held = out.with_name(f".{out.name}.lock")
    with locks.lock(held, partial(ListsBusy, out)):
        try:
            yield
        finally:
            held.unlink()


def _write_all(
    out: Path,
    format_: ListFormat,
    options: RecommendationOptions,
    settings: Settings,
    reporter: Reporter,
    workers: int | None,
) -> int:
    chosen = model_to_serve(settings)
    recommender = load_recommender(settings, chosen)
    try:
        plan = _prepare(out, options, settings, chosen, recommender.database)
        blocks, count = divide(recommender.database)
        if blocks:  # options that ask for what there is not fail here, once, and not in every process
            recommender.recommend_between(blocks[0].first, blocks[0].first, options)
        _make(plan, blocks, recommender, reporter, workers)
    finally:
        recommender.database.engine.dispose()
    with atomic_write(out) as temporary:
        format_.join([plan.path(block) for block in blocks], temporary)
    shutil.rmtree(plan.folder)
    return count


def model_to_serve(settings: Settings) -> Path:
    """The folder of the pinned model, or of the newest."""
    engine = connect(settings.database_url)
    try:
        require_current(engine)
        with Database(engine).reads() as session:
            return to_serve(settings.artifacts, models.pinned(session))
    finally:
        engine.dispose()


def load_recommender(settings: Settings, folder: Path) -> Recommender:
    """The database with this one model, whatever newer ones there will be."""
    engine = connect(settings.database_url)
    require_current(engine)
    host = ModelHost(Database(engine), Scorer(artifact.load(folder), choose_device(settings.device)))
    return Recommender(host, Popularity(host), meanings=meanings_from(settings.feedback or {}))


def _prepare(out: Path, options: RecommendationOptions, settings: Settings, model: Path, database: Database) -> Plan:
    """The plan of a run; its folder holds the blocks of an earlier run of the same plan, and no others."""
    plan = plan_for(out.with_name(f".{out.name}.blocks"), out.suffix, options, settings, model, database)
    record = plan.folder / ORIGIN
    if not record.exists() or record.read_text() != plan.origin:
        shutil.rmtree(plan.folder, ignore_errors=True)
        with atomic_write(record) as temporary:
            temporary.write_text(plan.origin)
    return plan


def plan_for(
    folder: Path, suffix: str, options: RecommendationOptions, settings: Settings, model: Path, database: Database
) -> Plan:
    """The plan of a run whose blocks go into this folder."""
    with database.reads() as session:
        revision = revisions.read(session).catalogue
    origin = {
        "seqrec": version("seqrec"),
        "model": model.name,
        "database": public_url(database.engine),
        "catalogue": revision,
        "feedback": fingerprint(meanings_from(settings.feedback or {})),
        "options": {**options._asdict(), "filter": options.filter._asdict()},
    }
    return Plan(settings, model, revision, options, folder, suffix, json.dumps(origin))


def divide(database: Database) -> tuple[list[Block], int]:
    """All users in blocks, and their number."""
    blocks, count, after = [], 0, 0
    with database.reads() as session:
        while ids := users.next_ids(session, after, USERS_PER_BLOCK):
            blocks.append(Block.of(ids))
            count, after = count + len(ids), ids[-1]
    return blocks, count


def _make(
    plan: Plan, blocks: Sequence[Block], recommender: Recommender, reporter: Reporter, workers: int | None
) -> None:
    """Make the blocks that are not there yet."""
    missing = [block for block in blocks if not plan.path(block).exists()]
    on_gpu = recommender.host.model.device.type == "cuda"
    workers = min(workers or (1 if on_gpu else _cores()), len(missing))
    made = _share(plan, missing, workers) if workers > 1 else _make_here(plan, missing, recommender)
    kept = len(blocks) - len(missing)
    reporter.progress("Lists", kept, len(blocks))
    with closing(made):  # an interruption ends the processes too
        for done, _ in enumerate(made, start=kept + 1):
            reporter.progress("Lists", done, len(blocks))


def _make_here(plan: Plan, blocks: Sequence[Block], recommender: Recommender) -> Generator[None]:
    """Make blocks; yields whenever one more file is there."""
    for block in blocks:
        write_block(plan, recommender, block)
        yield


def _share(plan: Plan, blocks: Sequence[Block], workers: int) -> Generator[None]:
    """The same by several processes; `WorkerError` if one of them dies."""
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_process)
    try:
        for made in as_completed([pool.submit(_write_in_process, plan, block) for block in blocks]):
            made.result()
            yield
    except BrokenProcessPool as error:
        raise WorkerError(
            "A process that made lists has ended, perhaps for lack of memory. Finished lists are kept: run the same "
            "command again, with fewer --workers."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_process() -> None:
    use_one_thread()  # each process has a core of its own
    work_for_parent()  # after an interruption this one finishes its block, and the parent ends it


def _write_in_process(plan: Plan, block: Block) -> None:
    write_block(plan, _loaded_once(plan.settings, plan.artifact), block)


@cache
def _loaded_once(settings: Settings, folder: Path) -> Recommender:
    return load_recommender(settings, folder)


def write_block(plan: Plan, recommender: Recommender, block: Block) -> None:
    """Make the file of a block; `DatabaseError` if the catalogue is no longer the plan's."""
    lists, revision = recommender.recommend_between(block.first, block.last, plan.options)
    if revision != plan.revision:
        raise DatabaseError("The catalogue has changed while lists were made: run the same command again.")
    with atomic_write(plan.path(block)) as temporary:
        format_of(plan.path(block)).write(rows(lists, plan.options.offset), temporary)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
