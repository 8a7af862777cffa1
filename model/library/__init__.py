"""SeqRec as a library: data frames in, data frames out, with the caller's own ids and ratings."""

from model.library.recommender import Evaluation, Recommender

__all__ = ["Evaluation", "Recommender"]
