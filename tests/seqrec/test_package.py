"""The package `seqrec` in the projects of others."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


def python(script: str, folder: Path, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder, with the packages of ``path`` before others."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment | {"PYTHONPATH": str(path)}, capture_output=True, text=True, check=False
    )


def test_the_wheel_takes_the_name_seqrec_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names}

    assert {name for name in top if not name.endswith(".dist-info")} == {"seqrec"}
    assert "seqrec/py.typed" in names
    assert {name.split("/")[2] for name in names if name.startswith("seqrec/_service/")} == {
        "app",
        "model",
        "migrations",
    }


def test_the_text_for_a_package_index_has_no_link_into_the_repository(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()

    assert "from seqrec import Client" in text
    assert "](" not in text


def test_the_client_works_beside_packages_called_app_and_model(installed: Path, foreign_project: Path) -> None:
    script = (
        "import app, model, migrations, seqrec\n"
        "client = seqrec.Client('http://127.0.0.1:1', retries=0)\n"
        "try:\n    client.user(1)\n"
        "except seqrec.Unreachable:\n    print(app.OWNER, model.OWNER, migrations.OWNER, seqrec.__file__, sep='|')"
    )
    done = python(script, foreign_project, installed)

    assert done.stderr == ""
    assert done.stdout.strip() == "|".join(["another project"] * 3 + [str(installed / "seqrec" / "__init__.py")])


NOT_OF_THE_CLIENT = {"seqrec.__main__", "seqrec.recommender", "seqrec.rectools"}


def test_the_package_imports_httpx_pydantic_and_the_standard_library_alone(installed: Path, tmp_path: Path) -> None:
    script = (
        "import sys; before = set(sys.modules)\n"
        "import pkgutil, importlib, seqrec, seqrec.schemas\n"
        "for package in (seqrec, seqrec.schemas):\n"
        "    for found in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        f"        if found.name not in {NOT_OF_THE_CLIENT}:\n"
        "            importlib.import_module(found.name)\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = python(script, tmp_path, installed)

    assert not set(done.stdout.split()) & {"torch", "numpy", "sqlalchemy", "fastapi", "app", "model"}, done.stdout
    assert {"seqrec", "httpx", "pydantic"} <= set(done.stdout.split()), done.stderr


def test_the_library_is_found_in_an_installation(installed: Path, tmp_path: Path) -> None:
    script = "from seqrec.recommender import Recommender as R; print(R.__module__, R('seqrec').settings.preset)"
    done = python(script, tmp_path, installed)
    assert done.stdout.split() == ["model.library.recommender", "seqrec"], done.stderr


def test_the_library_says_which_package_is_in_its_way(installed: Path, foreign_project: Path) -> None:
    done = python("import model\nimport seqrec.recommender", foreign_project, installed)
    assert "This process has imported a package 'model' of another project" in done.stderr
    assert str(foreign_project / "model" / "__init__.py") in done.stderr


RIGHT = """
import asyncio

from seqrec import AsyncClient, Client, NewRating, ProfileFields, UserNotFound


def titles(client: Client) -> list[str]:
    listed = client.recommend(1, n=5, genre=["Drama"], explain=True, rank_by="next")
    client.recommend_anonymous({260: 5}, ProfileFields(age=25), year_from=1990)
    client.rank([1, 2], profile=ProfileFields(gender="F"))
    client.rate_many([NewRating(user_id=1, movie_id=1, stars=4)])
    client.update_user(1, age=None)
    stars: float | None = client.rate(1, 1, stars=4.5).stars
    held_out = client.model().card.held_out
    rmse: float | None = None if held_out is None else held_out.rmse
    print(stars, rmse)
    return [movie.title for movie in listed.recommendations]


async def genres(client: AsyncClient) -> list[str]:
    try:
        task = asyncio.create_task(client.user(1))
        print((await task).gender)
    except UserNotFound as error:
        print(error.code, error.status)
    return (await client.genres()).genres
"""

WRONG = [
    pytest.param("client.user(1.5)", id="an id that is neither number nor text"),
    pytest.param("client.user()", id="no id"),
    pytest.param("client.recommend(1, gerne=['Drama'])", id="a misspelt option"),
    pytest.param('client.recommend(1, rank_by="stars")', id="an order that there is not"),
    pytest.param("client.rate(1, 1, stars='five')", id="stars that are no number"),
    pytest.param("client.user(1).name", id="a field that there is not"),
    pytest.param("number: int = client.genres()", id="an answer of another type"),
    pytest.param("client.suggest(1)", id="an operation that there is not"),
]


@pytest.fixture(scope="module")
def wrong_lines(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> set[int]:
    """The numbers of the lines of all wrong calls that mypy finds errors in."""
    lines = ["from seqrec import Client", "client = Client()", *(parameter.values[0] for parameter in WRONG)]
    found = checked("\n".join(map(str, lines)) + "\n", installed, tmp_path_factory.mktemp("wrong"))
    return {int(line.split(":")[1]) for line in found.splitlines() if ": error:" in line}


def checked(program: str, installed: Path, folder: Path) -> str:
    """What `mypy --strict` says of a program that imports the installed package."""
    (folder / "program.py").write_text(program)
    environment = os.environ | {"MYPYPATH": "", "PYTHONPATH": ""}
    # A type checker looks for `py.typed` in site-packages alone: this is one for its eyes.
    script = (
        "import sys\nfrom mypy import api, modulefinder\n"
        "original = modulefinder.get_search_dirs\n"
        "modulefinder.get_search_dirs = lambda executable: ([], [sys.argv[1], *original(executable)[1]])\n"
        "out, err, _ = api.run(['--strict', '--config-file=', '--cache-dir', 'cache', 'program.py'])\n"
        "print(out + err)"
    )
    command = [sys.executable, "-c", script, str(installed)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_mypy_accepts_right_calls(installed: Path, tmp_path: Path) -> None:
    assert "Success" in checked(RIGHT, installed, tmp_path)


@pytest.mark.parametrize("wrong", WRONG)
def test_mypy_refuses_wrong_calls(wrong: str, wrong_lines: set[int]) -> None:
    place = 3 + [parameter.values[0] for parameter in WRONG].index(wrong)

    assert place in wrong_lines
