import json
import re
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from command import Run
from fastapi.testclient import TestClient
from server import free_port
from sqlalchemy import Engine, text
from threadpoolctl import threadpool_info, threadpool_limits

from app.cli.options import Device, ModelName, Part, PresetName, Protocol, RecurrentLayer, Task, settings_with
from app.jobs.bulk_load import load
from app.observability.workers import MULTIPROCESS
from app.server import from_environment, from_settings
from app.settings import Settings
from app.storage.database import connect, upgrade
from model.baselines.registry import RANKING, RATING
from model.data.dataset import MovieLens
from model.data.splits import PROTOCOLS
from model.experiments.paper import PARTS
from model.network.recurrent import RECURRENT
from model.training.presets import PRESETS


def test_evaluate_prints_one_json_object(seqrec: Run, sample_folder: Path) -> None:
    status, out, _ = seqrec("evaluate", "--data", sample_folder, "--model", "bias", "--protocol", "paper", "--json")

    result = json.loads(out)
    assert status == 0
    assert (result["model"], result["protocol"], result["split_seeds"]) == ("bias", "paper", [2658, 4769])
    assert result["rmse"] == result["baselines"]["bias"]["rmse"] < result["baselines"]["mean"]["rmse"]
    assert {"n_test", "accuracy", "seconds"} <= set(result)


def test_several_machines_need_an_address_to_meet_at(seqrec: Run, sample_folder: Path) -> None:
    status, _, err = seqrec("train", "--data", sample_folder, "--nodes", 2)

    assert status == 1
    assert "name the address of one of them with --rendezvous HOST:PORT" in err


def test_other_seeds_draw_another_split(seqrec: Run, sample_folder: Path) -> None:
    results = [
        json.loads(seqrec("evaluate", "--data", sample_folder, "--model", "bias", "--split-seeds", *seeds, "--json")[1])
        for seeds in ((1, 2), (2, 1))
    ]

    assert results[0]["split_seeds"] == [1, 2]
    assert results[0]["rmse"] != results[1]["rmse"]


def test_the_random_protocol_divides_ratings_and_knows_every_user(seqrec: Run, sample_folder: Path) -> None:
    status, out, _ = seqrec("evaluate", "--data", sample_folder, "--model", "bias", "--protocol", "random", "--json")

    result = json.loads(out)
    assert status == 0
    assert (result["protocol"], result["split_seeds"], result["inductive"]) == ("random", [1234, 1234], False)


def test_evaluate_prints_a_table_with_the_baselines(seqrec: Run, sample_folder: Path) -> None:
    _, out, _ = seqrec("evaluate", "--data", sample_folder, "--model", "movie-mean")

    assert [row for row in ("mean", "movie-mean", "bias") if f" {row} " in out] == ["mean", "movie-mean", "bias"]
    assert "Protocol paper, seeds 2658, 4769" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["evaluate", "--model", "svd"], "'svd' is not one of 'mean', 'movie-mean'", id="model"),
        pytest.param(["evaluate", "--task", "x"], "'x' is not one of 'rating', 'ranking'", id="task"),
        pytest.param(["evaluate", "--protocol", "x"], "'x' is not one of 'paper', 'random'", id="protocol"),
        pytest.param(["evaluate", "--rnn", "gru"], "'gru' is not one of 'mlstm', 'lstm', 'bag'", id="layer"),
        pytest.param(["experiments", "paper", "--only", "x"], "'x' is not one of 'table-4'", id="part"),
        pytest.param(["train", "--model", "bias"], "'bias' is not one of 'seqrec'", id="network"),
        pytest.param(["up", "--model", "bias"], "'bias' is not one of 'seqrec'", id="network to serve"),
        pytest.param(["train", "--device", "tpu"], "'tpu' is not one of 'auto', 'cpu', 'cuda'", id="device"),
    ],
)
def test_a_name_that_is_none_is_refused_with_those_that_are(seqrec: Run, arguments: list[str], says: str) -> None:
    seqrec.monkeypatch.setenv("COLUMNS", "200")
    status, _, err = seqrec(*arguments)

    assert status == 2
    assert says in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["evaluate", "--model", "popularity"], "no model 'popularity'. Choose one of: mean", id="model"),
        pytest.param(["evaluate", "--protocol", "user-split"], "no protocol 'user-split'. Choose", id="protocol"),
        pytest.param(["evaluate", "--model", "bias", "--rnn", "lstm"], "no network 'bias'", id="layer of a baseline"),
        pytest.param(["evaluate", "--model", "bias", "--split-seeds", "-1", "2"], "must be from 0", id="seed"),
        pytest.param(["experiments", "paper", "--models", "svd"], "no model 'svd'", id="model of an experiment"),
        pytest.param(["experiments", "paper", "--other-seeds", "1"], "two numbers, as in 1,2", id="other seeds"),
    ],
)
def test_names_that_do_not_go_together_are_refused_with_those_that_do(
    seqrec: Run, sample_folder: Path, arguments: list[str], says: str
) -> None:
    status, _, err = seqrec(*arguments, "--data", sample_folder)

    assert status == 1
    assert says in err
    assert "Traceback" not in err


