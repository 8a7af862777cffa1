"""The library's one class: learns from a frame of ratings, then recommends, predicts and evaluates."""

import shutil
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self
from weakref import finalize

import numpy as np
from huggingface_hub import ModelHubMixin, snapshot_download
from pydantic import BaseModel

from model import pipeline
from model.card import Card, RankingScore, Score
from model.data import dataset
from model.data.conversion.convert import Conversion, ConversionOptions, convert
from model.data.conversion.wording import LIBRARY
from model.device import choose_device
from model.errors import DataError
from model.evaluation.batch_scoring import list_scores, predict
from model.evaluation.scoring import score_lists, score_predictions
from model.features.titles import title_vectors
from model.files import atomic_folder, atomic_write
from model.inference.results import RankBy
from model.library.fitted import ARTIFACTS, DATA, DESCRIPTION, Description, FittedModel
from model.library.frames import Frames, table
from model.library.ids import are_whole_numbers
from model.library.progress import TrainingBars
from model.library.settings import Settings
from model.rating_scale import RELEVANT_STARS
from model.training.context import TrainingContext
from model.types import FloatArray, IntArray

# ruff: noqa: ANN401 - a frame is of whichever library the caller has

HUB_OPTIONS = {"revision", "cache_dir", "force_download", "local_files_only", "token"}


class Evaluation(BaseModel):
    """How well held-out ratings are predicted and ranked.

    Attributes:
        ratings: errors of the predicted ratings, in stars; None for a recommender that has learned from likes.
        lists: ranks of the items with 4 or more stars among all that the user has not rated; None if there are none, or
            for a model without lists.
    """

    ratings: Score | None
    lists: RankingScore | None


