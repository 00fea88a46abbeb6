"""The cost of DEMASK's predictor: what is timed is what a step does, and the gate's boundary."""

from __future__ import annotations

import torch

from benchmarks import predictor_cost
from dlmviz.models.exact import exact_model
from dlmviz.models.heads import PairHead


def test_a_row_has_all_parts_and_their_ratio(monkeypatch) -> None:
    law = exact_model({"a b a b": 1, "b a b a": 2})
    asked = []

    class Head(PairHead):
        def forward(self, hidden: torch.Tensor) -> torch.Tensor:
            asked.append(tuple(hidden.shape))
            return super().forward(hidden)

    monkeypatch.setitem(predictor_cost.LENGTHS, "toy", (0, 4))
    row = predictor_cost.measured(law, Head(law.vocab_size, 2), 2, "toy", 3)
    assert asked == [(4, law.vocab_size)] * 2 * (3 + predictor_cost.WARM)  # one by one
    assert row["cost"] == 100 * row["predictor [ms]"] / row["forward [ms]"]
    assert min(row["forward [ms]"], row["predictor [ms]"], row["rule [ms]"]) > 0


def test_five_per_cent_is_within_the_gate() -> None:
    runs = [
        {"shape": "tiny", "device": "cpu", "rows": [{"batch": b, "cost": c}]}
        for b, c in ((1, 5.0), (8, 5.1))
    ]
    made = predictor_cost.gates(runs)
    assert [row["pass"] for row in made] == [True, False]
    assert made[0]["name"] == (
        "Predictor cost per step <= 5 % of the forward: tiny on cpu, batch 1 [%]"
    )