def test_the_names_that_options_take_are_those_that_there_are() -> None:
    assert set(get_args(PresetName)) == set(PRESETS)
    assert set(get_args(ModelName)) == {*RATING.builders, *RANKING.builders}
    assert set(get_args(Protocol)) == {name for names in PROTOCOLS.values() for name in names}
    assert set(get_args(Task)) == set(PROTOCOLS)
    assert set(get_args(RecurrentLayer)) == set(RECURRENT)
    assert set(Part) == set(PARTS)
    assert get_args(Device) == get_args(Settings.model_fields["device"].annotation)


READING = [
    ["db", "stats"],
    ["export"],
    ["import", "/dev/null"],
    ["recommend", "1"],
    ["predict", "1", "2"],
    ["serve"],
    ["train", "--database"],
]


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_where_there_is_no_database_none_is_created_and_the_command_that_does_is_named(
    seqrec: Run, tmp_path: Path, arguments: list[str]
) -> None:
    status, out, err = seqrec(*arguments)

    assert (status, out) == (1, "")
    assert "There is no database sqlite:///data/seqrec.db" in err
    assert "Run: seqrec db upgrade" in err
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_says_what_it_does_and_leaves_a_report(seqrec: Run, sample_folder: Path, tmp_path: Path) -> None:
    command = ["experiments", "paper", "--data", sample_folder, "--out", "results", "--models", "mean,bias"]
    status, out, err = seqrec(*command)

    assert (status, out) == (0, "results/README.md\n")
    assert "table-4, 4 of 4: bias, random split 1234 1234" in err
    report = (tmp_path / "results" / "README.md").read_text()
    assert "| `bias` | paper | inductive | " in report
    assert "seqrec experiments paper --data DIR --out OUT\n" in report


def test_the_database_is_upgraded_and_loaded_and_a_second_time_nothing_changes(
    seqrec: Run, sample_folder: Path, sample: MovieLens
) -> None:
    assert "upgraded" in seqrec("db", "upgrade")[2]
    assert "newest revision" in seqrec("db", "upgrade")[2]
    assert f"loaded 120 users, 80 movies and {len(sample.ratings):,} ratings" in seqrec("db", "load", sample_folder)[2]
    assert "nothing changed" in seqrec("db", "load", sample_folder)[2]


