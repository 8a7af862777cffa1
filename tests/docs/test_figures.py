"""Figures that people wrote into a document are those of the results that it names."""

import json
import re

from documents import ROOT, section

RESULTS = ROOT / "docs" / "results"


def test_published_values_in_the_readme_span_those_of_the_report() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    said = re.findall(r"(SASRec|HSTU) (0\.\d{3}) to (0\.\d{3})", text)
    report = (RESULTS / "lists.md").read_text()

    assert len(said) == 2
    for name, least, most in said:
        published = re.findall(rf"^\| {name}\b.*\| (0\.\d{{3}}) \|$", report, re.MULTILINE)
        assert (least, most) == (min(published), max(published)), name


def test_what_a_list_costs_where_machines_are_counted_is_what_was_measured() -> None:
    measured = json.loads((RESULTS / "speed.json").read_text())
    known, new = (sum(measured["breakdowns"][kind]["milliseconds"].values()) for kind in ("warm list", "cold list"))
    expected = [f"{known:.1f}", f"{new:.0f}", f"{measured['values']['scorer.cold_list']:.0f}"]
    text = section(ROOT / "docs" / "how-to" / "scale-out.md", "Which part, when")

    assert re.findall(r"\| ([\d.]+) \|$", text, re.MULTILINE) == expected, "look at what is reckoned from it too"


def test_errors_in_the_guide_are_those_of_the_tables() -> None:
    published = "0.8140"
    text = section(ROOT / "docs" / "evaluation.md", "What is compared")
    tables = (RESULTS / "README.md").read_text()
    myfm = json.loads((RESULTS / "myfm.json").read_text())
    measured = {f"{myfm['evaluation']['rmse']:.4f}", *(f"{abs(end):.4f}" for end in myfm["difference"])}

    said = set(re.findall(r"\b0\.[08]\d{3}\b", text)) - {published}

    assert len(said) >= 6
    assert said - measured <= set(re.findall(r"\| (0\.8\d{3}) \|", tables))
