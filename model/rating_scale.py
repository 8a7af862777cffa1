"""The scale of stars that users can give; needs neither torch nor numpy, so that settings and card do not."""

RatingScale = tuple[float, ...]
"""What a user can give, in stars, ascending and evenly spaced."""

WHOLE_STARS: RatingScale = (1.0, 2.0, 3.0, 4.0, 5.0)
HALF_STARS: RatingScale = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
