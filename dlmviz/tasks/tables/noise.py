"""Light noise for prompts: what people do to a question without changing what it asks."""

from __future__ import annotations

from random import Random

SHARE = 0.1  # of prompts that are changed
OPENERS = (
    "Hello.",
    "Hi there.",
    "I have a question.",
    "Please help me.",
    "Please answer.",
    "Here is a small task.",
    "One more, please.",
    "Next one.",
)
CLOSERS = ("Thank you.", "Thanks.", "Thanks a lot.", "Please.", "Take your time.")


def noisy(prompt: str, rng: Random) -> str:
    """The prompt, in one of ten cases lower-cased, without its end mark, or with a filler.

    The prompt must end in "." or "?". Answers are never given to this function.
    """
    if rng.random() >= SHARE:
        return prompt
    way = int(rng.random() * 4)
    if way == 0:
        return prompt.lower()
    if way == 1:
        return prompt.rstrip(".?")
    if way == 2:
        return f"{OPENERS[int(rng.random() * len(OPENERS))]} {prompt}"
    return f"{prompt} {CLOSERS[int(rng.random() * len(CLOSERS))]}"
