import json
from pathlib import Path

import numpy as np
import pytest

from tests import parity

VECTORS = Path(__file__).parent / "vectors"
CASES = json.loads((VECTORS / "cases.json").read_text())["cases"]


def settled(commits, mask):
    """{position: token} of each forward; committing the mask token itself changes nothing."""
    return [
        {p: t for p, t in zip(c["positions"], c["tokens"], strict=True) if t != mask}
        for c in commits
    ]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_tokens_order_and_nfe_are_those_of_the_published_code(case) -> None:
    expected = case["expected"]
    question = {k: v for k, v in case.items() if k not in ("expected", "gap")}
    answer = parity.decode(str(VECTORS / "models" / case["model"]), question)
    mask = case["special"]["mask_id"]
    assert settled(answer["commits"], mask) == settled(expected["commits"], mask)
    assert answer["final_ids"] == expected["final_ids"]
    assert answer["nfe"] == expected["nfe"]


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
