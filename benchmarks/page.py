"""Where the Markdown of a benchmark goes."""

from pathlib import Path

import typer


def write_or_show(text: str, out: Path | None) -> None:
    """Into the file, or on the screen if there is none."""
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text)
