"""Prompts with the lengths their answers have, for replays."""

import gzip
import json
import pathlib
import random

from . import money

TOPICS = ("rivers", "taxes", "sorting", "bridges", "enzymes", "treaties", "batteries", "poems")
KINDS = (
    "What are {topic}? Answer in one sentence.",
    "Translate to French: the {topic} of the north are older than we thought ({i}).",
    "Write a Python function that groups {topic} by their year and returns the {i} largest.",
    "Prove that the sum of the first {i} odd numbers is a square, using {topic} as an example.",
    "Summarise in three points: {filler}",
    "Extract every date from this text about {topic} as JSON: {filler}",
    "A train leaves at {i}:07 with {i} tons of {topic}. Step by step, when does it arrive?",
    "Which of these is true of {topic}?\nA. all\nB. none\nC. some\nD. {i}\nAnswer:",
)


def generated(count, seed=1865):
    """`count` different prompts of our own: [{"prompt", "prompt_tokens", "completion_tokens"}]."""
    chance = random.Random(seed)
    rows = []
    for i in range(count):
        filler = " ".join(chance.choice(TOPICS) + f" of {1800 + chance.randrange(220)}"
                          for _ in range(chance.randrange(10, 120)))
        text = chance.choice(KINDS).format(topic=chance.choice(TOPICS), i=i, filler=filler)
        rows.append(row_of(text, chance))
    return rows


def row_of(text, chance, scores=None):
    return {"prompt": text, "prompt_tokens": max(4, len(text.encode()) // 4 + chance.randrange(9)),
            "completion_tokens": 1 + int(chance.expovariate(1 / 60)) % 400, "scores": scores or {}}


def recorded(folder, count, seed=1865):
    """Rows of a routing data folder (*.jsonl.gz); lengths where the data has none are drawn from a
    seeded distribution, so that a replay is the same every time."""
    chance = random.Random(seed)
    rows, seen = [], set()
    for path in sorted(pathlib.Path(folder).glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                data = json.loads(line)
                text = data["prompt"]
                if text and text not in seen:
                    seen.add(text)
                    rows.append(row_of(text, chance, data.get("scores")))
    chance.shuffle(rows)
    return rows[:count]


def lengths(rows):
    """The script's `lengths` for these rows."""
    return {money.fnv1a_hex(r["prompt"]): {"prompt": r["prompt_tokens"],
                                           "completion": r["completion_tokens"]} for r in rows}
