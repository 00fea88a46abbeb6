"""The vocabulary of dlmviz: the values that flow between its rooms. Imports no torch at run time.

Letters: P prompt, L generated, T = P + L, W block, V vocabulary, R asked rows, K kept
alternatives, B batch, D hidden width. Positions are canvas positions, 0..T-1, everywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, get_args

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

LONGEST = 65_536  # tokens that any length may have

ScoreDtype = Literal["official", "native", "float32", "float64"]
ForwardMode = Literal["full"]
Stop = Literal["none", "eos"]
Window = Literal["until_block_end", "block"]


class InputError(ValueError):
    """Something a person gave cannot be used: what was given, what is allowed, what to do."""


class DecodeError(RuntimeError):
    """A sampler broke the rules of the loop; the text names the sampler and the positions."""


def knob(
    default: Any,
    low: float | None = None,
    high: float | None = None,
    help: str = "",
    choices: Sequence[str] = (),
) -> Any:
    """A dataclass field with a range or choices and a sentence: the page makes a control of it."""
    metadata = {"low": low, "high": high, "help": help, "choices": tuple(choices)}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Needs:
    """What a sampler asks of the loop beyond logits."""

    attention: float = 0.0  # share of the last layers whose mean attention is returned; 0 = none
    hidden: bool = False  # final hidden states
    window: Window = "until_block_end"  # candidates: masks before the block's end, or in it only


@dataclass(frozen=True)
class Special:
    """Token ids with a meaning, read from the model, never literal."""

    mask: int
    eos: int | None = None
    eot: int | None = None  # end of turn, where a model has one besides eos


@dataclass(frozen=True, eq=False)
class Canvas:
    """The prompt followed by the generated part: the model's whole input."""

    tokens: Tensor  # int64 [T]
    prompt_length: int
    block_length: int
    mask_id: int

    @property
    def masked(self) -> Tensor:
        """bool [T]: not decided yet. A prompt may contain masks (infilling)."""
        return self.tokens == self.mask_id

    @property
    def gen_length(self) -> int:
        return len(self.tokens) - self.prompt_length

    @property
    def blocks(self) -> int:
        """Number of blocks in the generated part."""
        return self.gen_length // self.block_length

    def block(self, index: int) -> slice:
        """Canvas positions [P + index W, P + (index + 1) W) of block `index`."""
        start = self.prompt_length + index * self.block_length
        return slice(start, start + self.block_length)

    def write(self, choice: Choice, proposal: Tensor) -> Canvas:
        """A new canvas with the choice's positions filled and its remasked ones masked again."""
        source = proposal if choice.tokens is None else choice.tokens
        tokens = self.tokens.clone()
        tokens[choice.transfer] = source[choice.transfer]
        if choice.remask is not None:
            tokens[choice.remask] = self.mask_id
        return dataclasses.replace(self, tokens=tokens)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one forward said about one sequence; row r of `logits` predicts position rows[r]."""

    rows: Tensor  # int64 [R]
    logits: Tensor  # [R V], model dtype; rows of the vocabulary that are padding are -inf
    attention: Tensor | None = None  # float32 [T T], mean over heads and the asked layers
    hidden: Tensor | None = None  # [R D], the states the logits were read from


@dataclass(frozen=True, eq=False)
class Step:
    """All that a sampler may look at when it chooses."""

    canvas: Canvas
    index: int  # step of the whole run
    in_block: int  # step inside this block; 0 marks entry
    block_index: int
    candidates: Tensor  # bool [T], never empty unless the sampler fixes its block_steps
    proposal: Tensor  # int64 [T]; mask id where nothing was asked
    confidence: Tensor  # [T] in the score dtype; -inf where nothing was asked
    prediction: Prediction
    probs: Callable[[], Tensor]  # () -> [R V] softmax of the scored logits, row r at rows[r]
    rng: torch.Generator
    peek: Callable[[Tensor], list[Prediction]]  # int64 [B T] -> extra forwards, counted

    @property
    def block(self) -> slice:
        return self.canvas.block(self.block_index)


@dataclass(frozen=True, eq=False)
class Choice:
    """What a sampler answers. It is checked before anything is written."""

    transfer: Tensor  # bool [T], positions committed now
    score: Tensor  # [T], what it ranked by, for display
    tokens: Tensor | None = None  # int64 [T], instead of the proposal
    remask: Tensor | None = None  # bool [T], committed positions taken back
    memory: Any = None  # handed to the next select; survives blocks
    prediction: Prediction | None = None  # of the new canvas, already paid for
    wait: bool = False  # empty on purpose


class Sampler(Protocol):
    """A rule. A frozen dataclass whose fields are knobs and whose `select` is pure.

    A sampler may also define `block_steps(canvas) -> int`: then every block gets exactly that
    many steps; without it a block ends when it holds no mask.
    """

    name: ClassVar[str]  # RunSpec.sampler and the menu
    paper: ClassVar[str]  # where the rule comes from
    needs: ClassVar[Needs]
    score_dtype: ClassVar[str]  # what RunSpec.score_dtype "official" means for this rule

    def select(self, step: Step, memory: Any) -> Choice: ...


class Denoiser(Protocol):
    """A masked language model that predicts every position at once, with its own vocabulary."""

    name: str  # what load() was given
    fingerprint: str  # of the weights and the vocabulary, hexadecimal
    special: Special
    vocab_size: int  # V
    context_length: int  # longest canvas
    layers: int
    device: torch.device

    def encode(self, prompt: str, chat: bool = True) -> list[int]:
        """Token ids of a prompt, wrapped in the chat template if asked and if there is one."""
        ...

    def text(self, ids: Sequence[int]) -> str:
        """The ids as text, special tokens left out."""
        ...

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """How each id is shown alone; special tokens by name, bytes as <0xNN>."""
        ...

    def forward(
        self,
        tokens: Tensor,
        rows: Sequence[Tensor] | None = None,
        layers: Sequence[int] = (),
        hidden: bool = False,
        padding: Tensor | None = None,
    ) -> list[Prediction]:
        """One Prediction a sequence: int64 [B T], B row lists of int64 [R] -> logits [R V].

        `rows` None asks for all positions. `layers`: whose attention is averaged. `padding`:
        bool [B T], true at real tokens; None when nothing is padded.
        """
        ...


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides the tokens of a run. Goes to JSON by `dataclasses.asdict`."""

    prompt: str = ""
    model: str = "tiny"
    adapter: str | None = None
    gen_length: int = 128  # L
    block_length: int = 32  # W
    sampler: str = "llada"
    params: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 0.0
    cfg_scale: float = 0.0  # w; 0 = no guidance
    logits_eos_inf: bool = False
    confidence_eos_eot_inf: bool = False
    score_dtype: ScoreDtype = "official"
    forbid_mask: bool = True  # the published loops let a model propose the mask token
    forward: ForwardMode = "full"
    stop: Stop = "none"  # "eos": end when everything before the first committed eos is committed
    chat: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        _positive("gen_length", self.gen_length)
        _positive("block_length", self.block_length)
        if self.gen_length % self.block_length:
            raise InputError(
                f"block_length must divide gen_length: got {self.block_length} and "
                f"{self.gen_length}; try {_divisors_near(self.gen_length, self.block_length)}"
            )
        for name in ("temperature", "cfg_scale"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < float("inf")):
                raise InputError(f"{name} must be a number >= 0: got {value!r}; 0 switches it off")
        _one_of("score_dtype", self.score_dtype, get_args(ScoreDtype))
        _one_of("forward", self.forward, get_args(ForwardMode))
        _one_of("stop", self.stop, get_args(Stop))


