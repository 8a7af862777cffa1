"""Tables that commands print."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel
from rich.markup import escape
from rich.table import Table

from app.cli.console import output
from app.services.groups import GroupList
from app.services.recommendations import Predictions, RecommendationList
from app.storage.movies import MovieRecord
from app.storage.stats import Stats
from model.card import Evaluation, RankingEvaluation
from model.features.history import Rated
from model.inference.results import Reason
from seqrec.ids import AnyId
from seqrec.limits import LATEST
from seqrec.schemas.model import Comparison, Models, StoredModel

LATEST_RATINGS = 10
"""How many of a user's latest ratings are printed beside a list."""

WITHOUT_RATINGS = {"profile": "no ratings", "nothing": "no ratings and no profile"}
"""What is known of a user without ratings, by what the answer is based on."""

TEXT_COLUMNS = {"model", "movie", "because of", "why", "state", "outcome"}

RATING_COLUMNS = {
    "rmse": "test RMSE",
    "accuracy": "accuracy",
    "mode_accuracy": "mode accuracy",
    "calibration_error": "calibration error",
}
RANKING_COLUMNS = {
    "ndcg_at_10": "test NDCG@10",
    "hr_at_10": "HR@10",
    "mrr": "MRR",
    "coverage_at_10": "coverage",
    "popular_share_at_10": "popular decile",
}
"""The printed fields of a score, and their headings."""


