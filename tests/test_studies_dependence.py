"""What depends on what: a law that is written down, graphs that tasks know, and their mistakes."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

import dlmviz
from dlmviz import tasks
from dlmviz.learn.toy.chain import EDGES
from dlmviz.models.exact import exact_model
from dlmviz.models.heads import PairHead, save_head
from dlmviz.studies import dependence, looks, toy
from dlmviz.studies.edges import nearness
from dlmviz.studies.graph_nodes import Nodes, between, nodes_of, toy_nodes
from dlmviz.studies.study import Unit
from dlmviz.types import Example, InputError, RunSpec, Trace
from tests.test_studies_order import record

#: nine bits of which those that share a triangle rather agree: dependence is largest along edges
AGREEING = exact_model(
    {
        " ".join(["s", *("ab"[bit] for bit in bits)]): 3.0
        ** sum(bits[a] == bits[b] for a, b in EDGES)
        for bits in itertools.product((0, 1), repeat=9)
    }
)
CHAIN = Example("toy", "chain", "s [MASK:9]", "", {"order": list(range(9))})


@pytest.fixture(scope="module")
def trace():
    spec = RunSpec(prompt="s [MASK:9]", gen_length=0, sampler="random", temperature=1.0)
    return dlmviz.decode(AGREEING, spec)


@pytest.fixture(scope="module")
def rows(trace):
    unit = Unit("u", trace.spec, CHAIN, "random")
    return dependence.measure(unit, trace, AGREEING)


def test_seven_steps_of_a_chain_of_nine_are_looked_at(trace, rows) -> None:
    """Before step s there are 10 - s masks; three are needed to have an order of pairs."""
    assert sorted({row["step"] for row in rows}) == [1, 2, 3, 4, 5, 6, 7]
    assert looks.looks_of(trace, toy_nodes(list(range(9)))) == [0, 1, 2, 3, 4, 5, 6]
    pairs = {row["step"]: row["pairs"] for row in rows}
    assert pairs == {step: (10 - step) * (9 - step) // 2 for step in range(1, 8)}
    shares = {row["step"]: row["share"] for row in rows}
    assert shares[4] == pytest.approx(3 / 9)


def test_a_predictor_of_dependence_is_looked_at_where_the_model_has_one(trace, tmp_path) -> None:
    torch.manual_seed(0)
    save_head(tmp_path / "head", "demask", PairHead(AGREEING.vocab_size, 3), AGREEING, {})
    unit = Unit("u", trace.spec, CHAIN, "random", str(tmp_path / "head"))
    rows = dependence.measure(unit, trace, AGREEING)
    of = [row for row in rows if row["scores"] == looks.PREDICTED]
    assert [row["step"] for row in of] == [1, 2, 3, 4, 5, 6, 7]
    assert all(row["auc"] is not None for row in of)
    made = dependence.tables([{"unit": "u", "arm": "a", **row} for row in rows], None)
    assert "DEMASK's D: AUC toy 0." in dependence.verdict(made)
    with pytest.raises(InputError, match="holds no head"):
        dependence.measure(Unit("u", trace.spec, CHAIN, head="nowhere"), trace, AGREEING)


def test_predicted_scores_are_both_ways_meant_and_among_masks_alone() -> None:
    """A head that says .2 above the diagonal and .6 below it, at three of four places."""

    def head(hidden: torch.Tensor) -> torch.Tensor:
        ones = torch.ones(len(hidden), len(hidden))
        return 0.2 * ones.triu(1) + 0.6 * ones.tril(-1)

    canvas = torch.tensor([AGREEING.encode("s")[0], *[AGREEING.special.mask] * 3])
    scores = looks.predicted(head)(AGREEING, canvas, RunSpec())
    expected = np.zeros((4, 4))
    expected[1:, 1:] = 0.4 * (1 - np.eye(3))
    assert scores == pytest.approx(expected)
    assert set(looks.predictors(AGREEING)) == {looks.LAST, looks.ALL, looks.DISTANCE}


def test_each_layer_has_a_look_of_its_own_at_the_middle_of_the_run(trace, rows) -> None:
    """A model of three layers: one that attends by dependence, one by distance, one to nothing."""
    alone = [row for row in rows if row["layer"]]
    assert [(row["layer"], row["step"]) for row in alone] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    nodes = toy_nodes(list(range(9)))

    class Three:
        layers, device, special = 3, AGREEING.device, AGREEING.special

        def forward(self, tokens, rows, layers):
            (made,) = AGREEING.forward(tokens, rows, (0,))
            near = torch.from_numpy(nearness(tokens.shape[1]))
            other = [made.attention.double(), near, torch.zeros_like(near)]
            return [dataclasses.replace(made, attention=other[layers[0]])]

    found = looks.each_layer(trace, Three(), nodes, 0)
    assert [row["layer"] for row in found] == [1, 2, 3]
    expected = [1.0, pytest.approx(0.979, abs=5e-4), 0.5]
    assert [row["auc"] for row in found] == expected
    table = dependence.tables([{"unit": "u", "arm": "a", **row} for row in rows], None)
    assert table["By layer"][["layer", "runs"]].values.tolist() == [[1, 1], [2, 1], [3, 1], [4, 1]]
    assert "attention, one layer" not in set(table["By task"]["scores"])


def test_attention_that_is_dependence_finds_the_edges_and_follows_influence(rows) -> None:
    """The exact model's attention is its dependence, so every score but distance is right."""
    first = {row["scores"]: row for row in rows if row["step"] == 1}
    for name in (looks.LAST, looks.ALL, looks.MEASURED):
        assert first[name]["auc"] == 1.0
        assert first[name]["ovr"] == 0.0
    assert first[looks.LAST]["rho"] == pytest.approx(1.0, abs=1e-3)  # float32 against float64
    assert first[looks.DISTANCE]["auc"] == pytest.approx(0.979, abs=5e-4)
    assert first[looks.MEASURED]["asymmetry"] == pytest.approx(0, abs=1e-6)
    assert first[looks.MEASURED]["rho"] is None


