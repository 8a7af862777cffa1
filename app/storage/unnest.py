"""Many rows in one statement for PostgreSQL, which takes few parameters but large arrays."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.dialects import postgresql

from app.storage.tables import Base


def unnested(table: type[Base], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Rows of these columns of a table, one array a column."""
    types = (table.__table__.c[name].type for name in columns)
    arrays = (
        bindparam(None, list(values), postgresql.ARRAY(type_))
        for values, type_ in zip(zip(*rows, strict=True), types, strict=True)
    )
    return select(func.unnest(*arrays).table_valued(*columns).render_derived())
