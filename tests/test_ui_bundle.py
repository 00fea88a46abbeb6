"""The page's modules travel as one; what the joining could get wrong is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dlmviz.ui import bundle


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[bundle.route()]))


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, **texts: str) -> None:
    """Makes these the page's modules."""
    for name, text in texts.items():
        (folder / f"{name}.js").write_text(text)
    monkeypatch.setattr(bundle, "WEB", folder)


def test_every_module_travels_with_some_page() -> None:
    joined = {name for start in bundle.STARTS for name in bundle.modules(start)}
    assert joined == {path.name for path in bundle.WEB.glob("*.js")} | {"words.js"}


def test_a_module_stands_behind_all_that_it_imports() -> None:
    for start in bundle.STARTS:
        order = bundle.modules(start)
        for place, name in enumerate(order):
            needed = re.findall(r"""from ["']\./([^"']+)["']""", bundle.source(name))
            assert {*needed} <= {*order[:place]}, name


def test_every_name_that_is_imported_is_one_that_the_joined_module_gives() -> None:
    lacking = {
        (path.name, name.strip())
        for path in bundle.WEB.glob("*.js")
        for found in bundle.IMPORT.finditer(path.read_text(encoding="utf-8"))
        for name in (found["names"] or "").split(",")
        if name.strip()
        and name.split(" as ")[0].strip() not in bundle.EXPORT.findall(bundle.source(found["file"]))
    }
    assert lacking == set()


def test_a_joined_page_holds_each_module_once_and_imports_nothing() -> None:
    for start in bundle.STARTS:
        text = bundle.script(start)
        assert re.findall(r'(?m)^\$\["(.+)"\] = ', text) == bundle.modules(start)
        assert not re.search(r"(?m)^import\b", text)
        assert not re.search("</|<!--", text)  # it may stand in a script element


def test_names_are_kept_apart_and_renamed_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(
        tmp_path,
        monkeypatch,
        one="const own = 1;\nexport const a = own;\nexport async function b() {}\n",
        two='import {\n  a as first,\n  b,\n} from "./one.js";\nimport * as all from "./one.js";\n'
        "export class C {}\n",
    )
    assert bundle.script("two.js") == (
        "const $ = {};\n"
        '$["one.js"] = (() => {\nconst own = 1;\nconst a = own;\nasync function b() {}\n\n'
        "return { a, b };\n})();\n"
        '$["two.js"] = (() => {\nconst {\n  a: first,\n  b,\n} = $["one.js"];\n'
        'const all = $["one.js"];\nclass C {}\n\nreturn { C };\n})();\n'
        "export const { C } = $['two.js'];\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "export default 1;",
        'export { a } from "./one.js";',
        "export let a = 1;",
        'import "./one.js";',
        'import one from "./one.js";',
    ],
)
def test_another_form_of_import_or_export_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, monkeypatch, one="", two=text)
    with pytest.raises(ValueError, match=r"two\.js holds an import or export that is not joined"):
        bundle.script("two.js")


def test_modules_that_import_each_other_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = 'import { b } from "./two.js";', 'import { a } from "./one.js";'
    written(tmp_path, monkeypatch, one=one, two=two)
    with pytest.raises(ValueError, match=r"circle: one\.js -> two\.js"):
        bundle.modules("one.js")


def test_what_the_page_links_to_is_there_and_may_be_kept(client: TestClient) -> None:
    places = re.findall(r'href="([^"]+)"', bundle.head() + bundle.head("preload"))
    assert len(places) == 3
    for place in places:
        answer = client.get(f"/{place}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].startswith(("text/css", "text/javascript"))


def test_nothing_else_is_handed_out(client: TestClient) -> None:
    for name in ("main.js", "..%2Fbundle.py", "x"):
        assert client.get(f"/dlmviz/bundle/{name}").status_code == 404