class Recommender(ModelHubMixin, library_name="seqrec", tags=["recommendation"]):
    """Learns from a frame of ratings, then recommends and predicts, in the caller's own ids and on its own scale.

        recommender = Recommender(epochs=4).fit(ratings, items=movies)
        recommender.recommend(["alice"], n=5)
        recommender.save("my-recommender")

    Frames may be of pandas or polars; answers are of the kind that `fit` was given, or of polars after `load`.
    ``push_to_hub`` publishes a recommender, and ``from_pretrained`` reads one.
    """

    def __init__(
        self, preset: str = "seqrec-small", *, device: str = "auto", progress: bool = True, **settings: Any
    ) -> None:
        """``settings`` are the others of `Settings`, such as ``epochs``, ``hidden`` and ``factors``.

        ``device`` is ``cpu``, ``cuda`` or ``auto``; ``progress`` shows bars while it learns.
        """
        self.settings = Settings(preset=preset, **settings)
        self.device = choose_device(device)
        self.progress = progress
        self._frames = Frames()
        self._fitted: FittedModel | None = None
        self._remove_folder: Callable[[], object] | None = None

    def fit(
        self,
        ratings: Any,
        items: Any = None,
        *,
        scale: tuple[float, float] | None = None,
        likes: bool = False,
        **columns: str,
    ) -> Self:
        """Learn from a frame with a row for each rating, and one with a row for each item's title and genres.

        Columns are known by their usual names, or given: ``user``, ``item``, ``rating``, ``time``, ``title``,
        ``genres`` and, where the frame of items has another name for the ids, ``items_id``. Ids are whole
        numbers or texts, without the spaces around them; times are numbers, dates or texts. Without times, the order of
        the rows counts. Without ratings, every row is a like: lists are learned, and no ratings.

        Args:
            ratings: the frame of ratings.
            items: the frame of titles and genres; without it, an item is known by its ratings alone.
            scale: the worst and the best rating; None to guess them.
            likes: every row is a like, whatever other columns the frame has.
            columns: names of columns that are named otherwise.

        Warns of rows that are left out: without a user or an item, or whose rating is not on the scale, for example.

        Raises `DataError` if a column is missing, or if there are too few ratings to learn from.
        """
        folder = Path(mkdtemp(prefix="seqrec-"))
        # It stays until something else has been learned, or for as long as this object is there.
        remove_folder = finalize(self, shutil.rmtree, folder, ignore_errors=True)
        try:
            self._fitted = self._learn(folder, ratings, items, scale, likes, columns)
        except BaseException:
            remove_folder()
            raise
        self._frames = Frames.of(ratings)
        if self._remove_folder is not None:
            self._remove_folder()
        self._remove_folder = remove_folder
        return self

    def _learn(
        self,
        folder: Path,
        ratings: Any,
        items: Any,
        scale: tuple[float, float] | None,
        likes: bool,
        columns: dict[str, str],
    ) -> FittedModel:
        rows = table(ratings)
        rows.write_parquet(folder / "ratings.parquet")
        if items is not None:
            table(items).write_parquet(folder / "items.parquet")
        named = {role.replace("_", "-"): column for role, column in columns.items()}
        items_file = folder / "items.parquet" if items is not None else None
        options = ConversionOptions(named, items_file, scale, likes, LIBRARY)
        conversion = convert(folder / "ratings.parquet", folder / DATA, options)
        if conversion.left_out:
            warnings.warn(f"Left out {'; '.join(map(str, conversion.left_out))}.", stacklevel=3)  # where fit is called
        self._train(folder)
        whole = {role for role in ("user", "item") if are_whole_numbers(rows[conversion.columns[role]])}
        description = Description(settings=self.settings, conversion=conversion, whole_numbers=whole)
        (folder / DESCRIPTION).write_text(description.model_dump_json(indent=2))
        return FittedModel(folder, self.device)

    def _train(self, folder: Path) -> None:
        data, preset = dataset.read(folder / DATA), self.settings.apply()

        def on_drawn(users: int, of: int) -> None:
            warnings.warn(
                f"{preset.name} learns from at most {preset.most_ratings:,} ratings: here from {users:,} of the "
                f"{of:,} users of its training, drawn at random. Recommender('seqrec') learns from all, which takes "
                "longer.",
                stacklevel=2,
            )

        with TrainingBars(shown=self.progress) as bars:
            context = TrainingContext(
                catalogue=data.catalogue,
                titles=lambda: title_vectors(data.catalogue, folder / ".titles", bars.on_titles),
                bert_titles=lambda: np.empty((0, 0), dtype=np.float32),  # of a baseline, which is not trained
                device=self.device,
                on_drawn=on_drawn,
                on_fit=bars.on_fit,
                on_progress=bars.on_progress,
                side_by_side=False,
            )
            pipeline.train(data, preset, folder / ARTIFACTS, context)

    @property
    def card(self) -> Card:
        """Where the model comes from, and how good it was for users who were held out of its training."""
        return self.require_fitted().artifact.card

    @property
    def conversion(self) -> Conversion:
        """How the frames were understood, and how many of their rows were learned from, replaced and left out."""
        return self.require_fitted().description.conversion

    def recommend(
        self,
        users: Iterable[object] | None = None,
        n: int = 10,
        *,
        items: Iterable[object] | None = None,
        rank_by: RankBy | None = None,
        diversity: float = 0.0,
    ) -> Any:
        """A frame with the ``n`` best items for each user that the user has not rated, one row for each.

        Its columns are ``user``, ``item``, ``rank`` from 1 on, ``rating``, predicted on the caller's scale, and
        ``relevance``, see `model.inference.results.Recommendation`. One that has learned from likes has no ``rating``.

        Args:
            users: a list of those of the ratings; None for all.
            n: items in a list.
            items: only items among these; None for all.
            rank_by: the order, see `RankBy`.
            diversity: 0 to 1, see `model.inference.diversity`.

        Raises `DataError` if a user or an item was not in the frames.
        """
        fitted = self.require_fitted()
        numbers = fitted.users.numbers if users is None else fitted.users.find(users)
        among = fitted.items.numbers if items is None else fitted.items.find(items)
        contexts = [fitted.contexts[number] for number in numbers]
        lists = fitted.scorer.recommend_many(contexts, among, n, rank_by=rank_by, diversity=diversity)
        entries = [
            (number, rank, entry)
            for number, listed in zip(numbers, lists, strict=True)
            for rank, entry in enumerate(listed, start=1)
        ]
        ratings = {"rating": fitted.on_scale(entry.stars for _, _, entry in entries)} if fitted.has_ratings else {}
        return self._frames.build(
            {
                "user": fitted.users.names(number for number, _, _ in entries),
                "item": fitted.items.names(entry.movie_id for _, _, entry in entries),
                "rank": [rank for _, rank, _ in entries],
                **ratings,
                "relevance": [entry.relevance for _, _, entry in entries],
            }
        )

    def predict(self, pairs: Any) -> Any:
        """A frame ``user``, ``item``, ``rating`` for the users and items in the rows of another one, in their order.

        The rating is predicted on the caller's scale, without the user's own rating of the item. Columns are named as
        in the frame of ratings. Raises `DataError` if a user or an item was not in the frames; `NoStarsError` for one
        that has learned from likes.
        """
        fitted = self.require_fitted()
        users, items = fitted.pairs(pairs)
        distinct, user_index = np.unique(users, return_inverse=True)
        contexts = [fitted.contexts[number] for number in distinct.tolist()]
        predictions = fitted.scorer.predict_pairs(contexts, user_index.tolist(), items.tolist())
        return self._frames.build(
            {
                "user": fitted.users.names(users.tolist()),
                "item": fitted.items.names(items.tolist()),
                "rating": fitted.on_scale(prediction.stars for prediction in predictions),
            }
        )

    def similar(self, item: object, n: int = 10) -> Any:
        """A frame ``item``, ``similarity`` of the most similar items, by cosine; `DataError` for an unknown item."""
        fitted = self.require_fitted()
        (number,) = fitted.items.find([item])
        nearest = fitted.scorer.similar_movies(number, fitted.scorer.mask(fitted.items.numbers), n)
        return self._frames.build(
            {
                "item": fitted.items.names(other for other, _ in nearest),
                "similarity": [cosine for _, cosine in nearest],
            }
        )

    def evaluate(self, ratings: Any) -> Evaluation:
        """How well ratings are predicted and ranked that `fit` has not seen, of users and items that it has.

        Columns are named as in the frame that was learned from. Where a user has rated an item twice, the later rating
        counts. Raises `DataError` if a user or an item was not in it, or if there are no rows.
        """
        fitted = self.require_fitted()
        users, items, stars = fitted.rated_pairs(ratings)
        if not len(users):
            raise DataError("The frame has no rows to evaluate.")
        examples = fitted.with_targets(users, items, stars)
        errors = None
        if fitted.has_ratings:
            errors = score_predictions(predict(fitted.artifact.network, examples, self.device), examples)
        liked = np.flatnonzero(stars >= RELEVANT_STARS)
        lists = self._score_lists(fitted, users[liked], items[liked], stars[liked]) if len(liked) else None
        return Evaluation(ratings=errors, lists=lists)

    def _score_lists(
        self, fitted: FittedModel, users: IntArray, items: IntArray, stars: FloatArray
    ) -> RankingScore | None:
        network = fitted.artifact.network
        if network.ranking is None:
            return None
        scores = partial(list_scores, network, device=self.device, horizon="relevance")
        return score_lists(scores, fitted.with_targets(users, items, stars), network.movies.rating_counts.cpu().numpy())

    def save(self, folder: Path | str) -> Path:
        """Write everything that answers need into a new folder, and return it; `FileExistsError`."""
        source, target = self.require_fitted().folder, Path(folder)
        with atomic_folder(target) as temporary:
            _copy(source, temporary)
        return target

    @classmethod
    def load(cls, folder: Path | str, *, device: str = "auto") -> Self:
        """A recommender from a folder that `save` has written, and which must stay; `DataError` if it is none."""
        recommender = cls(device=device)
        fitted = recommender._fitted = FittedModel(Path(folder), recommender.device)
        recommender.settings = fitted.description.settings
        return recommender

    def require_fitted(self) -> FittedModel:
        if self._fitted is None:
            raise DataError("This recommender has learned nothing yet. Call fit first, or load one that was saved.")
        return self._fitted

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Publish this recommender on the model hub, in place of the one that the repository may have.

        ``options`` are those of `huggingface_hub.ModelHubMixin.push_to_hub`. Returns the commit's address.
        """
        return super().push_to_hub(repo_id, **{"delete_patterns": [f"{DATA}/*", f"{ARTIFACTS}/*"]} | options)

    # What the mix-in of the model hub asks for

    def _save_pretrained(self, save_directory: Path) -> None:
        _copy(self.require_fitted().folder, save_directory)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, device: str = "auto", **options: Any) -> Self:
        """From a folder, or from a repository of the hub."""
        if Path(model_id).is_dir():
            return cls.load(model_id, device=device)
        known = {name: value for name, value in options.items() if name in HUB_OPTIONS}
        return cls.load(snapshot_download(model_id, **known), device=device)


def _copy(source: Path, target: Path) -> None:
    """Put a recommender in place of the one that may be in ``target``, which stays unless all can be copied."""
    with ExitStack() as written:
        for name in (DATA, ARTIFACTS):
            folder = written.enter_context(atomic_folder(target / name, replace=True))
            shutil.copytree(source / name, folder, dirs_exist_ok=True)
        shutil.copy(source / DESCRIPTION, written.enter_context(atomic_write(target / DESCRIPTION)))
