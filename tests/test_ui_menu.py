"""The menu that was read from the sources says what the imported classes say."""

from __future__ import annotations

import dataclasses

from dlmviz import samplers
from dlmviz.ui.menu import menu


def test_the_menu_says_of_every_sampler_what_its_class_says() -> None:
    entries = menu()
    assert [entry.name for entry in entries] == list(samplers.SAMPLERS)
    for entry, kind in zip(entries, samplers.SAMPLERS.values(), strict=True):
        assert entry.help == " ".join((kind.__doc__ or "").split())
        assert entry.paper == kind.paper
        fields = dataclasses.fields(kind)  # type: ignore[arg-type]
        assert [knob.name for knob in entry.knobs] == [field.name for field in fields]
        for knob, field in zip(entry.knobs, fields, strict=True):
            assert knob.default == field.default
            given = {key: getattr(knob, key) for key in ("low", "high", "help", "choices")}
            assert given == dict(field.metadata)
