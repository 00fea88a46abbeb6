"""The words of the Learn page in English. [Key] in a text is drawn as a key.

Every language has the same names, and a step as many `asks` as its lesson has actions.
"""

from __future__ import annotations

from typing import Any

ENGLISH: dict[str, Any] = {
    "language": "English",
    "title": "How a model writes by filling gaps",
    "home": "To the main page",
    "steps": "Parts of the tour",
    "place": "Part {at} of {of}",
    "todo": "Do this",
    "is_done": "done",
    "is_open": "still to do",
    "well": "Done. {seen}",
    "question": "A question to try",
    "answer": "One answer",
    "paper": "Where it comes from",
    "back": "Back",
    "next": "Next",
    "finish": "Try your own",
    "again": "Start again",
    "choose": "Run on screen",
    "mask": {
        "title": "What a mask is",
        "text": [
            "Most language models write from left to right. This one starts with a row of blanks. "
            "Each grey block is a mask: a place where the model has not decided yet.",
            "At every step it looks at the whole row, guesses every blank at once, and keeps only "
            "the guesses it is surest of. Then it looks again, with a few more words to go by.",
        ],
        "asks": ["Press [Space], or the round button, and watch the blanks fill."],
        "seen": "A ring marks what a step wrote. It jumps about: nothing went from left to right.",
        "question": "The answer holds four sums. Why does 150, the last result, come last?",
        "answer": "A result is only sure once both numbers of its sum are there.",
        "paper": "LLaDA, arXiv 2502.09992: how such a model is trained, and how it writes.",
    },
    "order": {
        "title": "How sure, and in which order",
        "text": [
            "The colour of a word says how sure the model was when it wrote it: dark blue is a "
            "guess, yellow is certain. The rule of this run: write all that is at least 90 % sure.",
            "Grey blocks are not empty for the model. The card lists the words it weighs there, "
            "each with its chance.",
        ],
        "asks": [
            "Point at a grey block, or choose one with [↑] [↓], and read its list.",
            "Press [n], or “Order”: every word gets the number of the step that wrote it.",
        ],
        "seen": "Small numbers are early words. The colour says how sure, the number says when.",
        "question": "Find a grey block with two likely words. What would settle it?",
        "answer": "Often a word or a number before it that is still a blank itself.",
        "paper": "Fast-dLLM, arXiv 2505.22618: write at once all that passes a threshold.",
    },
    "parallel": {
        "title": "Why writing many at once can go wrong",
        "text": [
            "The question is for a country in Africa and its capital. Alone, each of the two "
            "places has many good answers.",
            "If both are drawn at the same step, neither knows of the other. One at a step, the "
            "second can look at the first.",
        ],
        "runs": ["Four tokens a step", "One token a step"],
        "asks": [
            "Four tokens a step: go to the end ([End]) and read the answer. Is it true?",
            "Change the run to one token a step, go to the end, read again.",
        ],
        "seen": "Same model, same question: what differs is only how many were drawn together.",
        "question": "Would better chances for each place alone have saved the first answer?",
        "answer": "No. Even with perfect chances, two draws that do not know of each other mix.",
        "paper": "ParallelBench, arXiv 2510.04767: what writing in parallel costs, measured.",
    },
    "slow_fast": {
        "title": "Slow tokens and fast tokens",
        "text": [
            "This answer is written in blocks of 16. When a block opens, the model is asked twice: "
            "as it stands, and with the block before hidden again.",
            "Where the two opinions differ much (the number is called JSD), the token leans on "
            "what was just written. It is slow: it must be 90 % sure. The others are fast: 70 %.",
        ],
        "asks": [
            "Go with [→] to a step where a new block opens, such as step 3.",
            "Point at a grey block whose card says “slow set”.",
        ],
        "seen": "Slow tokens wait for what they lean on; fast ones need not.",
        "question": "101 + 6 = 107. Which is slow when block 2 opens: 101 or 107?",
        "answer": "107: it has to be worked out, and 101, its start, was found in the block before "
        "and only needs to be copied.",
        "paper": "Disentangled Decoding, OpenReview 0ZSLZWAmWo, section 4.2.",
    },
    "graph": {
        "title": "From attention to an independent set",
        "text": [
            "Every place of this model looks at all others: that is attention. Two blanks that "
            "look at each other strongly may depend on each other: join them by a line.",
            "Of the tokens that are not sure, write only those with no line between them: an "
            "independent set. The others wait, and can then look at what was written.",
        ],
        "asks": [
            "At step 1 one grey block of the sentence is left. Point at it: “conflicts with”.",
            "Go one step on ([→]): now it is written, and it fits.",
        ],
        "seen": "Two steps, and yet country and capital belong together.",
        "question": "Would it have mattered which of the two is written first?",
        "answer": "No. Each settles the other: after the capital only one country is left, and the "
        "other way round.",
        "paper": "DAPD, arXiv 2603.12996: dependency-aware parallel decoding.",
    },
    "learned": {
        "title": "Dependence that was learned",
        "text": [
            "To look at each other is not yet to depend. One can measure it: write a guess into "
            "one blank and see how far the chances at another one move. That is D, from 0 to 1.",
            "Measuring all pairs would cost many looks. A small network has learned to predict D "
            "from what the model has in mind anyway. The rule: take the surest tokens, as long as "
            "their D adds up to no more than a budget, here 0.1.",
            "Another way out: let a second, tiny model write eight tokens at a time from left to "
            "right. It reads what the first one thinks of them, and makes them fit each other.",
        ],
        "runs": ["Within a budget", "In pieces of eight"],
        "asks": [
            "At step 1 two grey blocks of the sentence are left. Point at one: “over budget”.",
            "Go on ([→]) until both are written.",
            "Change to the pieces of eight and go to the end: which piece came last?",
        ],
        "seen": "The arc between the two was the warning; one after the other, they fit. In the "
        "pieces, country and capital came at one step, and fit as well.",
        "question": "Why may thirty tokens be written at step 1, and these two may not?",
        "answer": "The others stay what they are, whatever the country is: their D is next to "
        "nothing. Country and capital settle each other.",
        "paper": "DEMASK, arXiv 2604.02560, and CoDiLA, 2603.20216. Both small parts are our own.",
    },
    "training": {
        "title": "What training changes",
        "text": [
            "The same small Sudoku and the same rule (80 % sure is enough), but two models: one "
            "was stopped early in its training, the other is bigger and was trained longer.",
            "Measured on 500 puzzles, at 70 %: the early model gets 63.8 % right, the other "
            "99.4 %. A rule that trusts confidence is as good as the confidence. (Distillation "
            "trains a model to need fewer steps: on questions like that of the capital, ours "
            "needs 1.34 times fewer and is right as often. The tab Train does it.)",
        ],
        "runs": ["The early model", "The full model"],
        "asks": [
            "The early model: go to the end ([End]) and check the columns.",
            "Change to the full model, go to the end, check again.",
        ],
        "seen": "The early model was faster, and wrong: it promised more than it knew.",
        "question": "Which digits clash with the early model, and when were they written?",
        "answer": "Two 3s in the last column, both at step 2, and two 2s in the third, both at "
        "step 3: each pair at once.",
        "paper": "LLaDA, arXiv 2502.09992, for the training; the scores are in our model cards.",
    },
}
