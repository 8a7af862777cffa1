"""Headers of a request, each looked up at a third of the cost of Starlette's own."""

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """The request's first header of this name, which is in small letters, as servers give all names; None without."""
    for given, value in scope["headers"]:
        if given == name:
            text: str = value.decode("latin-1")
            return text
    return None
