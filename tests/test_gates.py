"""A gate passes exactly where its target says so."""

from benchmarks import gates

RIGHT = dict.fromkeys((*gates.CONSTRAINED, *gates.INDEXED), 100.0)


def arm(accuracy, nfe=10.0, **kinds):
    by_kind = {kind: {"accuracy": value} for kind, value in (RIGHT | kinds).items()}
    return {"accuracy": accuracy, "nfe": nfe, "kinds": by_kind}


def verdicts(table):
    return {row["name"]: row["pass"] for row in gates.of(table)}


def test_greedy_targets_include_their_boundary() -> None:
    assert verdicts({"stories/greedy": arm(90.0)})["stories"]
    assert not verdicts({"stories/greedy": arm(89.98)})["stories"]


def test_a_missing_arm_yields_no_gate() -> None:
    assert verdicts({"stories/tau 0.9": arm(90.0)}) == {}


def test_the_threshold_may_lose_two_points_and_must_save_three_quarters_of_the_forwards() -> None:
    kept = {"mrf/greedy": arm(99, 32), "mrf/tau 0.9": arm(97, 8)}
    assert all(v for k, v in verdicts(kept).items() if "tau 0.9" in k)
    lost = {"mrf/greedy": arm(99, 32), "mrf/tau 0.9": arm(96.9, 8.1)}
    assert not any(v for k, v in verdicts(lost).items() if "tau 0.9" in k)


def test_means_over_tasks_need_every_task() -> None:
    table = {}
    for group in gates.COMPARED:
        assert not [name for name in verdicts(table) if "mean over tasks" in name]
        table |= {f"{group}/greedy": arm(99, 40), f"{group}/tau 0.9": arm(98, 10)}
    assert [v for k, v in verdicts(table).items() if "mean over tasks" in k] == [True, True]


def test_one_wrong_copy_misses_the_gate_that_they_all_stay_right() -> None:
    low = dict.fromkeys(gates.CONSTRAINED, 80.0)
    name = "tau 0.5: copy, reverse and indexed edits"
    table = {"lists/greedy": arm(100), "lists/tau 0.5": arm(90, **low)}
    assert verdicts(table)[name]
    table["lists/tau 0.5"] = arm(90, **low | {"copy": 98.0})
    assert not verdicts(table)[name]
