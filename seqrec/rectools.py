"""SeqRec as a model of RecTools, to compare it with others there.

    from seqrec.rectools import RecToolsModel

It needs ``pip install 'seqrec[training]'`` and pandas, which RecTools brings.
"""

from seqrec.command import find_service

find_service()

from model.library.rectools import RecToolsModel  # noqa: E402 - found by the line above

__all__ = ["RecToolsModel"]