def test_a_bad_file_is_one_sentence_and_nothing_is_loaded(seqrec: Run, sample_folder: Path, tmp_path: Path) -> None:
    for name in ("users.dat", "movies.dat", "ratings.dat"):
        (tmp_path / name).write_bytes((sample_folder / name).read_bytes())
    with (tmp_path / "ratings.dat").open("a") as file:
        file.write("1::1::five::0\n")

    status, _, err = seqrec("db", "load", tmp_path)

    assert status == 1
    assert "the stars are not a whole number" in err.replace("\n", " ")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("users", "says"),
    [
        pytest.param(2, "The data has 2 users; dividing them takes at least 20.", id="users"),
        pytest.param(25, "too few ratings for the split", id="ratings"),
    ],
)
def test_data_that_is_too_small_to_train_on_is_not_loaded_first(
    seqrec: Run, sample_folder: Path, tmp_path: Path, users: int, says: str
) -> None:
    (tmp_path / "small.csv").write_text("user,item,rating\n" + "".join(f"u{one},i,{one % 2}\n" for one in range(users)))
    seqrec("data", "convert", "small.csv", "small")

    status, _, err = seqrec("prepare", "--data", "small", "--model", "seqrec-small")

    assert status == 1
    assert says in " ".join(err.split())
    assert seqrec("db", "load", sample_folder)[0] == 0  # the database is still for any data


def test_small_data_is_loaded_where_nothing_is_trained(seqrec: Run, tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text("user,item,rating\nann,a,1\nbob,b,0\n")
    seqrec("data", "convert", "small.csv", "small")

    assert seqrec("db", "load", "small")[0] == 0


def test_serving_without_schema_or_model_says_what_to_run(seqrec: Run) -> None:
    assert "Run: seqrec db upgrade" in seqrec("serve")[2]
    seqrec("db", "upgrade")
    assert "Run: seqrec train" in seqrec("serve")[2]


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        pytest.param("SEQREC_FEEDBACK", '{"sneeze": {"days": 1}}', "sneeze", id="meaning of events"),
        pytest.param("SEQREC_DEVICE", "cuda", "no CUDA device", id="device"),
        pytest.param("SEQREC_ARTIFACTS", "damaged", "manifest.json cannot be read", id="model"),
    ],
)
def test_several_workers_are_not_started_where_none_of_them_could_serve(
    filled: Run, artifact_folder: Path, tmp_path: Path, variable: str, value: str, says: str
) -> None:
    shutil.copytree(artifact_folder, tmp_path / "damaged" / artifact_folder.name)
    (tmp_path / "damaged" / artifact_folder.name / "manifest.json").write_text("{")
    filled.monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    filled.monkeypatch.setattr("uvicorn.run", lambda *_, **__: pytest.fail("they were started"))
    filled.monkeypatch.setenv(variable, value)

    status, _, err = filled("serve", "--workers", 2, "--port", free_port())

    assert status == 1
    assert says in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        pytest.param("REQUEST_RATE", "foo", "must be a number of requests in each .*, as 60/minute", id="rate"),
        pytest.param("FEEDBACK", "{x", r'is not JSON: write as {"skip": {"days": 30}}', id="no JSON"),
        pytest.param("FEEDBACK", "[1]", "must be an object", id="another JSON"),
        pytest.param("ROOT_PATH", "seqrec/", "must be a path that ends without a slash, as /seqrec", id="prefix"),
        pytest.param("IMAGE_URL", "https://a.example/", "must be an address with {tmdb_id}, .* in it", id="pictures"),
    ],
)
def test_a_setting_that_cannot_be_read_is_refused_with_what_is_wanted(
    seqrec: Run, variable: str, value: str, says: str
) -> None:
    seqrec.monkeypatch.setenv(f"SEQREC_{variable}", value)

    status, _, err = seqrec("serve")

    assert status == 1
    assert re.fullmatch(f"Error: The settings are invalid. SEQREC_{variable}: {says}.*", " ".join(err.split()))


def test_several_workers_answer_under_the_name_that_the_option_gives(filled: Run) -> None:
    answers: list[int] = []

    def in_a_worker(*_: object, **__: object) -> None:
        with TestClient(from_environment()) as client:
            answers.append(client.get("/users/1", headers={"Host": "seqrec.lan"}).status_code)

    for changed in ("SEQREC_HOST", MULTIPROCESS):
        filled.monkeypatch.setenv(changed, "")
    filled.monkeypatch.setattr("app.server.require_free_port", lambda _: None)
    filled.monkeypatch.setattr("uvicorn.run", in_a_worker)
    filled.monkeypatch.setenv("SEQREC_UNPROTECTED", "true")

    filled("serve", "--workers", 2, "--host", "seqrec.lan")

    assert answers == [200]


