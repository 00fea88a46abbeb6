"""The form of a training of a head: a field for every setting of its recipe, whatever they are.

A recipe is a module like dlmviz.jobs.demask.recipe: a dataclass Recipe whose field `fit` is another
one, with its PRESETS and recipe_of. Fields hold text, as it was typed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlmviz.types import InputError
from dlmviz.ui.distil_form import Field, Unfit, Value, number, tasks_of, text_of

INNER = "fit."  # before the name of a setting of the fit
GROUPS = {  # of what is in sight at once; all else stands under more settings
    "model": "",
    **dict.fromkeys(("tasks", "count", "held"), "prompts"),
    **{
        INNER + name: "training"
        for name in ("sources", "draws", "sizes", "steps", "epochs", "lr", "layers", "width")
    },
}


@dataclass(frozen=True)
class HeadForm:
    """What stands in the fields of one kind of head, and the recipe of it."""

    recipes: Any  # the module

    def values(self) -> dict[str, Any]:
        """field -> a value of its type, in the recipe's order."""
        recipe = self.recipes.Recipe()
        plain = {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)}
        inner = dataclasses.asdict(plain.pop("fit"))
        return plain | {INNER + name: value for name, value in inner.items()}

    def form(self) -> dict[str, Any]:
        """What the page needs to draw it."""
        fields = [
            {
                **dataclasses.asdict(Field(name, GROUPS.get(name, "more"))),
                "switch": isinstance(value, bool),
            }
            for name, value in self.values().items()
        ]
        presets = [
            {"name": name, "values": self.texts(recipe.to_json())}
            for name, recipe in self.recipes.PRESETS.items()
        ]
        return {"fields": fields, "presets": presets}

    def texts(self, recipe: Mapping[str, Any]) -> dict[str, Value]:
        """field -> what stands in it; of plain values, which anybody may have edited."""
        fit = recipe.get("fit")
        inner = fit.items() if isinstance(fit, Mapping) else ()
        given = dict(recipe) | {INNER + str(name): value for name, value in inner}
        return {
            name: text_of(name, given[name], kind)
            for name, kind in self.values().items()
            if name in given
        }

    def recipe(self, given: Mapping[str, Any], store: Path) -> Any:
        """The recipe of what stands in the fields. Raises Unfit for the first that does not fit."""
        kinds = self.values()
        if unknown := sorted(given.keys() - kinds.keys()):
            raise Unfit("", f"the form has no field {unknown[0][:80]!r}; reload the page")
        values = {name: typed(name, kinds[name], given[name]) for name in kinds if name in given}
        fit = {k.removeprefix(INNER): v for k, v in values.items() if k.startswith(INNER)}
        plain = {k: v for k, v in values.items() if not k.startswith(INNER)}
        found = None
        for before, part in ((INNER, {}), ("", plain)):  # of both, one may have a name of the other
            try:
                found = self.recipes.recipe_of({**part, "fit": fit})
            except InputError as error:
                name = before + str(error).split()[0].rstrip(":")
                raise Unfit(name if name in kinds else "", str(error)) from error
        return found


def typed(field: str, kind: Any, given: Any) -> Any:
    """What was typed, in the type of its field. Raises Unfit."""
    if field == "tasks":
        return tasks_of(given)
    if isinstance(kind, bool):
        return given is True
    text, name = str(given).strip(), field.removeprefix(INNER)
    if isinstance(kind, tuple):  # of numbers
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return tuple(number(field, name, part, kind[0]) for part in parts)
    if isinstance(kind, int | float):
        return number(field, name, text, kind)
    if field == "model" and not text:
        raise Unfit("model", "the model is empty: type tiny, tiny-early, a folder or a hub id")
    return text