def test_influence_is_measured_at_the_first_look_and_at_the_middle_one(rows) -> None:
    assert [row["step"] for row in rows if row["scores"] == looks.MEASURED] == [1, 4]


def test_influence_of_many_positions_is_not_measured(trace, monkeypatch) -> None:
    monkeypatch.setattr(looks, "WIDEST", 8)
    made = looks.look(trace, AGREEING, toy_nodes(list(range(9))), 0, truth=True)
    assert looks.MEASURED not in [row["scores"] for row in made]
    assert all(row["rho"] is None for row in made)


def test_a_node_of_several_tokens_has_the_greatest_score_of_their_pairs() -> None:
    matrix = np.arange(16.0).reshape(4, 4)
    matrix = (matrix + matrix.T) / 2
    found = between(matrix, [[0, 1], [3], []])
    assert found.tolist() == [[0, matrix[1, 3], 0], [matrix[1, 3], 0, 0], [0, 0, 0]]
    nodes = Nodes([[0, 1], [3]], np.zeros((2, 2), bool))
    assert nodes.masked(np.array([9, 5, 5, 9]), 9) == [[0], [3]]


def answered(example, text):
    """A run that wrote the text, a token a character, and then the end."""
    letters = sorted(set(text))
    words = [letters.index(letter) for letter in text]
    begun = np.array([97] + [98] * (len(words) + 1), np.int32)
    spec = RunSpec(prompt=example.prompt, gen_length=len(words) + 1, block_length=len(words) + 1)
    step = record(0, dict(enumerate([*words, 99], 1)))
    pieces = dict(enumerate(letters))
    return Unit("u", spec, example), Trace(spec, begun, 1, 98, 99, (step,), text, pieces)


def drawn(task, kind):
    return next(e for e in tasks.get(task).examples(300, 3) if e.kind == kind)


def test_the_cells_of_a_grid_are_its_nodes() -> None:
    example = drawn("puzzles", "sudoku")
    nodes = nodes_of(*answered(example, example.answer))
    stride = 3 if example.data["comma"] else 2
    assert nodes.at[:3] == [[1], [1 + stride], [1 + 2 * stride]]
    assert nodes.edges.sum() == 2 * 56
    assert (nodes.edges == nodes.edges.T).all()


