"""How the task of pairs asks: forms whose blanks take what is asked for."""

from __future__ import annotations

FACT_FORMS = (
    "Name {} and its {}.",
    "Give {} and its {}.",
    "Pick {} and tell me its {}.",
    "Choose {} and name its {}.",
    "Think of {} and name its {}.",
    "Tell me {} and its {}.",
    "Write {} with its {}.",
    "Take {} and write its {}.",
    "Can you name {} and its {}?",
    "I need {} and its {}.",
    "Find {} and its {}.",
    "Say {} and its {}.",
    "Select {} and state its {}.",
    "Please name {} together with its {}.",
    "Answer with {} and its {}.",
    "I am looking for {} and its {}.",
    "Mention {} and its {}.",
)
LETTERED = ("that starts with", "whose name starts with", "beginning with", "with the first letter")
NAME_FORMS = (
    "Write {} {} times.",
    "Say {} {} times.",
    "Choose {} and write it {} times.",
    "Pick {} and repeat it {} times.",
    "Think of {} and write it {} times.",
    "Give me {} {} times.",
    "Repeat {} {} times.",
    "I want {} written {} times.",
    "Think up {} and say it {} times.",
)
NAMED = ("one name", "a first name", "any name", "the same name")
DIGIT_FORMS = (
    "Write two digits that sum to {}.",
    "Give two digits with the sum {}.",
    "Name two digits whose sum is {}.",
    "Which two digits add up to {}?",
    "Find two digits that add up to {}.",
    "Choose two digits that make {} together.",
    "Write {} as the sum of two digits.",
    "Split {} into two digits.",
    "Pick two digits with a total of {}.",
    "Tell me two digits that make {}.",
    "I need two digits with the sum {}.",
    "Two digits give {} in all. Which ones?",
    "Write a sum of two digits that is {}.",
    "What two digits add up to {}?",
)
COIN_FORMS = tuple(
    f"{toss} a coin{once} and {write} {{}} times."
    for toss in ("Toss", "Flip", "Throw")
    for once in ("", " once")
    for write in ("write the result", "say the result", "repeat the result", "write what you see")
)
