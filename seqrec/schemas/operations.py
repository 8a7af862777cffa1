"""The service itself."""

from typing import Literal

from pydantic import BaseModel, Field

from model.card import Card


class ModelInformation(BaseModel):
    """The model that is served."""

    version: str = Field(description="Name of the artifact's folder.", examples=["20261123T220000Z-seqrec"])
    device: str = Field(description="Where it scores: cpu or cuda.", examples=["cpu"])
    sample_data: bool = Field(
        description="True if the model learned from generated ratings: it then says nothing about real movies."
    )
    card: Card = Field(description="Where the model comes from and how good it is.")


class Reloaded(BaseModel):
    """What a reload came to."""

    before: str = Field(description="Version that was served until now.", examples=["20261122T220000Z-seqrec"])
    version: str = Field(description="Version that is served from now on.", examples=["20261123T220000Z-seqrec"])


class Health(BaseModel):
    """The state of the service."""

    status: Literal["ok"]
