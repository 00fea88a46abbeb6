"""The house keeps its word: the README's tree is the tree, and files stay small."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dlmviz"
MODULES = sorted(PACKAGE.rglob("*.py"))


def tree() -> str:
    section = (ROOT / "README.md").read_text().partition("## Where things are")[2]
    return section.split("```")[1]


def test_the_readme_names_every_module() -> None:
    words = set(re.findall(r"[a-z_0-9]+", tree()))
    stems = {path.stem for path in MODULES} - {"__init__"}
    assert stems <= words


def test_every_path_that_the_readme_names_exists() -> None:
    folders = [ROOT]
    for line in tree().strip().splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        path = folders[depth] / name
        assert path.exists(), f"{name} is in the README and not in the tree"
        folders = [*folders[: depth + 1], path]


def test_pictures_and_files_that_the_readme_links_exist() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_no_function_is_longer_than_sixty_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60
    ]
    assert long == []


def test_files_stay_within_their_budget() -> None:
    """types.py is the vocabulary of everything, and may be longer."""
    big = [
        str(path.relative_to(ROOT))
        for path in [*MODULES, *PACKAGE.rglob("*.js")]
        if path.name != "types.py" and len(path.read_text().splitlines()) > 250
    ]
    assert big == []


def test_samplers_stay_within_eighty_lines() -> None:
    for path in (PACKAGE / "samplers").glob("[a-z]*.py"):
        assert len(path.read_text().splitlines()) <= 80, path.name
