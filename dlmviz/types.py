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
ForwardMode = Literal["full", "prefix", "dual"]
CacheRevision = Literal["later", "june2025"]
Draw = Literal["official", "gumbel", "categorical"]
Stop = Literal["none", "eos"]
Window = Literal["until_block_end", "block", "canvas"]
RECORDABLE = ("margin", "kl", "jsd", "edges", "degree", "rank")  # RunSpec.record


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
    head: str = ""  # kind of the trained part that the rule reads them by
    window: Window = "until_block_end"  # candidates: masks before the block's end, in it only, or
    # anywhere ("canvas": the whole generation is one block, whatever the spec says)
    draw: Draw = "gumbel"  # what RunSpec.draw "official" means for this rule; see propose.py
    revises: bool = False  # asked once more when all is filled, and may take tokens back


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
    tail: int = 0  # given positions behind the last one to generate

    @property
    def masked(self) -> Tensor:
        """bool [T]: not decided yet. A prompt may contain masks (infilling)."""
        return self.tokens == self.mask_id

    @property
    def gen_length(self) -> int:
        return len(self.tokens) - self.prompt_length - self.tail

    @property
    def blocks(self) -> int:
        """Number of blocks in the generated part; the last may be shorter (infilling)."""
        return -(-self.gen_length // self.block_length)

    def block(self, index: int) -> slice:
        """Canvas positions [P + index W, P + (index + 1) W) of `index`, cut at the end."""
        start = self.prompt_length + index * self.block_length
        return slice(start, min(start + self.block_length, len(self.tokens) - self.tail))

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
    cache: Any = None  # keys and values of all positions, for windows over this canvas

    def only(self, rows: Tensor) -> Prediction:
        """The same, at some of the positions it has rows for; int64 [R'] of canvas positions."""
        at = (self.rows[None] == rows[:, None]).int().argmax(1)
        hidden = None if self.hidden is None else self.hidden[at]
        return dataclasses.replace(self, rows=rows, logits=self.logits[at], hidden=hidden)


@dataclass(frozen=True, eq=False)
class Step:
    """All that a sampler may look at when it chooses."""

    canvas: Canvas
    index: int  # step of the whole run
    in_block: int  # step inside this block; 0 marks entry
    block_index: int
    candidates: Tensor  # bool [T]; empty only where the sampler or a cached forward says how many
    # steps a block has, or when `revise` is true
    proposal: Tensor  # int64 [T]; mask id where nothing was asked
    confidence: Tensor  # [T] in the score dtype; -inf where nothing was asked
    prediction: Prediction
    probs: Callable[[], Tensor]  # () -> [R V] softmax of the scored logits, row r at rows[r]
    rng: torch.Generator
    peek: Callable[[Tensor], list[Prediction]]  # int64 [B T] -> one extra forward call, counted
    at: Callable[[Canvas, Prediction], Step]  # this step, had the canvas and its prediction been so
    special: Special
    fixed: Tensor  # bool [T], given when the run began: never rewritten
    head: Any = None  # the trained part that `needs` asks for; see models/heads.py
    revise: bool = False  # all is filled: answer what to take back, or nothing to end the run

    @property
    def block(self) -> slice:
        return self.canvas.block(self.block_index)

    def spread(self, values: Tensor, empty: float = float("nan")) -> Tensor:
        """The values of the asked rows at their canvas positions; [R] -> [T]."""
        out = values.new_full(self.canvas.tokens.shape, empty)
        out[self.prediction.rows] = values
        return out


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
    signals: Mapping[str, Tensor] = field(default_factory=dict)  # name -> [T], what it looked at
    edges: Tensor | None = None  # float [T T], edge scores R_ij it looked at, raw; symmetric
    why: Callable[[], Mapping[int, str]] | None = None  # position -> reason, for every candidate


class Sampler(Protocol):
    """A rule. A frozen dataclass whose fields are knobs and whose `select` is pure.

    `needs` and `score_dtype` are class constants, or properties where knobs decide them. A
    sampler may also define `ends(canvas, block_index, in_block) -> bool`: whether the block is
    over after `in_block` steps; without it a block ends when it holds no mask.
    """

    name: ClassVar[str]  # RunSpec.sampler and the menu
    paper: ClassVar[str]  # where the rule comes from

    @property
    def needs(self) -> Needs: ...

    @property
    def score_dtype(self) -> str:
        """What RunSpec.score_dtype "official" means for this rule."""
        ...

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
    # Optional: `windows` (bool, forward takes keep, cache and start), `shift` (output row i - shift
    # predicts position i), `attends` (bool, attention can be asked for), `closing` (ids that follow
    # the generated part).

    def encode(self, prompt: str, chat: bool = True) -> list[int]:
        """Token ids of a prompt, wrapped in the chat template if asked and if there is one.

        A [MASK] or [MASK:12] in it stands for that many mask tokens.
        """
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
        keep: bool = False,
        cache: Any = None,
        start: int = 0,
    ) -> list[Prediction]:
        """One Prediction a sequence: int64 [B T], B row lists of int64 [R] -> logits [R V].

        `rows` None asks for all positions. `layers`: whose attention is averaged. `padding`:
        bool [B T], true at real tokens; None when nothing is padded. `keep` (one sequence): return
        keys and values as Prediction.cache. With such a `cache`, `tokens` are a window of that
        canvas from position `start` on: they see it, and outside the window what was kept. `rows`
        stay canvas positions. Only models whose `windows` is true take the last three.
        """
        ...


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides the tokens of a run. Goes to JSON by `dataclasses.asdict`."""

    prompt: str = ""
    model: str = "tiny"
    adapter: str | None = None
    gen_length: int = 128  # L; 0 where the prompt holds the masks
    block_length: int = 32  # W
    sampler: str = "llada"
    params: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 0.0
    draw: Draw = "official"  # gumbel: LLaDA's way; categorical: Dream's; see propose.py
    top_p: float = 1.0  # categorical draws only: share of the mass that may be drawn
    top_k: int = 0  # categorical draws only: how many tokens may be drawn; 0 = all
    cfg_scale: float = 0.0  # w; 0 = no guidance
    logits_eos_inf: bool = False
    confidence_eos_eot_inf: bool = False
    score_dtype: ScoreDtype = "official"
    forbid_mask: bool = True  # the published loops let a model propose the mask token
    forward: ForwardMode = "full"  # prefix, dual: windows over kept keys and values (Fast-dLLM)
    cache_revision: CacheRevision = "later"  # june2025: a block takes two forwards at least
    stop: Stop = "none"  # "eos": end when everything before the first committed eos is committed
    chat: bool = True
    seed: int = 0
    record: tuple[str, ...] = ()  # signals to record though the sampler does not use them

    def __post_init__(self) -> None:
        if not (type(self.gen_length) is int and self.gen_length == 0):
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
        if not (isinstance(self.top_p, int | float) and 0 < self.top_p <= 1):
            raise InputError(
                f"top_p must lie in 0 (not included) to 1: got {self.top_p!r}; 1 cuts nothing"
            )
        if not (isinstance(self.top_k, int) and self.top_k >= 0):
            raise InputError(f"top_k must be a whole number >= 0: got {self.top_k!r}; 0 is all")
        _one_of("score_dtype", self.score_dtype, get_args(ScoreDtype))
        _one_of("draw", self.draw, get_args(Draw))
        _one_of("forward", self.forward, get_args(ForwardMode))
        _one_of("cache_revision", self.cache_revision, get_args(CacheRevision))
        _one_of("stop", self.stop, get_args(Stop))
        if isinstance(self.record, str):
            raise InputError(f"record must be a list of signals: got {self.record!r}")
        object.__setattr__(self, "record", tuple(self.record))  # JSON has lists only
        for name in self.record:
            _one_of("record", name, RECORDABLE)


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
class Links:
    """Edge scores R of a step, every pair once: R is symmetric, with zeros on its diagonal.

    Nothing is thinned: all pairs of the positions that have a score at all are kept, in the
    float16 in which they were recorded, and `matrix` gives R back to the last bit.
    """

    nodes: np.ndarray  # int32 [m], rows of R that are not all zero, ascending; row 0 is the offset
    scores: np.ndarray  # float16 [m (m - 1) / 2], R_ij of nodes i < j, row after row

    @classmethod
    def of(cls, matrix: np.ndarray) -> Links:
        """The links of R, [N N]. Raises InputError if it is not symmetric with a zero diagonal."""
        half = np.asarray(matrix, np.float16)
        if half.diagonal().any() or not np.array_equal(half, half.T, equal_nan=True):
            raise InputError("edge scores must be symmetric, with zeros on the diagonal")
        nodes = np.flatnonzero(half.any(axis=0)).astype(np.int32)
        return cls(nodes, half[np.ix_(nodes, nodes)][np.triu_indices(len(nodes), 1)])

    def between(self) -> np.ndarray:
        """R among the nodes, float16 [m m]; made anew at each call."""
        count = len(self.nodes)
        out = np.zeros((count, count), np.float16)
        a, b = np.triu_indices(count, 1)
        out[a, b] = out[b, a] = self.scores
        return out

    def matrix(self, span: int) -> np.ndarray:
        """R among all rows, float16 [span span]; made anew at each call."""
        out = np.zeros((span, span), np.float16)
        out[np.ix_(self.nodes, self.nodes)] = self.between()
        return out


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
    links: Links | None = None  # raw edge scores, as the step looked at them
    why: Mapping[int, str] = field(default_factory=dict)  # canvas position -> reason
    probes: int = 0  # forward calls made only because RunSpec.record asked; not in nfe

    @property
    def edges(self) -> np.ndarray | None:
        """float16 [N N]: raw edge scores as a matrix, made anew at each call; None without any."""
        return None if self.links is None else self.links.matrix(len(self.confidence))


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


@dataclass(frozen=True)
class AdapterCard:
    """Where an adapter came from, and what it changed."""

    id: str  # of its weights and configuration
    title: str
    base_model: str  # the name that `load` was given
    base_fingerprint: str
    job: Mapping[str, Any]  # the recipe, whole
    created: float  # seconds since 1970
    final_kl: float | None  # held-out KL(target || student) [nats] at the end
    scores: Sequence[Mapping[str, Any]] = ()  # task, model, threshold, n, accuracy, nfe, tpf
