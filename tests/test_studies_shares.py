"""Several processes do a study as one process does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlmviz.cli import main
from dlmviz.studies import find, journal, report
from dlmviz.studies.command import loader
from dlmviz.studies.run import Watch, batches, run
from dlmviz.studies.shares import gather, run_shared
from dlmviz.types import InputError

STUDY = find("order")
#: three batches; each process starts anew, so the study is a short one
SETTINGS = STUDY.settings(tasks="words", arms="fast_dllm tau=0.5", n=3)


def rows(folder: Path) -> list[str]:
    return (folder / journal.ROWS).read_text().splitlines()


def test_two_processes_give_the_rows_of_one_from_wherever_another_stopped(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    load = loader("cpu")
    run(STUDY, SETTINGS, one, load, batch=1)
    last = [False]
    run(
        STUDY, SETTINGS, two, load, Watch(lambda d, n: last.append(True), lambda: last[-1]), batch=1
    )
    third = two / "share-2-of-3"
    run(STUDY, SETTINGS, third, load, batch=1, share=(2, 3))
    assert [len(rows(folder)) for folder in (two, third)] == [1, 1]
    seen: list[tuple[int, int]] = []
    run_shared(STUDY, SETTINGS, two, "cpu", 2, Watch(lambda *at: seen.append(at)), batch=1)
    assert rows(two) == rows(one)
    assert seen[-1] == (3, 3)
    assert not list(two.glob("share-*"))
    assert report.write(STUDY, SETTINGS, two).units == 3


def test_shares_are_all_batches_and_no_batch_twice(tmp_path: Path) -> None:
    units = STUDY.units(SETTINGS)
    done: list[str] = []
    for at in range(2):
        run(STUDY, SETTINGS, tmp_path / str(at), loader("cpu"), batch=2, share=(at, 2))
        done += journal.entries(tmp_path / str(at))
    assert sorted(done) == sorted(unit.key for unit in units)
    groups = [[unit.key for unit in group] for group in batches(units, 2)]
    assert [key for group in groups for key in group] == done


def test_gathered_rows_stand_in_the_order_of_the_units(tmp_path: Path) -> None:
    for name, keys in (("", "b"), ("share-0-of-2", "dz"), ("share-1-of-2", "a")):
        (tmp_path / name).mkdir(exist_ok=True)
        journal.append(tmp_path / name, [journal.Entry(key, "", "") for key in keys])
    gather(tmp_path, ["a", "b", "c", "d"])
    assert [*journal.entries(tmp_path)] == ["a", "b", "d"]
    assert [path.name for path in tmp_path.iterdir()] == [journal.ROWS]


def test_a_folder_of_other_settings_is_refused_before_any_process_starts(tmp_path: Path) -> None:
    journal.begin(tmp_path, {"study": "another"})
    with pytest.raises(InputError, match="other settings"):
        run_shared(STUDY, SETTINGS, tmp_path, "cpu", 2, Watch())


@pytest.mark.parametrize("more", [["--workers", "0"], ["--workers", "2", "--traces", "x"]])
def test_workers_that_cannot_be_are_a_sentence(
    more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "order", *more]) == 2
    assert "workers must be at least 1" in capsys.readouterr().err
