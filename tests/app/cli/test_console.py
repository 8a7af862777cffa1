from rich.progress import Progress, TextColumn

from app.cli.console import TrainingDisplay, _Bars


def test_a_headline_takes_the_bars_of_what_was_before_away() -> None:
    progress = Progress(TextColumn("{task.description}"))
    display = TrainingDisplay(_Bars(progress))
    display.on_titles(1, 2)
    display.on_fit(1, 2)
    assert [task.description for task in progress.tasks] == ["titles read", "factorization"]

    display.headline("the next row")
    assert progress.tasks == []
    display.on_fit(2, 2)
    assert [task.description for task in progress.tasks] == ["factorization"]
