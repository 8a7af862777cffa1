"""The library: fits SeqRec to data frames, without a service.

    from seqrec.recommender import Recommender

    recommender = Recommender().fit(ratings)
    recommender.recommend(["alice"], n=5)

It needs ``pip install 'seqrec[training]'``.
"""

from seqrec.command import find_service

find_service()

from model.library import Recommender  # noqa: E402 - found by the line above

__all__ = ["Recommender"]
