"""The references in `docs/`, written from the code."""
