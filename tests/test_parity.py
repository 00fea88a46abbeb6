import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dlmviz.metrics import normalised_edges
from tests import parity

VECTORS = Path(__file__).parent / "vectors"
CASES = json.loads((VECTORS / "cases.json").read_text())["cases"]


def settled(commits, mask):
    """{position: token} of each forward; committing the mask token itself changes nothing."""
    return [
        {p: t for p, t in zip(c["positions"], c["tokens"], strict=True) if t != mask}
        for c in commits
    ]


@cache
def answered(number: int) -> dict:
    """Our answer to a case, which is asked without its result."""
    case = CASES[number]
    question = {k: v for k, v in case.items() if k not in ("expected", "signals")}
    return parity.decode(str(VECTORS / "models" / case["model"]), question)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["id"] for case in CASES])
def test_tokens_order_and_nfe_are_those_of_the_published_code(number) -> None:
    case, answer = CASES[number], answered(number)
    expected, mask = case["expected"], case["special"]["mask_id"]
    assert settled(answer["commits"], mask) == settled(expected["commits"], mask)
    assert answer["final_ids"] == expected["final_ids"]
    assert answer["nfe"] == expected["nfe"]


def numbers(case, name):
    """{(step, position): value} of one column of a case's recorded numbers; {} if absent."""
    with np.load(VECTORS / case["signals"]) as held:
        if name not in held.files or held[name].shape != held["pos"].shape:
            return {}
        columns = (held["step"].tolist(), held["pos"].tolist(), held[name].tolist())
        return {(s, p): v for s, p, v in zip(*columns, strict=True)}


RECORDED = [number for number, case in enumerate(CASES) if case["signals"]]


@pytest.mark.parametrize("number", RECORDED, ids=[CASES[number]["id"] for number in RECORDED])
def test_recorded_numbers_are_those_behind_the_published_steps(number) -> None:
    case, given = CASES[number], answered(number)["signals"]
    seen = 0
    for name in sorted({name for step in given for name in step}):
        for (step, position), wanted in numbers(case, name).items():
            if position in given[step].get(name, {}):
                assert given[step][name][position] == pytest.approx(wanted, abs=2e-4, rel=2e-4)
                seen += 1
    assert seen >= len(numbers(case, "conf"))  # confidences of every step, at least


def test_recorded_edges_and_threshold_are_those_of_dapd() -> None:
    case = next(case for case in CASES if case["id"] == "dapd-direct-saturated")
    folder = str(VECTORS / "models" / case["model"])
    trace = parity.run(folder, case)
    with np.load(VECTORS / case["signals"]) as held:
        for record in trace.steps:
            at = held["pos"][held["step"] == record.index] - trace.offset
            scores = record.edges[np.ix_(at, at)].astype(np.float32)
            assert np.allclose(scores, held[f"R_{record.index}"], atol=5e-4, rtol=2e-3)
            conflicts = normalised_edges(record.edges)[np.ix_(at, at)]
            assert np.allclose(conflicts, held[f"N_{record.index}"], atol=2e-3, rtol=2e-3)
            tau = record.signals["threshold"][at]  # undefined for what was certain anyway
            assert np.allclose(tau[np.isfinite(tau)], held["tau"][record.index])
            assert np.isfinite(tau).any()


def test_logits_attention_and_hidden_states_have_the_promised_shapes() -> None:
    folder = str(VECTORS / "models" / "llada_a")
    ids = np.array([[1, 2, 3, 510], [4, 5, 510, 510]])
    logits = parity.logits(folder, ids)
    assert logits.shape == (2, 4, 512)
    assert logits.dtype == np.float32
    attention = parity.edge_attention(folder, ids, 2)
    assert attention.shape == (2, 4, 4)
    assert np.allclose(attention.sum(-1), 1, atol=1e-5)
    by_name = parity.edge_attention(folder, ids, [2, 3])
    assert np.array_equal(attention, by_name)
    assert parity.hidden(folder, ids).shape == (2, 4, 64)


def test_a_padded_row_gives_the_logits_of_the_row_alone() -> None:
    folder = str(VECTORS / "models" / "llada_a")
    mask = [[1, 1, 1, 1], [1, 1, 1, 0]]
    padded = parity.logits(folder, [[1, 2, 3, 510], [4, 5, 510, 0]], mask)
    alone = parity.logits(folder, [[4, 5, 510]])
    assert np.allclose(padded[1, :3], alone[0], atol=1e-4)  # logits reach 14
