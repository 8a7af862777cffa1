"""``python -m seqrec``: the console script ``seqrec``, for launchers that start modules."""

from seqrec.command import main

main()
