"""A three-step trace made by hand: the smallest run that has a tie, a fallback and two segments.

Canvas: [Q][:] then four generated positions, one block. Threshold 0.9 commits positions 3 and 5,
then 2, then 4 as the best of what is left. Every distribution has two outcomes.
"""

from __future__ import annotations

import numpy as np

from dlmviz.types import RunSpec, StepRecord, Trace

MASK, EOS, THE, CAT, SAT, DOG, QUESTION, COLON = range(8)
PIECES = {
    MASK: "[mask]",
    EOS: "<eos>",
    THE: "the",
    CAT: " cat",
    SAT: " sat",
    DOG: " dog",
    QUESTION: "Q",
    COLON: ":",
}
NAN = float("nan")


def three_steps() -> Trace:
    """The trace. Text "the cat sat", NFE 3, finalised steps 1 0 2 0, segments 0 2 2 1."""
    return Trace(
        spec=RunSpec(
            prompt="Q:",
            model="hand",
            gen_length=4,
            block_length=4,
            sampler="fast_dllm",
            params={"tau": 0.9},
        ),
        initial=np.array([QUESTION, COLON, MASK, MASK, MASK, MASK], np.int32),
        prompt_length=2,
        mask_id=MASK,
        eos_id=EOS,
        steps=(
            _record(
                0,
                {3: CAT, 5: EOS},
                [0.5, 0.9375, 0.5625, 0.9375],
                [(THE, DOG), (CAT, DOG), (DOG, SAT), (EOS, SAT)],
                {2: "below tau", 3: "above tau", 4: "below tau", 5: "above tau"},
            ),
            _record(
                1,
                {2: THE},
                [0.96875, NAN, 0.625, NAN],
                [(THE, DOG), None, (SAT, DOG), None],
                {2: "above tau", 4: "below tau"},
            ),
            _record(
                2,
                {4: SAT},
                [NAN, NAN, 0.8125, NAN],
                [None, None, (SAT, DOG), None],
                {4: "fallback: best of block"},
            ),
        ),
        text="the cat sat",
        pieces=PIECES,
        info={"device": "cpu"},
    )


def _record(
    index: int,
    commits: dict[int, int],
    confidence: list[float],
    top: list[tuple[int, int] | None],
    why: dict[int, str],
) -> StepRecord:
    p = np.array(confidence, np.float32)
    return StepRecord(
        index=index,
        block=(2, 6),
        positions=np.array(list(commits), np.int32),
        tokens=np.array(list(commits.values()), np.int32),
        remasked=np.array([], np.int32),
        confidence=p,
        entropy=-(p * np.log(p) + (1 - p) * np.log(1 - p)),
        score=p,
        top_ids=np.array([pair or (-1, -1) for pair in top], np.int32),
        top_probs=np.stack([p, 1 - p], axis=1).astype(np.float16),
        nfe=1,
        sequence_forwards=1,
        seconds=0.25,
        why=why,
    )
