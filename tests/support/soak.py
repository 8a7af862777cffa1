"""How much of the soak tests runs: all, unless SEQREC_SOAK_SHARE names a part, as continuous integration does."""

import os

SHARE = float(os.environ.get("SEQREC_SOAK_SHARE", "1"))


def part(whole: int, least: int = 1) -> int:
    """So much of a number of rounds or seconds."""
    return max(round(whole * SHARE), least)
