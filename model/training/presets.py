"""Named networks with their training."""

from pydantic import BaseModel, ConfigDict, Field

from model.errors import SettingsError, UnknownNameError
from model.network.config import (
    FactorizationConfig,
    NetworkConfig,
    RankingConfig,
    RankingTrainingConfig,
    TrainingConfig,
)
from model.network.recurrent import RECURRENT


class Preset(BaseModel):
    """A network and its training under one name.

    Attributes:
        training: how it learns stars.
        ranking_training: how its ranking network learns; None for a network that predicts stars alone.
        refit: train a second time on all users, and serve that network; otherwise the one that some users are held out
            of is served.
        most_ratings: learn from users drawn at random who have so many ratings together; None for all users.
        tested_refitted: tested after training on the validation ratings too, stars for all epochs; such results are
            declared as such.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    network: NetworkConfig
    training: TrainingConfig
    ranking_training: RankingTrainingConfig | None = None
    # Left out of the JSON where they are not used, for the settings of results from before there were any.
    refit: bool = Field(True, exclude_if=lambda refit: refit)
    most_ratings: int | None = Field(None, exclude_if=lambda ratings: ratings is None)
    tested_refitted: bool = Field(False, exclude_if=lambda refitted: not refitted)

    def with_seed(self, seed: int) -> "Preset":
        """The same, trained from other random numbers."""
        training = self.training.model_copy(update={"seed": seed})
        lists = self.ranking_training and self.ranking_training.model_copy(update={"seed": seed})
        return self.model_copy(update={"training": training, "ranking_training": lists})

    def without_ranking(self) -> "Preset":
        """The same without a ranking network."""
        network = self.network.model_copy(update={"ranking": None})
        return self.model_copy(update={"network": network, "ranking_training": None})

    def for_data(self, *, has_stars: bool) -> "Preset":
        """The same for data with or without stars; `SettingsError` if it learns stars alone and there are none."""
        if has_stars:
            return self
        if self.ranking_training is None:
            raise SettingsError(f"{self.name} learns stars alone, and the data has none. Train another model: seqrec.")
        return self.model_copy(update={"network": self.network.model_copy(update={"predicts_stars": False})})


RATING_ONLY = Preset(
    name="seqrec-rating",
    network=NetworkConfig(
        prior="factorization",
        likelihood="categorical",
        unknown_rate=0.02,
        dropout=0.2,
        output_layers=(160, 160),  # as good as the paper's 227, and a list of all movies costs half
        factorization=FactorizationConfig(coordinates=128, learned_strengths=True),
        drift=True,
    ),
    training=TrainingConfig(
        random_history_lengths=True, epochs=3, samples_per_user=64, learning_rate=1e-3, final_rate=0.05
    ),
)

LEARNING_LISTS = RankingTrainingConfig(
    epochs=16,
    users_per_step=16,
    relevance_weight=0.05,  # with more, lists by `next` are worse, and those by `relevance` no better
    relevance_share=0.34,
    sampled_movies=1024,
    final_rate=0.15,
    averaging=4.0,
    refit_epochs=3,
)

QUICK_LOOK = Preset(
    name="seqrec-small",
    network=RATING_ONLY.network.model_copy(
        update={
            "embedding": 48,
            "history_length": 50,
            "profile_layers": (16,),
            "movie_layers": (48,),
            "title_layers": (48,),
            "output_layers": (64, 64),
            "factorization": FactorizationConfig(
                factors=16, coordinates=32, learned_strengths=True, sweeps=40, burn_in=10, folds=2, fold_sweeps=26
            ),
            "ranking": RankingConfig(embedding=64, hidden=128, history_length=100, stars_weight=0.7),
        }
    ),
    training=RATING_ONLY.training.model_copy(update={"epochs": 1}),
    ranking_training=LEARNING_LISTS.model_copy(
        update={
            "epochs": 4,
            "learning_rate": 6e-3,
            "relevance_weight": 0.5,  # of little data, taste is learned from it: with less, similar movies differ in it
            "relevance_share": 0.5,
            "sampled_movies": 512,
            "refit_epochs": 6,
        }
    ),
    refit=False,
    most_ratings=1_000_000,
)
"""All parts of ``seqrec``, smaller and trained for minutes: it is served while ``seqrec`` is trained."""

# To read more of a history than the latest hundred ratings brings nothing, and takes longer in proportion.
LISTS = RankingConfig(hidden=256, history_length=100, stars_weight=0.7)

SEQREC = Preset(
    name="seqrec",
    network=RATING_ONLY.network.model_copy(update={"ranking": LISTS}),
    training=RATING_ONLY.training,
    ranking_training=LEARNING_LISTS,
)

BEST = SEQREC.model_copy(
    update={
        "name": "seqrec-best",
        "network": SEQREC.network.model_copy(
            update={
                "ranking": LISTS.model_copy(update={"members": 2}),
                "factorization": SEQREC.network.factorization.model_copy(
                    update={"further_coordinates": (16, 256), "keep_every": 6}
                ),
            }
        ),
        "ranking_training": LEARNING_LISTS.model_copy(update={"epochs": 20}),
        "tested_refitted": True,
    }
)
"""Its stars are those of three factorizations, its lists those of two ranking networks.

Both are better, for three times the time of factorizing and two and a half times that of learning lists.
"""

MOST_EPOCHS = 12
"""Of the ranking network at the first look, however few ratings there are."""

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(name="seqrec-paper", network=NetworkConfig(), training=TrainingConfig()),
        Preset(name="seqrec-lstm", network=NetworkConfig(recurrent="lstm"), training=TrainingConfig()),
        RATING_ONLY,
        SEQREC,
        BEST,
        QUICK_LOOK,
    )
}


def first_look(ratings: int) -> Preset:
    """`QUICK_LOOK` for so many ratings: the fewer there are, the more epochs take the same time."""
    training = QUICK_LOOK.ranking_training
    if training is None:
        return QUICK_LOOK
    seen = max(min(ratings, QUICK_LOOK.most_ratings or ratings), 1)
    epochs = min(max(round(training.epochs * 1_000_000 / seen), training.epochs), MOST_EPOCHS)
    return QUICK_LOOK.model_copy(update={"ranking_training": training.model_copy(update={"epochs": epochs})})


def preset(name: str, recurrent: str | None = None) -> Preset:
    """The preset of this name, or its variant with another recurrent layer; `UnknownNameError` if there is none.

    A variant that is itself a preset goes by that preset's name.
    """
    if name not in PRESETS:
        raise UnknownNameError("network", name, PRESETS)
    chosen = PRESETS[name]
    if recurrent is None or recurrent == chosen.network.recurrent:
        return chosen
    if recurrent not in RECURRENT:
        raise UnknownNameError("recurrent layer", recurrent, RECURRENT)
    network = chosen.network.model_copy(update={"recurrent": recurrent})
    for known in PRESETS.values():
        if (known.network, known.training) == (network, chosen.training):
            return known
    return chosen.model_copy(update={"name": f"{name}+{recurrent}", "network": network})
