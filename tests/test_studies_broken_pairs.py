"""Pairs that are broken: the same decodes as a training counts, worked shares, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlmviz.jobs.codila import pairs
from dlmviz.models.heads import BUNDLED
from dlmviz.studies.broken_pairs import STUDY, WAYS, Settings
from dlmviz.studies.command import loader
from dlmviz.studies.run import rows_of, run
from dlmviz.studies.study import Row, Unit
from dlmviz.types import Example, InputError
from tests.test_studies_order import trace


def rows(way: str, broken: int, n: int, kind: str = "coin") -> list[Row]:
    about = {"arm": way, "run": "", "kind": kind, "nfe": 4, "tokens": 8.0}
    return [{**about, "unit": f"{way}/{i}", "broken": i < broken} for i in range(n)]


def test_every_way_writes_the_same_prompts_with_the_same_seeds() -> None:
    found = STUDY.units(Settings(n=3, head="there"))
    assert len({unit.key for unit in found}) == len(found) == 6 * 3
    assert [unit.spec.prompt for unit in found[:3]] == [unit.spec.prompt for unit in found[3:6]]
    assert [unit.spec.seed for unit in found[:6]] == [0, 1, 2, 0, 1, 2]
    assert {(unit.spec.block_length, unit.spec.stop) for unit in found} == {(8, "eos")}
    heads = {unit.spec.params.get("head") for unit in found if unit.spec.sampler == "codila"}
    assert heads == {"there"}
    assert {unit.arm: unit.spec.temperature for unit in found}["apart, best"] == 0
    assert {*pairs.COUNTED} < {*pairs.ways(8)}
    drawn = {arm: dict(way.params) for arm, way in pairs.ways(8).items() if "local" in arm}
    assert drawn["local"]["temperature"] == drawn["local, any"]["temperature"] == 1
    assert "temperature" not in drawn["local, best"]
    assert [one.get("floor") for one in drawn.values()] == [None, 0, None]  # None: the sampler's


def test_a_piece_that_does_not_divide_the_answer_is_refused() -> None:
    with pytest.raises(InputError, match="piece must divide 32, the length of an answer: got 5"):
        STUDY.units(Settings(piece=5))


def test_shares_have_exact_intervals_also_of_none() -> None:
    """Of 0 of 20 the upper end is 1 - .025^(1/20), of 20 of 20 the lower one .025^(1/20)."""
    table = STUDY.tables(rows("local", 0, 20) + rows("apart", 20, 20), Settings())[WAYS]
    lines = table.set_index("way")
    assert lines.loc["local", "broken"] == 0
    assert lines.loc["local", "broken_low"] == 0
    assert lines.loc["local", "broken_high"] == pytest.approx(100 * (1 - 0.025 ** (1 / 20)))
    assert lines.loc["apart", "broken_low"] == pytest.approx(100 * 0.025 ** (1 / 20))
    assert lines.loc["apart", "broken_high"] == 100


def test_the_verdict_sets_the_local_model_against_independent_writing() -> None:
    def told(*made: list[Row]) -> str:
        return STUDY.verdict(STUDY.tables([row for some in made for row in some], Settings()))

    apart = rows("apart", 90, 100) + rows("apart, best", 80, 100)
    good, poor = rows("local", 2, 100), rows("local, best", 30, 100)
    assert told(good, apart).startswith("Holds (at most 2 % are wanted). Broken pairs: local 2.0 %")
    assert "at 8.0 tokens a step" in told(good, apart)
    assert told(good, poor, apart).startswith("Holds in part")
    assert told(poor, apart).startswith("Holds in part")  # fewer, and still too many
    assert told(rows("local", 95, 100), apart).startswith("Does not hold")
    assert told(apart).startswith("Not asked, for want of codila. Broken pairs: apart 90.0 %")
    assert told(good).startswith("Not asked, for want of independent writing")
    table = STUDY.tables(good + rows("apart", 3, 4, "digits"), Settings())
    assert set(STUDY.figures(table)) == {"Broken pairs", "By kind"}


def test_what_is_no_pair_is_refused() -> None:
    run = trace([[1]], ["a"], "a")
    for example in (None, Example("words", "easy", "", "a", {})):
        with pytest.raises(InputError, match="no answer to a prompt of pairs"):
            STUDY.measure(Unit("a", run.spec, example), run, None)


def test_without_a_local_model_independent_writing_is_still_measured(tmp_path: Path) -> None:
    few = Settings(model="tiny-early", n=1, piece=32)
    assert run(STUDY, few, tmp_path, loader("cpu"))
    found, problems = rows_of(tmp_path)
    assert [row["unit"] for row in found] == ["apart/0", "apart, best/0", "one by one/0"]
    assert [row["tokens"] > 1 for row in found] == [True, True, False]
    assert all("dlmviz train codila --model tiny-early" in one.problem for one in problems)


@pytest.mark.skipif(not (BUNDLED / "tiny-codila").is_dir(), reason="no tiny-codila came along yet")
def test_the_local_model_that_came_along_breaks_fewer_pairs(tmp_path: Path) -> None:
    few = Settings(n=6)
    assert run(STUDY, few, tmp_path, loader("cpu"))
    made, problems = rows_of(tmp_path)
    assert problems == []
    lines = STUDY.tables(made, few)[WAYS].set_index("way")["broken"]
    assert lines["local, best"] < lines["apart"]