def test_the_parts_of_a_sentence_are_nodes_of_several_tokens() -> None:
    example = drawn("trivia", "bundle")
    nodes = nodes_of(*answered(example, example.answer))
    (start, end), *_ = tasks.get("trivia").graph(example).spans
    assert nodes.at[0] == list(range(start + 1, end + 1))
    assert [int(count) for count in nodes.edges.sum(1)] == [1] * len(nodes.at)


def test_answers_whose_graph_is_not_known_have_a_sentence() -> None:
    grid, copied, names = (
        drawn(*which) for which in (("puzzles", "latin"), ("lists", "copy"), ("lists", "shuffle"))
    )
    for unit, trace in (
        answered(grid, grid.answer[::-1] + "x"),
        answered(grid, grid.answer.replace(grid.answer[0], "7")),
    ):
        with pytest.raises(InputError, match="wrong or written in another way"):
            nodes_of(unit, trace)
    for example in (copied, names):
        with pytest.raises(InputError, match="no graph with edges and pairs without"):
            nodes_of(*answered(example, example.answer))
    unit, trace = answered(grid, grid.answer)
    with pytest.raises(InputError, match="kept no example"):
        nodes_of(dataclasses.replace(unit, example=None), trace)
    with pytest.raises(InputError, match="--model"):
        dependence.measure(unit, trace, None)


def test_shuffled_places_of_a_chain_are_behind_the_opening_mark() -> None:
    nodes = toy_nodes([8, 7, 6, 5, 4, 3, 2, 1, 0])
    assert nodes.at == [[9], [8], [7], [6], [5], [4], [3], [2], [1]]
    assert nodes.edges.sum() == 24


def test_tables_average_a_runs_looks_and_then_runs() -> None:
    def row(unit, scores, share, auc, rho=None, asymmetry=None):
        about = {"unit": unit, "arm": "random", "run": "", "task": "t", "scores": scores}
        numbers = {"auc": auc, "ratio": None, "ovr": 0.25, "rho": rho, "asymmetry": asymmetry}
        return about | numbers | {"share": share, "step": 1, "pairs": 3, "edges": 1, "layer": 0}

    rows = [
        row("1", looks.LAST, 0.0, 1.0, rho=0.5),
        row("1", looks.LAST, 0.5, 0.5),
        row("2", looks.LAST, 0.0, 0.25, rho=0.0),
        row("2", looks.LAST, 0.5, None),
        row("1", looks.DISTANCE, 0.0, 0.4, rho=-0.5),
        row("1", looks.MEASURED, 0.0, 0.9, asymmetry=0.125),
    ]
    made = dependence.tables(rows, dependence.Settings())
    table = made[dependence.TASKS].set_index("scores")
    assert table.loc[looks.LAST, "auc"] == 0.5  # of 0.75 and 0.25
    assert table.loc[looks.LAST, "runs"] == 2
    assert table.loc[looks.LAST, "ratio"] is None or np.isnan(table.loc[looks.LAST, "ratio"])
    steps = made[dependence.STEPS].set_index(["scores", "revealed"])["auc"]
    assert steps[looks.LAST, "0 %"] == 0.625
    assert steps[looks.LAST, "50 %"] == 0.5
    assert list(steps.index.get_level_values(1)) == ["0 %"] * 3 + ["50 %"]
    against = made[dependence.INFLUENCE].set_index("scores")
    assert against.loc[looks.LAST, "rho"] == 0.25
    assert against.loc[looks.MEASURED, "asymmetry"] == 0.125
    assert set(dependence.figures(made)) >= {"AUC by task", "Against influence"}
    axis = dependence.figures(made)["AUC over the decode"].layout.xaxis
    assert list(axis.ticktext) == ["0<br>t", "50"]
    assert "t 0.50 (distance alone 0.40)" in dependence.verdict(made)
    assert "(theirs 0.928)" in toy.verdict(made)


def test_units_are_bundles_of_trivia_and_chains_from_nothing() -> None:
    of = dependence.units(dependence.Settings(tasks="trivia, mrf", n=3))
    assert [unit.example.kind for unit in of] == ["bundle"] * 3 + ["chain"] * 3
    chains = toy.units(toy.Settings(n=4))
    assert [unit.spec.seed for unit in chains] == [0, 1, 2, 3]
    assert {unit.spec.prompt for unit in chains} == {"[MASK:9]"}
    assert len({unit.key for unit in chains}) == 4
