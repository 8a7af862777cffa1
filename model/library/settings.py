"""What a caller may set of a preset, by the names that recommender libraries use."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from model.training.presets import Preset, preset


class Settings(BaseModel):
    """Changes of a preset; None keeps the preset's own value.

    Attributes:
        preset: the network and training that the others change, see `model.training.presets`.
        epochs: of learning lists.
        rating_epochs: of learning stars.
        hidden: units that read a history for lists.
        embedding: width of a movie's vector for lists.
        history_length: how many of the latest ratings lists are made of, at least two.
        factors: of the factorization that stars start from.
        learning_rate: of learning lists.
        seed: of all random numbers.
        refit: train a second time on all users, see `Preset`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str = "seqrec-small"
    epochs: int | None = Field(None, ge=1)
    rating_epochs: int | None = Field(None, ge=1)
    hidden: int | None = Field(None, ge=1)
    embedding: int | None = Field(None, ge=1)
    history_length: int | None = Field(None, ge=2)
    factors: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    seed: int | None = Field(None, ge=0, lt=2**63)
    refit: bool | None = None

    def apply(self) -> Preset:
        """The preset with these changes; `UnknownNameError` if there is no such preset."""
        chosen = preset(self.preset)
        network, ranking, lists = chosen.network, chosen.network.ranking, chosen.ranking_training
        if ranking is not None and lists is not None:
            ranking = _changed(
                ranking, hidden=self.hidden, embedding=self.embedding, history_length=self.history_length
            )
            lists = _changed(lists, epochs=self.epochs, learning_rate=self.learning_rate, seed=self.seed)
        factorization = _changed(network.factorization, factors=self.factors)
        network = _changed(network, factorization=factorization, ranking=ranking)
        training = _changed(chosen.training, epochs=self.rating_epochs, seed=self.seed)
        return _changed(chosen, network=network, training=training, ranking_training=lists, refit=self.refit)


Model = TypeVar("Model", bound=BaseModel)


def _changed(model: Model, **values: object) -> Model:
    """The model with the values that are not None."""
    return model.model_copy(update={name: value for name, value in values.items() if value is not None})
