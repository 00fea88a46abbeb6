"""Accuracy against forwards: the front, and speed-ups at equal accuracy, of made-up outcomes."""

from __future__ import annotations

import pytest

from dlmviz.samplers import make
from dlmviz.studies import arms, frontier, matched
from dlmviz.studies.frontier import ARMS, SPEEDUPS, STUDY, Settings, on_front
from dlmviz.studies.study import Row, Unit
from dlmviz.types import InputError
from tests.test_studies_order import trace


def rows(arm: str, right: list[int], nfe: list[int], task: str = "lists") -> list[Row]:
    about = {"arm": arm, "run": "", "task": task, "sampler": arm.split(",")[0]}
    return [
        {**about, "unit": f"{arm}/{i}", "prompt": f"p{i}", "right": bool(r), "nfe": f, "tokens": 8}
        for i, (r, f) in enumerate(zip(right, nfe, strict=True))
    ]


GREEDY = rows("top_k, k 1", [1, 1, 1, 1], [8, 8, 8, 8])
FAST = rows("fast_dllm, tau 0.9", [1, 1, 1, 1], [4, 4, 2, 2])
HASTY = rows("fast_dllm, tau 0.5", [1, 1, 0, 0], [1, 1, 1, 1])
DAPD = rows("dapd, variant staged", [1, 1, 1, 1], [2, 2, 1, 1])
DEMASK = rows("demask, tau 0.1", [1, 1, 1, 1], [4, 4, 4, 4])
LOCAL = rows("codila, schedule static", [1, 0, 0, 0], [1, 1, 1, 1])
SLOW = rows("klass", [1, 1, 1, 0], [8, 8, 8, 8])


def tables(*made: list[Row], within: float = 0.0) -> dict:
    return STUDY.tables([row for some in made for row in some], Settings(within=within))


def test_the_front_is_what_nothing_else_beats() -> None:
    table = tables(GREEDY, FAST, HASTY, DAPD, SLOW)[ARMS].set_index("arm")
    assert table["accuracy"].to_dict()["klass"] == 75
    assert table["nfe"].to_dict()["fast_dllm, tau 0.9"] == 3
    front = table.index[table["front"]].tolist()
    assert front == ["fast_dllm, tau 0.5", "dapd, variant staged"]


def test_equals_are_on_the_front_together() -> None:
    one = {"accuracy": 50.0, "nfe": 2.0}
    assert on_front(one, [one, dict(one)])
    assert not on_front(one, [{"accuracy": 50.0, "nfe": 1.9}])
    assert not on_front(one, [{"accuracy": 51.0, "nfe": 2.0}])
    assert on_front(one, [{"accuracy": 51.0, "nfe": 2.1}, {"accuracy": 49.0, "nfe": 1.0}])


def test_speed_ups_are_at_equal_accuracy_only() -> None:
    """An arm that is less often right has none, however fast it is."""
    table = tables(GREEDY, FAST, HASTY, DAPD, SLOW)[SPEEDUPS].set_index(["base", "sampler"])
    assert table.loc[("greedy", "fast_dllm"), "arm"] == "fast_dllm, tau 0.9"
    assert table.loc[("greedy", "fast_dllm"), "speedup"] == pytest.approx(8 / 3)
    assert table.loc[("fast_dllm", "dapd"), "speedup"] == 2
    assert table.loc[("fast_dllm", "dapd"), "base_arm"] == "fast_dllm, tau 0.9"
    assert table.loc[("fast_dllm", "dapd"), "speedup_low"] == 2  # twice on every prompt
    assert ("greedy", "klass") not in table.index
    assert tables(GREEDY, SLOW, within=0.25)[SPEEDUPS]["sampler"].tolist() == ["klass"]


def test_a_base_that_is_less_often_right_is_met_at_its_own_best() -> None:
    """klass is right 3 of 4 times with 8 forwards, and with 2 half as often."""
    swift = rows("klass, conf_threshold 0.5", [1, 1, 0, 0], [2, 2, 2, 2])
    table = tables(GREEDY, FAST, HASTY, DAPD, SLOW, swift)[SPEEDUPS]
    line = table.set_index(["base", "sampler"]).loc[("klass", "dapd")]
    assert (line["base_arm"], line["base_accuracy"], line["accuracy"]) == ("klass", 75, 100)
    assert line["speedup"] == pytest.approx(8 / 1.5)


