"""What a distillation job is asked to do, as plain values: no torch, so that the page can ask."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from dlmviz.learn.distill.settings import Settings
from dlmviz.types import InputError, RunSpec

MOST = 100_000  # prompts, or tokens of an answer
LOWEST = {"count": 1, "held": 0, "scored": 0, "gen_length": 0, "block_length": 1, "batch": 1}
PRECISIONS = ("auto", "float32", "bf16")
SCORED = ("fast_dllm", "slow_fast")  # samplers with one threshold that both models are compared at


@dataclass(frozen=True)
class Recipe:
    """A model, prompts that it answers itself, how the student learns, how both are compared."""

    model: str = "tiny"
    tasks: tuple[str, ...] = ("stories",)  # in equal shares; none where a file is given
    prompts: str = ""  # a JSON-lines file
    count: int = 2000  # prompts to learn from
    held: int = 64  # further prompts for the held-out KL
    gen_length: int = 0  # tokens of an answer; 0 is each task's own
    block_length: int = 32  # of the decode that makes the answers
    tau: float = 0.9  # threshold of the decode that makes the answers (Fast-dLLM)
    batch: int = 32  # answers made by one forward
    settings: Settings = field(default_factory=Settings)
    precision: str = "auto"  # bf16 on a GPU, else float32
    scored: int = 100  # unique prompts a task in the comparison
    thresholds: tuple[float, ...] = (0.9, 0.8, 0.7, 0.5)
    scorer: str = "fast_dllm"

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        object.__setattr__(self, "thresholds", tuple(self.thresholds))
        if bool(self.tasks) == bool(self.prompts):
            raise InputError(
                "prompts come from tasks or from a file: got "
                f"{', '.join(self.tasks) or 'no task'} and {self.prompts or 'no file'}; give one"
            )
        lowest = {
            "count": 1,
            "held": 0,
            "scored": 0,
            "gen_length": 0,
            "block_length": 1,
            "batch": 1,
        }
        for name, low in lowest.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= MOST:
                raise InputError(
                    f"{name} must be a whole number from {low} to {MOST}: got {value!r}"
                )
        if self.prompts and not self.gen_length:
            raise InputError(
                "gen_length must be given where prompts come from a file: got 0; try 256"
            )
        if self.precision not in PRECISIONS:
            raise InputError(
                f"precision must be auto, float32 or bf16: got {self.precision!r}; take auto"
            )
        if self.scorer not in SCORED:
            raise InputError(f"scorer must be one of {', '.join(SCORED)}: got {self.scorer!r}")
        for name, tau in (("tau", self.tau), *(("thresholds", t) for t in self.thresholds)):
            if not (isinstance(tau, int | float) and 0 <= tau <= 1):
                raise InputError(f"{name}: a threshold lies in 0..1: got {tau!r}; try 0.9")

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain values, which `recipe_of` takes back."""
        return dataclasses.asdict(self)

    def spec(self, prompt: str, gen_length: int, block_length: int, **params: Any) -> RunSpec:
        """How one prompt is decoded."""
        return RunSpec(
            prompt=prompt,
            model=self.model,
            gen_length=gen_length,
            block_length=block_length,
            stop="eos",
            **params,
        )


def recipe_of(given: Mapping[str, Any]) -> Recipe:
    """The recipe that plain values describe. Raises InputError for anything else."""
    known = {f.name for f in dataclasses.fields(Recipe)}
    inner = {f.name for f in dataclasses.fields(Settings)}
    settings = given.get("settings", {})
    if not isinstance(settings, Mapping):
        raise InputError(f"settings must be an object: got {settings!r}")
    unknown = sorted((given.keys() - known) | (settings.keys() - inner))
    if unknown:
        raise InputError(
            f"a distillation has no setting {', '.join(unknown)}; "
            f"it has {', '.join(sorted((known | inner) - {'settings'}))}"
        )
    try:
        return Recipe(**{**given, "settings": Settings(**settings)})
    except TypeError as error:
        raise InputError(f"a setting has a value of the wrong kind: {error}") from error


#: what helped (benchmarks/results/distill.json): the teacher goes on as it decodes, four looks long
EXTENDED: Mapping[str, Any] = MappingProxyType(
    {"tau_tr": 0.9, "looks": 4, "best": True, "eos": False, "cooldown": 0.3}
)
PRESETS: Mapping[str, Recipe] = MappingProxyType(
    {
        "demo": Recipe(
            model="tiny-early",
            tasks=("pairs",),
            count=96,
            held=24,
            settings=Settings(**EXTENDED, lr=1e-3, steps=48, batch=8, warmup=6, save=12),
            scored=24,
            thresholds=(0.9, 0.5),
        ),
        "built-in": Recipe(
            tasks=("stories", "trivia", "lists", "puzzles", "words", "pairs", "mrf"),
            count=14000,
            held=224,
            settings=Settings(**EXTENDED, lr=1e-3, steps=1000, batch=64, warmup=50, save=100),
        ),
        "paper": Recipe(
            model="GSAI-ML/LLaDA-8B-Instruct",
            tasks=(),
            prompts="gsm8k_train.jsonl",
            count=7300,
            held=64,
            gen_length=1024,
            block_length=128,
            batch=8,
            settings=Settings(
                steps=2700, batch=1, accumulation=8, lr=2e-5, save=50, checkpointing=True
            ),
            scored=0,
        ),
    }
)
TITLES: Mapping[str, str] = MappingProxyType(
    {
        "demo": "A minute on a laptop",
        "built-in": "The built-in model, on a GPU",
        "paper": "The paper's recipe for LLaDA-8B",
    }
)
