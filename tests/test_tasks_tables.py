import re
from collections import Counter
from random import Random

import pytest

from dlmviz.tasks.tables import column, rows
from dlmviz.tasks.tables.noise import noisy
from dlmviz.types import InputError

CONTINENTS = {"Africa", "Asia", "Europe", "North America", "South America", "Oceania"}


def test_every_country_and_every_capital_stands_once():
    for name in ("country", "capital"):
        assert max(Counter(column("countries", name)).values()) == 1
    assert len(rows("countries")) >= 120


def test_continents_come_from_the_list_and_all_are_used():
    assert set(column("countries", "continent")) == CONTINENTS


def test_only_a_language_may_be_missing():
    for row in rows("countries"):
        assert all(row[name] for name in ("country", "capital", "currency", "continent"))


@pytest.mark.parametrize("table", ["countries", "elements"])
def test_cells_are_ascii_words_without_stray_space_and_rows_are_complete(table):
    for row in rows(table):
        assert None not in row
        assert None not in row.values()
        for cell in filter(None, row.values()):
            assert re.fullmatch(r"[A-Za-z0-9]+([ -][A-Za-z]+){0,3}", cell), cell


def test_a_currency_of_two_words_names_its_own_country_unless_several_share_it():
    shared = {"CFA franc", "US dollar", "Swiss franc", "East Caribbean dollar"}
    irregular = {"Danish krone": "Denmark"}
    for row in rows("countries"):
        words = row["currency"].split()
        if row["currency"] in irregular:
            assert row["country"] == irregular[row["currency"]]
        elif len(words) > 1 and row["currency"] not in shared:
            assert row["currency"][:3] in row["country"], row


def test_well_known_facts_are_as_everybody_knows_them():
    known = {row["country"]: row for row in rows("countries")}
    assert known["Kenya"]["capital"] == "Nairobi"
    assert known["Japan"]["currency"] == "yen"
    assert known["Brazil"]["language"] == "Portuguese"
    assert known["Australia"]["capital"] == "Canberra"
    assert known["Mexico"]["continent"] == "North America"
    elements = {row["element"]: (row["symbol"], row["number"]) for row in rows("elements")}
    assert elements["iron"] == ("Fe", "26")
    assert elements["gold"] == ("Au", "79")
    assert elements["uranium"] == ("U", "92")


def test_elements_are_unique_with_symbols_of_one_or_two_letters_in_order_of_number():
    for name in ("element", "symbol", "number"):
        assert len(set(column("elements", name))) == len(rows("elements")) >= 40
    assert all(re.fullmatch(r"[A-Z][a-z]?", symbol) for symbol in column("elements", "symbol"))
    numbers = [int(number) for number in column("elements", "number")]
    assert numbers == sorted(numbers)
    assert numbers[:20] == list(range(1, 21))
    assert numbers[-1] <= 118


def test_symbols_start_like_the_element_unless_they_come_from_another_name():
    other = {"Na", "K", "Fe", "Ag", "Sn", "Sb", "W", "Au", "Hg", "Pb"}
    pairs = [(row["element"], row["symbol"]) for row in rows("elements")]
    assert {symbol for name, symbol in pairs if name[0].upper() != symbol[0]} == other
    for name, symbol in pairs:
        if symbol not in other | {"Cu"}:  # cuprum
            assert symbol[1:] in name[1:], name


def test_a_column_follows_the_rows_and_is_read_once():
    assert column("countries", "capital") == tuple(r["capital"] for r in rows("countries"))
    assert rows("countries") is rows("countries")


def test_unknown_tables_and_columns_are_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"'planets'.*countries, elements"):
        rows("planets")
    with pytest.raises(InputError, match=r"'mayor'.*country, capital"):
        column("countries", "mayor")


def test_about_a_tenth_of_the_prompts_get_noise_and_keep_their_question():
    rng = Random(0)
    asked = "What is the capital of Kenya?"
    seen = Counter(noisy(asked, rng) for _ in range(4000))
    assert 0.88 < seen[asked] / 4000 < 0.92
    assert {asked.lower(), asked[:-1]} < set(seen)
    assert all("capital of kenya" in prompt.lower() for prompt in seen)
    assert any("please" in prompt.lower() for prompt in seen)