def test_arms_are_compared_on_the_prompts_that_all_of_them_answered() -> None:
    table = tables(GREEDY, FAST[:2])[SPEEDUPS]
    assert table["n"].tolist() == [2, 2]
    assert table.iloc[0]["speedup"] == 2
    strangers = [{**row, "prompt": "another"} for row in FAST]
    apart = tables(GREEDY, strangers)
    assert len(apart[SPEEDUPS]) == 0
    assert not apart[ARMS]["front"].any()
    assert STUDY.verdict(apart).startswith("Not comparable: the arms answered different prompts")


def test_the_verdict_counts_the_tasks() -> None:
    assert STUDY.verdict(tables(GREEDY, FAST, DAPD)).startswith(
        "Holds: with fewer forwards at equal accuracy than each sampler that does not read "
        "dependence: dapd on 1 of 1 tasks (lists) (n 4 prompts at least)."
    )
    elsewhere = [{**row, "task": "words"} for row in [*FAST, *DAPD]]
    swift = rows("fast_dllm, tau 0.6", [1, 1, 1, 1], [1, 1, 1, 1], "words")
    assert STUDY.verdict(tables(GREEDY, DAPD, elsewhere, swift)).startswith("Holds in part")
    assert STUDY.verdict(tables(GREEDY, FAST)).startswith("Not asked, for want of its samplers (n")
    assert STUDY.verdict(tables(GREEDY, FAST)).endswith("Without any run: dapd, demask, codila.")


def test_a_reader_is_ahead_where_it_needs_fewer_forwards_than_each_other_sampler_as_right() -> None:
    """dapd takes 2, 2, 1, 1 forwards; its own kind does not count, nor so many a step."""

    def ahead(*made: list[Row], within: float = 0.0) -> list[str]:
        found = tables(*made, within=within)
        return matched.ahead(found[SPEEDUPS], found[ARMS], "dapd")

    assert ahead(GREEDY, FAST, DAPD, SLOW, DEMASK) == ["lists"]
    assert ahead(GREEDY, FAST, DAPD, rows("codila", [1, 1, 1, 1], [1, 1, 1, 1])) == ["lists"]
    assert ahead(GREEDY, FAST, DAPD, rows("psd", [1, 1, 1, 1], [2, 2, 2, 1])) == []  # 1.17 [1, ..]
    assert ahead(GREEDY, FAST, rows("dapd", [1, 1, 1, 0], [1, 1, 1, 1])) == []
    assert ahead(GREEDY, FAST, rows("dapd", [1, 1, 1, 0], [1, 1, 1, 1]), within=0.25) == ["lists"]
    assert ahead(GREEDY, DAPD) == ["lists"]
    assert ahead(GREEDY, DEMASK) == ahead(DAPD, DEMASK) == []  # there is nobody to be ahead of
    assert ahead(GREEDY, FAST) == []


def test_each_sampler_that_reads_dependence_is_told_of_beside_the_best_other_one() -> None:
    told = STUDY.verdict(tables(GREEDY, FAST, HASTY, DAPD, DEMASK, LOCAL, SLOW))
    assert "dapd on 1 of 1 tasks (lists), demask on 0 of 1 tasks, codila on 0 of 1 tasks (n" in told
    assert told.endswith(
        "Times fewer forwards than greedy at equal accuracy: dapd lists 5.3; demask lists 2.0; "
        "codila lists never as accurate; best of the others lists fast_dllm 2.7."
    )
    assert STUDY.verdict(tables(GREEDY, DAPD)).endswith(
        "equal accuracy: dapd lists 5.3. Without any run: demask, codila."
    )
    assert "than greedy at" not in STUDY.verdict(tables(FAST, DAPD))


def test_samplers_that_read_dependence_are_set_against_every_other_one() -> None:
    """dapd takes 1.5 forwards, demask 4; klass is less often right than either."""
    table = tables(GREEDY, FAST, DAPD, DEMASK, SLOW)[SPEEDUPS]
    rivals = table[table["rival"]].set_index(["base", "sampler"])
    assert rivals.loc[("demask", "dapd"), "speedup"] == pytest.approx(4 / 1.5)
    assert rivals.loc[("dapd", "demask"), "speedup"] == pytest.approx(1.5 / 4)
    assert ("dapd", "klass") not in rivals.index
    assert rivals.loc[("klass", "dapd"), "speedup"] == pytest.approx(8 / 1.5)  # at 75 % at least
    assert "top_k" not in {base for base, _ in rivals.index}
    assert ("fast_dllm", "dapd") not in rivals.index  # stands among the others once


