"""Which table of a source has the ratings, and which the titles."""

from collections.abc import Sequence
from pathlib import Path

from model.data.conversion.columns import NAMES, Columns, find_columns, find_item_columns
from model.data.conversion.source import Table
from model.data.conversion.wording import Wording
from model.errors import DataError


def ratings_table(
    source: Path, tables: Sequence[Table], given: Columns, wording: Wording, *, likes: bool
) -> tuple[Table, Columns]:
    """The one table that has a column for each role that is needed; `DataError` if there is none, or more than one.

    Where none has ratings, and no column is left that could be one, it is the one of likes.
    """
    needed = ("user", "item") if likes else ("user", "item", "rating")
    given = {role: column for role, column in given.items() if role in (*needed, "time")}
    able = [table for table in tables if len(tables) == 1 or set(given.values()) <= set(table.columns)]
    found = {table: find_columns(table, (*needed, "time"), given) for table in able}
    fitting = [(table, columns) for table, columns in found.items() if set(needed) <= set(columns)]
    if not fitting and "rating" not in given:
        fitting = [(table, columns) for table, columns in found.items() if _is_of_likes(table, columns, given)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(table.name for table, _ in fitting)
        raise DataError(f"{source} has more than one table of ratings: {names}. Name one of these files.")
    lacking = [role for role in needed if len(tables) > 1 or role not in next(iter(found.values()))]
    names = " ".join(wording.option(role, "COLUMN") for role in lacking)
    clicks = f" If there are no ratings, and every row is a like, a click or a purchase: {wording.option('likes')}."
    raise DataError(
        f"{_place(source, tables)} a known name of the column of {', '.join(lacking)}. Name it: {names}."
        f"{clicks if 'rating' in lacking else ''} The columns are:{_listed(tables)}"
    )


def _is_of_likes(table: Table, columns: Columns, given: Columns) -> bool:
    """Whether the table has users and items, and every other column is known to be something else than a rating."""
    known = {*columns.values(), *find_columns(table, NAMES, given).values()}
    return {"user", "item"} <= set(columns) and known >= set(table.columns)


def titles_table(
    ratings: Table, columns: Columns, tables: Sequence[Table], given: Columns, items: Path | None, wording: Wording
) -> tuple[Table | None, Columns]:
    """The only other table with titles, or that of the ratings, or None.

    `DataError` if there is more than one; or if ``items``, which the tables are then of, has none.
    """
    others = [table for table in tables if table.name != ratings.name or items is not None]
    # A table that was not named may be one of users: what it calls id alone is not taken for that of the items.
    names = ("id",) if items is not None else ()
    found = {table: find_item_columns(table, columns["item"], given, *names) for table in others if table.has_header}
    titled = [(table, roles) for table, roles in found.items() if "title" in roles]
    if len(titled) > 1:
        several = ", ".join(table.name for table, _ in titled)
        raise DataError(f"There is more than one table of titles: {several}. Name one of these files with --items.")
    if items is not None and not titled:
        raise DataError(
            f"{_place(items, others)} known names of the columns of ids and of titles. "
            f"Name them: {wording.option('items-id', 'COLUMN')} {wording.option('title', 'COLUMN')}. "
            f"The columns are:{_listed(others)}"
        )
    roles = find_item_columns(ratings, columns["item"], given) if ratings.has_header else {}
    table, roles = titled[0] if titled else (ratings, roles)
    if unknown := [given[role] for role in ("title", "genres") if role in given and given[role] != roles.get(role)]:
        raise DataError(f"{table.name} has no column {unknown[0]!r}. It has: {', '.join(table.columns)}.")
    return (table, roles) if "title" in roles else (None, {})


def _place(source: Path, tables: Sequence[Table]) -> str:
    """The beginning of a sentence that says what is in none of these tables."""
    return f"{tables[0].name} lacks" if len(tables) == 1 else f"{source} has no table with"


def _listed(tables: Sequence[Table]) -> str:
    return "".join(f"\n  {table.name}: {', '.join(table.columns)}" for table in tables)