def print_stats(database: str, stats: Stats) -> None:
    table = Table(title=f"Database {database}", title_justify="left", show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    hidden = f" ({stats.hidden:,} hidden)" if stats.hidden else ""
    for name, value in (
        ("data sets", ", ".join(stats.datasets) or "none"),
        ("users", f"{stats.users:,}"),
        ("movies", f"{stats.movies:,}{hidden}"),
        ("ratings", f"{stats.ratings:,}"),
        ("oldest rating", _format_time(stats.oldest)),
        ("newest rating", _format_time(stats.newest)),
    ):
        table.add_row(name, escape(value))
    output.print(table)


def _format_time(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    if seconds > LATEST:  # earlier versions took times in milliseconds
        return f"{seconds:,} seconds after 1970"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def print_models(models: Models) -> None:
    """The trained models, the newest first, with their main figures, and whether two of them are compared."""
    table = _table("Models", "model", "ratings", "RMSE", "NDCG@10", "state")
    for stored in models.models:
        ratings = "-" if stored.ratings is None else f"{stored.ratings:,}"
        figures = (_figure(stored.rmse), _figure(stored.ndcg_at_10))
        table.add_row(stored.version, ratings, *figures, _state(stored))
    output.print(table)
    for stored in models.models:
        if stored.aside:
            output.print(f"{stored.version} was set aside: {escape(stored.aside)}", soft_wrap=True)
    if models.comparison is not None:
        output.print(comparison_in_words(models.comparison), soft_wrap=True)


def comparison_in_words(comparison: Comparison) -> str:
    champion, challenger = comparison.champion, comparison.challenger
    return (
        f"Since {comparison.begun_at:%Y-%m-%d %H:%M} UTC, {champion.version} answers {champion.share:.3g} of the users "
        f"and {challenger.version} {challenger.share:.3g}. How they compare: GET /model/online"
    )


def _state(stored: StoredModel) -> str:
    if stored.damaged:
        return "damaged"
    states = [name for name in ("served", "pinned", "preliminary") if getattr(stored, name)]
    if stored.share is not None and stored.share < 1:
        states.append(f"{stored.share:.0%} of the users")
    if stored.aside is not None:
        states.append("set aside")
    return ", ".join(states)


def print_history(models: Models) -> None:
    """What was served when, what was compared, and the rounds of retraining, the latest first."""
    table = _table("Served", "from", "until", "model", "RMSE", "NDCG@10", "why")
    for champion in models.history:
        until = "now" if champion.served_until is None else f"{champion.served_until:%Y-%m-%d %H:%M}"
        figures = (_figure(champion.rmse), _figure(champion.ndcg_at_10))
        table.add_row(f"{champion.served_from:%Y-%m-%d %H:%M}", until, champion.version, *figures, escape(champion.why))
    output.print(table)
    if models.comparisons:
        table = _table("Compared", "from", "until", "model", "share")
        for comparison in models.comparisons:
            until = "now" if comparison.ended_at is None else f"{comparison.ended_at:%Y-%m-%d %H:%M}"
            both = comparison.champion, comparison.challenger
            versions = "\n".join(one.version for one in both)
            shares = "\n".join(f"{one.share:.3g}" for one in both)
            table.add_row(f"{comparison.begun_at:%Y-%m-%d %H:%M}", until, versions, shares)
        output.print(table)
    if models.retrainings:
        table = _table("Retraining", "from", "ratings", "outcome", "model", "why")
        for one in models.retrainings:
            outcome = one.outcome or "runs"
            why = escape(one.reason or "")
            table.add_row(f"{one.started_at:%Y-%m-%d %H:%M}", f"{one.ratings:,}", outcome, one.version or "-", why)
        output.print(table)


def print_comparison(versions: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Named values of several models, side by side."""
    table = _table("Models", "", *versions)
    for name, values in rows:
        table.add_row(name, *(escape(value) for value in values))
    output.print(table)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def print_recommendations(user: str, answer: RecommendationList) -> None:
    """The user's latest ratings, and the recommended movies with their reasons."""
    movies = answer.state.catalogue.movies
    history = [(movies[entry.movie_id], _given(entry)) for entry in answer.user.history if entry.movie_id in movies]
    if history:
        shown = f"the latest {LATEST_RATINGS}" if len(history) > LATEST_RATINGS else "the latest first"
        table = _table(f"{escape(user)} has rated {len(history):,} movies; {shown}", "stars", "movie")
        for movie, given in history[: -LATEST_RATINGS - 1 : -1]:
            table.add_row(given, _format_movie(movie))
        output.print(table)
    elif answer.user.based_on in WITHOUT_RATINGS:
        output.print(f"{escape(user)} has {WITHOUT_RATINGS[answer.user.based_on]}: {_describe_source(answer)}.")
    output.print()
    table = _table("To see next", "", "movie", "stars", "4 or more", "because of")
    for rank, entry in enumerate(answer.recommendations, start=1):
        likely = "-" if entry.like_probability is None else f"{entry.like_probability:.0%}"
        reasons = "\n".join(
            f"{escape(movies[reason.movie_id].display_title)} [dim]{_given(reason)}[/dim]"
            for reason in entry.reasons or ()
            if reason.movie_id in movies
        )
        table.add_row(str(rank), _format_movie(movies[entry.movie_id]), _predicted(entry.stars), likely, reasons)
    output.print(table)


def print_group_recommendations(members: Sequence[str], answer: GroupList) -> None:
    """The recommended movies with the stars that each member would give; in turns, also whose turn it was."""
    movies = answer.state.catalogue.movies
    turns = ("turn of",) if answer.strategy == "fairness" else ()
    table = _table("To see together", "", "movie", *map(escape, members), *turns)
    for rank, entry in enumerate(answer.recommendations, start=1):
        stars = [_predicted(opinion.stars) for opinion in entry.members]
        turn = [] if entry.chosen_by is None else [escape(members[entry.chosen_by])]
        table.add_row(str(rank), _format_movie(movies[entry.movie_id]), *stars, *turn)
    output.print(table)


def _predicted(stars: float | None) -> str:
    return "-" if stars is None else f"{stars:.2f}"


def _given(entry: Rated | Reason) -> str:
    """The user's stars, or what the user did in their place."""
    return f"{entry.stars:g}" if entry.feedback is None else entry.feedback


def _describe_source(answer: RecommendationList) -> str:
    if answer.source == "popular":
        return "the most popular movies"
    return "a list for the profile alone" if answer.user.based_on == "profile" else "a list for an average user"


def print_predictions(user: AnyId, answer: Predictions) -> None:
    """Predicted stars, their probabilities, and the stars that the user gave."""
    state = answer.states[0]  # all are of one user
    scale, movies = state.scorer.rating_scale, state.catalogue.movies
    headings = (f"{stars:g}" for stars in scale)
    table = _table(escape(f"Predicted stars of user {user}"), "movie", "stars", *headings, "own rating")
    for entry in answer.predictions:
        shares = ["-"] * len(scale) if entry.probabilities is None else [f"{one:.0%}" for one in entry.probabilities]
        own = "" if entry.own_stars is None else f"{entry.own_stars:g}"
        table.add_row(_format_movie(movies[entry.movie_id]), f"{entry.stars:.2f}", *shares, own)
    output.print(table)


def print_evaluation(evaluation: Evaluation | RankingEvaluation) -> None:
    """The model's test scores beside those of the baselines."""
    if isinstance(evaluation, Evaluation):
        columns, tested = RATING_COLUMNS, f"{evaluation.n_test:,} test ratings"
    else:
        columns, tested = RANKING_COLUMNS, f"lists for {evaluation.n_users:,} users"
    seeds = ", ".join(map(str, evaluation.split_seeds))
    seeded = f", seeds {seeds}" if seeds else ""
    table = _table(f"Protocol {evaluation.protocol}{seeded}: {tested}", "model", *columns.values())
    scores: Mapping[str, BaseModel] = {**evaluation.baselines, evaluation.model: evaluation}
    for name, score in scores.items():
        style = "bold" if name == evaluation.model else ""
        values = (getattr(score, column) for column in columns)
        table.add_row(name, *("-" if value is None else f"{value:.4f}" for value in values), style=style)
    output.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        # Names of models are whole, to be copied.
        table.add_column(column, justify="left" if column in TEXT_COLUMNS else "right", no_wrap=column == "model")
    return table


def _format_movie(movie: MovieRecord) -> str:
    year = f" ({movie.year})" if movie.year else ""
    return f"{escape(movie.display_title)}{year} [dim]{escape(', '.join(movie.genres))}[/dim]"


def print_bars(heading: str, unit: str, counts: Mapping[str, int], width: int) -> None:
    """A line with a bar for each count; every count above zero has at least a sliver."""
    table = plain_table(heading, unit, "")
    largest = max(counts.values(), default=1)
    for label, count in counts.items():
        table.add_row(escape(label), f"{count:,}", "█" * round(width * count / largest) or "▏" * (count > 0))
    output.print(table)


def plain_table(heading: str, *columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(heading)
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    return table


def print_facts(facts: Mapping[str, str] | Sequence[tuple[str, str]]) -> None:
    """Two columns: names and values."""
    table = Table.grid(padding=(0, 2))
    for name, fact in facts.items() if isinstance(facts, Mapping) else facts:
        table.add_row(name, escape(fact))
    output.print(table)
