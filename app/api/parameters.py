"""Parameters that several routes have."""

from typing import Annotated

from fastapi import Path, Query

from seqrec.limits import LARGEST_ID

UserId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The user.", examples=[1])]
MovieId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The movie.", examples=[1])]
Nearest = Annotated[int, Query(ge=1, le=100, description="How many of the nearest.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]
