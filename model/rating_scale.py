"""Rating scales. Imports neither torch nor numpy, so that settings and cards can be read without them."""

from pydantic import BaseModel

RatingScale = tuple[float, ...]
"""The levels of a scale, in stars, ascending and evenly spaced."""

WHOLE_STARS: RatingScale = (1.0, 2.0, 3.0, 4.0, 5.0)
HALF_STARS: RatingScale = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)

RELEVANT_STARS = 4.0
"""A movie with at least so many stars is relevant: the user likes it, and a list should contain it."""

LIKE = 5.0
"""As how many stars the network reads a like in data without stars. Such data has no other stars."""


class OriginalScale(BaseModel):
    """What ratings were before they were converted to stars, linearly.

    Attributes:
        low, high: the worst and the best rating.
        stars: what these two became.
    """

    low: float
    high: float
    stars: tuple[float, float]


def liked_levels(scale: RatingScale) -> list[bool]:
    """Whether each level of a scale is a like: `RELEVANT_STARS` or more."""
    return [level >= RELEVANT_STARS for level in scale]
