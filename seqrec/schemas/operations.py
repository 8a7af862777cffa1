"""The service itself."""

from typing import Literal

from pydantic import BaseModel, Field


class Reloaded(BaseModel):
    """Which model was served before a reload, and which one is served now."""

    before: str = Field(description="Version that was served until now.", examples=["20261122T220000Z-seqrec"])
    version: str = Field(description="Version that is served from now on.", examples=["20261123T220000Z-seqrec"])


class Health(BaseModel):
    """The state of the service."""

    status: Literal["ok"]
