import pytest
import torch

from dlmviz.why import reasons


def test_the_first_rule_that_holds_gives_the_words() -> None:
    asked = torch.tensor([True, True, False, True])
    found = reasons(
        asked,
        (torch.tensor([True, False, False, False]), "above tau"),
        (torch.tensor([True, True, True, False]), lambda i: f"conflicts with {i + 1}"),
        (asked, "below tau"),
    )
    assert found == {0: "above tau", 1: "conflicts with 2", 3: "below tau"}


def test_a_position_that_no_rule_explains_is_our_own_mistake() -> None:
    asked = torch.tensor([True, True])
    with pytest.raises(AssertionError, match="no rule explains position 1"):
        reasons(asked, (torch.tensor([True, False]), "above tau"))