@pytest.mark.parametrize("out", ["file/ratings.jsonl", f"file{300 * 'x'}.jsonl"], ids=["no folder", "long name"])
def test_what_the_file_system_refuses_is_one_sentence(filled: Run, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("no folder")
    status, printed, err = filled("export", "--out", out)

    assert (status, printed, err.count("\n")) == (1, "", 1)
    assert err.startswith("Error: ")
    assert "file" in err


def test_a_time_in_milliseconds_in_the_database_is_shown_as_it_is(filled: Run) -> None:
    engine = connect(Settings().database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE ratings SET rated_at = 1260759144000 WHERE user_id = 1"))
    engine.dispose()
    status, out, _ = filled("db", "stats")

    assert status == 0
    assert "1,260,759,144,000 seconds after 1970" in out


@pytest.mark.parametrize(
    ("variable", "value"), [("SEQREC_PORT", "http"), ("SEQREC_WORKERS", "0"), ("SEQREC_LOG_LEVEL", "loud")]
)
def test_a_bad_setting_is_named(seqrec: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    status, _, err = seqrec("serve")

    assert status == 1
    assert variable in err


def test_an_option_comes_before_the_variable_and_the_variable_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings_with(workers=None).workers == 1
    monkeypatch.setenv("SEQREC_WORKERS", "3")
    assert settings_with(workers=None).workers == 3
    assert settings_with(workers=2).workers == 2


def test_the_level_of_the_log_may_be_written_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQREC_LOG_LEVEL", "warning")
    assert settings_with().log_level == "WARNING"


def test_a_bad_option_is_named(seqrec: Run) -> None:
    assert "--port" in seqrec("serve", "--port", 99999)[2]


def test_openapi_prints_the_description_without_model_or_database(seqrec: Run) -> None:
    status, out, _ = seqrec("openapi")

    assert status == 0
    assert {"/predict", "/users/{user_id}/recommendations", "/model"} <= set(json.loads(out)["paths"])


def test_without_data_an_evaluation_is_refused_and_no_sample_passes_for_a_result(
    seqrec: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEQREC_ML1M_URL", "http://127.0.0.1:9/ml-1m.zip")
    for folder in ([], ["--data", tmp_path]):
        status, out, err = seqrec("evaluate", "--model", "bias", "--json", *folder)
        assert (status, out) == (1, "")
        assert "could not be downloaded" in err or "not a MovieLens folder" in err
    assert not (tmp_path / "data" / "sample").exists()


def test_an_empty_data_folder_counts_as_none_for_every_command(
    seqrec: Run, monkeypatch: pytest.MonkeyPatch, sample_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "given").mkdir()
    shutil.copytree(sample_folder, tmp_path / "data" / "ml-1m")
    monkeypatch.setenv("SEQREC_DATA", "given")

    status, out, err = seqrec("evaluate", "--model", "bias", "--json")

    assert (status, json.loads(out)["model"]) == (0, "bias"), err


def test_a_taken_port_is_found_before_any_work(seqrec: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, err = seqrec("up", "--port", taken.getsockname()[1])

    assert status == 1
    assert "(--port or SEQREC_PORT)" in err
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_other_data_than_the_databases_is_warned_of(
    sample: MovieLens, artifact_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/seqrec.db", artifacts=artifact_folder.parent)
    engine = connect(settings.database_url)
    upgrade(engine)
    load(engine, replace(sample, checksum="0" * 64, name="another"))
    engine.dispose()

    from_settings(settings)

    assert "filled with another" in caplog.text


def test_a_service_computes_each_answer_on_one_thread(loaded: Engine, artifact_folder: Path) -> None:
    with threadpool_limits(2, user_api="blas"):
        from_settings(Settings(database_url=str(loaded.url), artifacts=artifact_folder.parent))
        threads = {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    assert threads == {1}
