"""The command ``python -m benchmarks.serving``; ``make bench`` runs it."""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from app.cli.console import reporter, say
from app.settings import Settings
from benchmarks.serving import report
from benchmarks.serving.ground import FOLDER, prepare
from benchmarks.serving.measure import FULL, QUICK, Bench


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description="How fast the service answers.")
    parser.add_argument("--quick", action="store_true", help="measure for seconds, not for minutes")
    parser.add_argument("--mixed", type=int, help=f"mixed requests before memory is measured ({FULL.mixed:,})")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder for the results")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    if options.mixed is not None:
        effort = effort._replace(mixed=options.mixed)
    load_before = os.getloadavg()[0]
    with TemporaryDirectory(prefix="seqrec-bench-") as run, reporter() as progress:
        ground = prepare(Settings(), FOLDER, Path(run), progress)
        measured = Bench(ground, effort, Path(run), say).run()
        report.write(options.out, measured, ground, effort, "quick" if options.quick else "full", load_before)
    say(f"Written: {options.out / 'speed.md'}")


if __name__ == "__main__":
    main()
