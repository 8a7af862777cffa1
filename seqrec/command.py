"""The console script ``seqrec``: finds the service and runs its command line.

An installed distribution has the packages of the service in a folder of its own, so that they meet no package of the
same name in another project. A checkout has them beside this package.
"""

import gc
import sys
from importlib import import_module
from pathlib import Path

SERVICE = Path(__file__).parent / "_service"

SERVICE_PACKAGES = {"app", "model", "migrations"}

EXTRAS = {"polars": "training", "scipy": "training", "sklearn": "training", "matplotlib": "experiments"}
"""By package, the extra of this distribution that installs it; ``service`` installs the others."""


def find_service() -> None:
    """Make the service's packages importable; `ImportError` where another project's of the same names are in use."""
    if SERVICE.is_dir() and str(SERVICE) not in sys.path:
        sys.path.insert(0, str(SERVICE))
    beside = SERVICE if SERVICE.is_dir() else SERVICE.parents[1]
    for name in sorted(SERVICE_PACKAGES & sys.modules.keys()):
        file = sys.modules[name].__file__
        if file is None or not Path(file).is_relative_to(beside):
            raise ImportError(
                f"This process has imported a package {name!r} of another project ({file}), and SeqRec's has the same "
                f"name. Import seqrec.recommender first, or rename the other one."
            )


OBJECTS_UNTIL_COLLECTION = 50_000
"""Python looks for garbage among new objects after every 700. Imports make half a million that stay: it would take a
quarter of the time of a start."""


def main() -> None:
    """Run a command; says what to install where the packages that it needs are missing."""
    gc.set_threshold(OBJECTS_UNTIL_COLLECTION)
    find_service()
    try:
        import_module("app.cli").main()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in SERVICE_PACKAGES and SERVICE.is_dir():
            raise
        extra = EXTRAS.get(missing, "service")
        sys.exit(f"Error: This command needs the package {missing}. Install it with: pip install 'seqrec[{extra}]'")
