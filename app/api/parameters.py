"""Parameters that several routes share."""

from typing import Annotated

from fastapi import Path, Query
from starlette.convertors import StringConvertor, register_url_convertor

from seqrec.limits import LARGEST_ID


class _MovieSegment(StringConvertor):
    """A part of a path that names no other route of movies, so that a method which that one lacks is a 405."""

    regex = "(?!(?:popular|first)(?:/|$))[^/]+"


register_url_convertor("movie", _MovieSegment())

UserId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The user.", examples=[1])]
MovieId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The movie.", examples=[1])]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]
