"""Which column of a table is what: guessed by its name, unless it is given."""

from collections.abc import Iterable, Mapping, Sequence

from model.data.conversion.source import Table
from model.errors import DataError

Columns = Mapping[str, str]
"""The column of each role that a table has; the roles are those of `NAMES`, and `ITEMS_ID`."""

ITEMS_ID = "items-id"
"""The role of the ids in a table of titles, where they are named otherwise than in that of the ratings."""

NAMES = {
    "user": (
        "userid", "user", "uid", "username", "reviewerid", "reviewer", "customerid", "customer", "visitorid",
        "memberid", "member", "profileid", "accountid", "account",
    ),
    "item": (
        "movieid", "itemid", "movie", "item", "productid", "product", "asin", "parentasin", "bookid", "isbn", "animeid",
        "songid", "trackid", "artistid", "gameid", "articleid", "contentid", "tconst", "imdbid", "iid",
    ),
    "rating": (
        "rating", "ratings", "stars", "score", "overall", "bookrating", "userrating", "myrating", "userscore", "grade",
        "liked", "like", "thumb", "thumbs", "vote", "value",
    ),
    "time": (
        "timestamp", "ratedat", "time", "datetime", "date", "createdat", "updatedat", "unixreviewtime", "reviewtime",
        "ratingtime", "ratingdate", "ratingtimestamp", "ts",
    ),
    "title": ("title", "movietitle", "itemtitle", "booktitle", "primarytitle", "originaltitle", "name", "productname"),
    "genres": ("genres", "genre", "categories", "category", "tags"),
    "year": ("year", "releaseyear", "startyear", "yearofpublication", "originalpublicationyear"),
}  # fmt: skip
"""Usual names, in lower case and without signs, the likeliest first."""

BY_POSITION: tuple[str, ...] = ("user", "item", "rating", "time")
"""Of a table without a header."""


def find_columns(table: Table, roles: Iterable[str], given: Columns) -> Columns:
    """The columns of these roles, as far as the table has them; `DataError` if it lacks one that is given."""
    if not table.has_header and not given:
        return {role: column for role, column in zip(BY_POSITION, table.columns, strict=False) if role in set(roles)}
    found: dict[str, str] = {}
    for role in roles:
        column = _given(table, given[role]) if role in given else _guessed(table.columns, role, set(found.values()))
        if column is not None:
            found[role] = column
    return found


def find_item_columns(table: Table, item: str, given: Columns, *names: str) -> Columns:
    """The columns of a table of titles and genres; none unless it has one of ids.

    That is the one that is given, or is called as in the table of ratings, ``item``; or has a usual name or one of
    ``names``.
    """
    columns = table.columns
    item = given.get(ITEMS_ID, item)
    usual = (column for name in (*NAMES["item"], *names) for column in _called(columns, name))
    same = item if item in columns else next(usual, None)
    if same is None:
        return {}
    given_columns = {role: column for role, column in given.items() if role != "item" and column in columns}
    others = find_columns(table, ("title", "genres", "year"), given_columns)
    return {"item": same, **{role: column for role, column in others.items() if column != same}}


def _given(table: Table, name: str) -> str:
    if name not in table.columns:
        raise DataError(f"{table.name} has no column {name!r}. It has: {', '.join(table.columns)}.")
    return name


def _guessed(columns: Sequence[str], role: str, taken: set[str]) -> str | None:
    matches = (column for name in NAMES[role] for column in _called(columns, name) if column not in taken)
    return next(matches, None)


def _called(columns: Sequence[str], name: str) -> list[str]:
    return [column for column in columns if "".join(filter(str.isalnum, column.lower())) == name]
