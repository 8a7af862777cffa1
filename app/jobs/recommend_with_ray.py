"""Lists for all users by many machines: Ray's actors, each with the model in memory, take users in blocks.

A finished block is a file of the folder. A block whose actor or machine is lost is made again, and no other. An
interrupted run leaves its finished blocks, and the next run uses them if SeqRec, model, catalogue, options and the
users of the block are the same.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from app.errors import WorkerError
from app.jobs.list_files import Parquet
from app.jobs.recommend_all import (
    ORIGIN,
    Block,
    Plan,
    alone,
    divide,
    load_recommender,
    model_to_serve,
    plan_for,
    write_block,
)
from app.jobs.reporter import Reporter
from app.services.recommendations import RecommendationOptions
from app.settings import Settings
from model.errors import SettingsError
from model.files import atomic_write
from model.processes import use_one_thread

if TYPE_CHECKING:
    import ray

SET_UP = "seqrec.command.find_service"
"""Called in each of Ray's processes before it unpickles anything of the service."""

WHOLE = "_SUCCESS"
"""Empty file that is there when all blocks are."""


def recommend_with_ray(
    address: str, out: Path, options: RecommendationOptions, settings: Settings, reporter: Reporter
) -> int:
    """Write a Parquet file for every block of users into the folder ``out``; returns the number of users.

    The rows of all files together, in the order of their names, are those of `app.jobs.recommend_all`. ``address`` is
    that of a Ray cluster. All of its machines reach the database under the address of the settings, and write into
    ``out``, which is a folder that they share. The model comes from this machine.

    Raises `SettingsError` where Ray is not installed, where no cluster answers, or one of other versions; otherwise as
    `recommend_all`.
    """
    with alone(out.absolute()):
        return _write_all(address, out.absolute(), options, settings, reporter)


def _write_all(
    address: str, folder: Path, options: RecommendationOptions, settings: Settings, reporter: Reporter
) -> int:
    chosen = model_to_serve(settings)
    recommender = load_recommender(settings, chosen)
    try:
        plan = plan_for(folder, Parquet.suffix, options, settings, chosen, recommender.database)
        _claim(plan)
        blocks, count = divide(recommender.database)
        _keep_only(blocks, plan)
        if blocks:  # options that ask for what there is not fail here, once, and not in every actor
            recommender.recommend_between(blocks[0].first, blocks[0].first, options)
    finally:
        recommender.database.engine.dispose()
    missing = _missing(blocks, plan)
    reporter.progress("Lists", len(blocks) - len(missing), len(blocks))
    if missing:
        with _cluster(address):
            for done, _ in enumerate(_make(plan, missing), start=len(blocks) - len(missing) + 1):
                reporter.progress("Lists", done, len(blocks))
    if lost := _missing(blocks, plan):
        raise WorkerError(
            f"{folder} lacks {len(lost)} of {len(blocks)} files, as {plan.path(lost[0]).name}. Do all machines of the "
            f"cluster share the folder? If so, run the same command again."
        )
    (folder / WHOLE).touch()
    return count


def _claim(plan: Plan) -> None:
    """Make the folder this run's; `SettingsError` if it holds all lists, or other things than its own blocks."""
    record = plan.folder / ORIGIN
    if (plan.folder / WHOLE).exists():
        raise SettingsError(f"{plan.folder} holds all lists of an earlier run: name a new folder, or delete this one.")
    if record.exists() and record.read_text() == plan.origin:
        return
    if plan.folder.exists() and any(plan.folder.iterdir()):
        raise SettingsError(
            f"{plan.folder} holds other files, or lists of another SeqRec, model, catalogue or options: name a new "
            f"folder."
        )
    with atomic_write(record) as temporary:
        temporary.write_text(plan.origin)


def _keep_only(blocks: list[Block], plan: Plan) -> None:
    """Delete other blocks: of an earlier run, when there were other users."""
    wanted = {plan.path(block) for block in blocks}
    for path in plan.folder.glob(f"*{plan.suffix}"):
        if path not in wanted:
            path.unlink()


def _missing(blocks: list[Block], plan: Plan) -> list[Block]:
    return [block for block in blocks if not plan.path(block).exists()]


def _make(plan: Plan, blocks: list[Block]) -> Iterator[None]:
    """Make blocks on the cluster; yields whenever one more file is there."""
    import ray  # noqa: PLC0415 - not installed everywhere

    files = {path.name: path.read_bytes() for path in plan.artifact.iterdir() if path.is_file()}
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.from_items([block._asdict() for block in blocks], override_num_blocks=len(blocks)).map_batches(
        _Lists,
        fn_constructor_args=(plan, ray.put(files), version("seqrec")),
        batch_size=1,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=_actors(len(blocks))),
    )
    try:
        for _ in rows.iter_rows():
            yield
    except ray.exceptions.RayError as error:
        raise WorkerError(
            f"Ray could not make all lists: {str(error).strip().splitlines()[-1]} Finished blocks are kept: run the "
            f"same command again."
        ) from error


def _actors(blocks: int) -> int:
    """As many as there are cores in the cluster, and no more than blocks."""
    import ray  # noqa: PLC0415 - as above

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, min(blocks, int(resources.get("CPU", 1))))


class _Lists:
    """An actor: loads the model once, and makes blocks."""

    def __init__(self, plan: Plan, files: "ray.ObjectRef[dict[str, bytes]]", expected: str) -> None:
        import ray  # noqa: PLC0415 - in the actor's process

        if (found := version("seqrec")) != expected:
            raise SettingsError(f"A machine of the cluster has SeqRec {found}, this one {expected}: install the same.")
        use_one_thread()  # each actor has a core of its own
        self._plan = plan
        with TemporaryDirectory() as folder:
            copy = Path(folder) / plan.artifact.name
            copy.mkdir()
            for name, content in ray.get(files).items():
                (copy / name).write_bytes(content)
            self._recommender = load_recommender(plan.settings, copy)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Make the file of the one block in the batch."""
        block = Block(int(batch["first"][0]), int(batch["last"][0]), str(batch["digest"][0]))
        write_block(self._plan, self._recommender, block)
        return batch


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Connected to it; `SettingsError` says why that cannot be."""
    try:
        import ray  # noqa: PLC0415 - as above
        import ray.data  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError("Ray is not installed: pip install 'seqrec[ray]'.") from error
    try:
        ray.init(
            address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"worker_process_setup_hook": SET_UP},
        )
    except (ConnectionError, TimeoutError, ValueError) as error:
        raise SettingsError(
            f"No Ray cluster answers at {address}. Start one (ray start --head), or correct --ray: HOST:6379, or auto "
            f"on a machine of the cluster. ({_first_line(error)})"
        ) from error
    except RuntimeError as error:
        raise SettingsError(
            f"The Ray cluster at {address} cannot be used: {_first_line(error)} The versions of Ray and Python are to "
            f"be the same on all machines; this one has Ray {ray.__version__}."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