def test_the_first_figure_shows_forwards_at_equal_accuracy_against_greedy() -> None:
    elsewhere = [{**row, "task": "words"} for row in [*GREEDY, *FAST]]
    made = tables(GREEDY, FAST, HASTY, DAPD, SLOW, elsewhere)
    name, figure = next(iter(STUDY.figures(made).items()))
    assert name == "Forwards at equal accuracy"
    assert [mark.name for mark in figure.data] == ["top_k", "fast_dllm", "dapd", "klass"]
    shown = {mark.name: list(mark.y) for mark in figure.data}
    assert shown["fast_dllm"] == pytest.approx([8 / 3, 8 / 3])  # lists, words
    assert shown["dapd"] == pytest.approx([8 / 1.5])
    assert shown["klass"] == shown["top_k"] == []  # less often right; greedy itself
    assert list(figure.layout.xaxis.ticktext) == ["lists", "words"]
    assert figure.layout.yaxis.type == "log"
    (_, fast, *_) = figure.data
    assert fast.customdata[0] == (
        "lists: fast_dllm, tau 0.9 (100 % right)<br>against top_k, k 1 (100 %)<br>"
        "95 % interval 2.00 to 4.00"
    )
    strangers = [{**row, "prompt": "another"} for row in FAST]
    assert [*STUDY.figures(tables(GREEDY, strangers))] == ["Accuracy against forwards, lists"]


def test_a_figure_a_task_with_its_front_ringed() -> None:
    figures = STUDY.figures(tables(GREEDY, FAST, HASTY, DAPD))
    name, figure = [*figures.items()][-1]
    assert len(figures) == 2
    assert name == "Accuracy against forwards, lists"
    ring = figure.data[0]
    assert (list(ring.x), list(ring.y)) == ([1, 1.5], [50, 100])
    assert figure.layout.xaxis.type == "log"
    assert [line.name for line in figure.data[1:]] == ["top_k", "fast_dllm", "dapd"]


def test_every_setting_of_the_grids_is_one_that_its_sampler_takes() -> None:
    for name, settings in frontier.GRIDS.items():
        for arm in arms.parse("; ".join(f"{name} {setting}" for setting in settings)):
            make(arm.sampler, arm.params)
    assert arms.parse("top_k k=1")[0].name == matched.GREEDY


def test_units_are_every_arm_on_the_same_prompts() -> None:
    asked = Settings(tasks="words, trivia/single", samplers="top_k", arms="llada", n=2)
    found = STUDY.units(asked)
    assert len(found) == 2 * 5 * 2
    assert len({unit.key for unit in found}) == 20
    assert {unit.spec.stop for unit in found} == {"eos"}
    first, second = found[0], found[2]
    assert first.arm != second.arm
    assert (first.spec.prompt, first.spec.seed) == (second.spec.prompt, second.spec.seed)
    assert {unit.example.kind for unit in found if unit.key.startswith("trivia")} == {"single"}
    with pytest.raises(InputError, match="unknown grid of a sampler: got 'topk'"):
        STUDY.units(Settings(samplers="topk"))


def test_a_run_without_its_example_cannot_be_graded() -> None:
    run = trace([[1]], ["a"], "a")
    with pytest.raises(InputError, match="no example, so its answer cannot be graded"):
        STUDY.measure(Unit("a", run.spec), run, None)


def test_an_arm_is_named_by_the_name_of_its_folder_and_two_of_one_name_are_refused() -> None:
    first, second = arms.parse("demask head=/here/one tau=0.2; demask head=there/two")
    assert (first.name, second.name) == ("demask, head one, tau 0.2", "demask, head two")
    assert first.params["head"] == "/here/one"
    assert len(arms.parse("demask head=/here/one; demask head=/here/one")) == 1
    with pytest.raises(InputError, match="two arms are both called 'demask, head one'"):
        arms.parse("demask head=/here/one; demask head=/there/one")


@pytest.mark.parametrize("text", ["llada steps", "lada", "llada steps=x", "", " ; "])
def test_an_arm_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        arms.parse(text)
