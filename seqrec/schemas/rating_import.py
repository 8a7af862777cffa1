"""What an import of an export of another site writes, or would write."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from seqrec.schemas.common import MovieAnswer, OwnId, Request

Source = Literal["letterboxd", "imdb", "trakt", "movielens", "table"]


class ImportOptions(Request):
    """How a file is imported."""

    preview: bool = Field(default=False, description="True: answer what would be written, and write nothing.")
    name: Annotated[str, Field(max_length=200)] = Field(
        default="",
        description="The file's name. Letterboxd's `watched.csv` and `watchlist.csv` are told apart by it alone.",
        examples=["ratings.csv"],
    )


class GivenRating(BaseModel):
    """A rating as the file has it."""

    row: int = Field(description="Of the file, from 1 after the header.", examples=[12])
    title: str = Field(description="As the file has it.", examples=["The Matrix"])
    year: int | None = Field(description="Null if the file does not say.", examples=[1999])
    given: float = Field(description="On the scale of the file.", examples=[9.0])
    stars: float = Field(description="What it becomes here: 0.5 to 5, in halves.", examples=[4.5])
    rated_at: int | None = Field(
        description="Seconds since 1970; null if the file does not say: it is then the user's newest when it is "
        "written.",
        examples=[978300760],
    )


class MatchedRating(GivenRating):
    """A rating whose movie the catalogue has."""

    movie: MovieAnswer
    by: Literal["imdb_id", "tmdb_id", "title"] = Field(
        description="How the movie was found; `title` means title and year.", examples=["title"]
    )
    own_stars: float | None = Field(
        description="What the user gave it here before, which is replaced; null without.", examples=[3.0]
    )


class Candidate(BaseModel):
    """A movie that may be meant."""

    movie: MovieAnswer
    similarity: float = Field(description="Of the titles, 0 to 1.", examples=[0.86])


class DoubtfulRating(GivenRating):
    """A rating that may be of any of these movies. It is not written."""

    candidates: list[Candidate] = Field(description="The most similar first.")


class MissingRating(GivenRating):
    """A rating of a movie that the catalogue lacks."""

    imdb_id: str | None = Field(description="If the file has it.", examples=["tt0133093"])
    tmdb_id: int | None = Field(description="If the file has it.", examples=[603])


class LeftOut(BaseModel):
    """How many rows are not ratings of movies, by what they are."""

    watched: int = Field(
        description="Seen and not rated: nothing is written, and they may be recommended.", examples=[4]
    )
    watchlist: int = Field(description="Still to be seen: nothing is written.", examples=[17])
    no_movies: int = Field(description="Series, episodes and games.", examples=[3])
    repeated: int = Field(description="Ratings of a movie that has a later one in the file.", examples=[1])
    unreadable: int = Field(description="Without a title, or with a rating that is not of the scale.", examples=[0])


class Imported(BaseModel):
    """What an import has written, or would write."""

    user_id: OwnId = Field(examples=[1])
    source: Source = Field(description="Whose export it is; `table` for any other table.", examples=["imdb"])
    best: float = Field(description="The best rating of its scale, which becomes 5 stars.", examples=[10.0])
    written: int = Field(description="Ratings that were written; 0 for a preview.", examples=[1])
    matched: list[MatchedRating] = Field(description="What is written: each movie once, in the order of the file.")
    doubtful: list[DoubtfulRating] = Field(description="What is not written, since it is not clear which movie it is.")
    not_found: list[MissingRating]
    left_out: LeftOut