def _positive(name: str, value: Any) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (whole and 1 <= value <= LONGEST):
        raise InputError(
            f"{name} must be a whole number from 1 to {LONGEST}: got {value!r}; try 128 or 32"
        )


def _one_of(name: str, value: Any, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(allowed)}: got {value!r}")


def _divisors_near(length: int, wanted: int) -> str:
    """The divisors of `length` on both sides of `wanted`, as words."""
    divisors = [d for d in range(1, length + 1) if length % d == 0]
    below = max((d for d in divisors if d < wanted), default=None)
    above = min((d for d in divisors if d > wanted), default=None)
    return " or ".join(str(d) for d in (below, above) if d is not None)


@dataclass(frozen=True, eq=False)
class StepRecord:
    """What happened at one step. NumPy, CPU.

    Arrays called [N] run over the recorded span, canvas positions offset..T-1 (see Trace); they
    describe the canvas as it was before this step's commits, and are NaN (or -1) where the
    position was not masked.
    """

    index: int
    block: tuple[int, int]  # canvas positions [start, end) of the active block
    positions: np.ndarray  # int32 [n], committed now, ascending canvas positions
    tokens: np.ndarray  # int32 [n], what was written there
    remasked: np.ndarray  # int32 [r], canvas positions taken back
    confidence: np.ndarray  # float32 [N], probability of the proposal
    entropy: np.ndarray  # float32 [N], nats
    score: np.ndarray  # float32 [N], what the sampler ranked by
    top_ids: np.ndarray  # int32 [N K], most probable first; the proposal may be elsewhere if T > 0
    top_probs: np.ndarray  # float16 [N K]
    nfe: int  # forward calls this step cost, peeks included
    sequence_forwards: int  # sequences in those calls; a guided pair counts two
    seconds: float
    signals: Mapping[str, np.ndarray] = field(default_factory=dict)  # name -> float32 [N]
    edges: np.ndarray | None = None  # float16 [N N]


