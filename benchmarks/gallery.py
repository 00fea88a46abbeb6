"""Records the runs that the app opens with: assets/gallery/*.npz.

    python -m benchmarks.gallery

Each run is a real decode of the built-in models; its title, what to look at and the grader's
verdict are stored with it. Files of runs that are no exhibits any more are deleted.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import dlmviz
from benchmarks.exhibits import EXHIBITS
from benchmarks.showcase import Exhibit
from dlmviz.tasks import verdict
from dlmviz.types import Denoiser, RunSpec, Trace

GALLERY = Path(__file__).resolve().parents[1] / "assets" / "gallery"


def spec(exhibit: Exhibit) -> RunSpec:
    """The run of an exhibit."""
    return RunSpec(
        prompt=exhibit.example.prompt,
        model=exhibit.model,
        gen_length=exhibit.gen_length,
        block_length=exhibit.block_length,
        sampler=exhibit.sampler,
        params=exhibit.params,
        temperature=exhibit.temperature,
        seed=exhibit.seed,
        record=exhibit.record,
    )


def recorded(exhibit: Exhibit, model: Denoiser) -> Trace:
    """The graded trace of an exhibit. Raises ValueError if it does not end as the exhibit says."""
    trace, example = dlmviz.decode(model, spec(exhibit)), exhibit.example
    told = verdict(example, trace.text)
    if told["correct"] != exhibit.right:
        expected = "right" if exhibit.right else "wrong"
        raise ValueError(f"{exhibit.name} should be {expected}: the model wrote {trace.text!r}")
    info = {**trace.info, "title": exhibit.title, "look": exhibit.look, "example": told}
    return dataclasses.replace(trace, info=info)


def main() -> None:
    GALLERY.mkdir(parents=True, exist_ok=True)
    models = {name: dlmviz.load(name, device="cpu") for name in {e.model for e in EXHIBITS}}
    for exhibit in EXHIBITS:
        trace = recorded(exhibit, models[exhibit.model])
        trace.save(GALLERY / f"{exhibit.name}.npz")
        verdict = "right" if exhibit.right else "wrong"
        print(f"{exhibit.name:24} {verdict} NFE {trace.nfe:3} {trace.text!r}", flush=True)
    names = {exhibit.name for exhibit in EXHIBITS}
    for path in GALLERY.glob("*.npz"):
        if path.stem not in names:
            path.unlink()


if __name__ == "__main__":
    main()