@dataclass(frozen=True, eq=False)
class Trace:
    """A whole run: enough to replay it without a model, a tokenizer or torch."""

    spec: RunSpec
    initial: np.ndarray  # int32 [T], the canvas before the first step
    prompt_length: int
    mask_id: int
    eos_id: int | None
    steps: tuple[StepRecord, ...]
    text: str  # the generated part up to the first eos
    pieces: Mapping[int, str]  # how each id that occurs is shown
    info: Mapping[str, Any] = field(default_factory=dict)  # versions, model fingerprint, device

    @property
    def offset(self) -> int:
        """First recorded canvas position: the first mask of the initial canvas (P, or less)."""
        masks = np.flatnonzero(self.initial == self.mask_id)
        return int(masks[0]) if masks.size else len(self.initial)

    @property
    def nfe(self) -> int:
        """Forward calls of the whole run."""
        return sum(record.nfe for record in self.steps)

    def canvas_at(self, count: int) -> np.ndarray:
        """int32 [T]: the canvas after `count` steps, by replay; 0 is the initial canvas."""
        if not 0 <= count <= len(self.steps):
            raise InputError(f"step must lie in 0..{len(self.steps)}: got {count}")
        tokens = self.initial.copy()
        for record in self.steps[:count]:
            tokens[record.positions] = record.tokens
            tokens[record.remasked] = self.mask_id
        return tokens

    @property
    def final(self) -> np.ndarray:
        """int32 [T]: the canvas at the end."""
        return self.canvas_at(len(self.steps))

    def save(self, path: str | Path) -> None:
        """Writes the trace to one .npz file, whole or not at all; see dlmviz.store.save."""
        from dlmviz.store import save  # the store knows traces, so it cannot be imported above

        save(self, path)

    @property
    def finalized_at(self) -> np.ndarray:
        """int32 [T]: index of the step that last changed each position; -1 where none did."""
        last = np.full(len(self.initial), -1, dtype=np.int32)
        for record in self.steps:
            last[record.positions] = record.index
            last[record.remasked] = record.index
        return last


@dataclass(frozen=True)
class Graph:
    """Known dependency truth of an answer: spans of characters, and the pairs that interact."""

    spans: tuple[tuple[int, int], ...]  # [start, end) in Example.answer
    edges: frozenset[tuple[int, int]]  # pairs (a, b), a < b, of indices into spans


@dataclass(frozen=True)
class Example:
    """One prompt of a task, with an answer that is right and what the grader needs."""

    task: str
    kind: str  # sub-task, e.g. "sort"
    prompt: str
    answer: str  # one right answer
    data: Mapping[str, Any] = field(default_factory=dict)  # plain JSON values


@dataclass(frozen=True)
class Task:
    """A source of examples and its grader; all three functions are pure."""

    name: str
    title: str  # for menus
    help: str  # one sentence on what it shows
    examples: Callable[[int, int], list[Example]]  # (n, seed) -> n examples
    score: Callable[[Example, str], bool]  # a malformed or empty text is wrong, never an error
    graph: Callable[[Example], Graph | None]
    gen_length: int  # L that every answer fits in
    block_length: int  # a good W
