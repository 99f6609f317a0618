"""The quick look before zlib loses no loop: each kind of loop, planted into lessons at each length, is judged as by
zlib alone.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from ftworker.curation import repetition
from ftworker.demo.conversations import packaged_conversations
from ftworker.settings import CurationSettings

ROUNDS = 60
SETTINGS = CurationSettings()
SENTENCES = tuple(
    sentence
    for talk in packaged_conversations()
    for message in talk["messages"]
    if message["role"] == "assistant"
    for sentence in re.split(r"(?<=[.!?])\s+", message["content"])
    if len(sentence) > 25
)
WORDS = tuple(" ".join(SENTENCES).split())
PERSONS = ("yo", "tú", "él", "nosotros", "vosotros", "ellos")


def prose(dice: random.Random, characters: int) -> str:
    said: list[str] = []
    while sum(map(len, said)) < characters:
        said.append(dice.choice(SENTENCES))
    return " ".join(said)


def planted(dice: random.Random) -> Iterator[tuple[str, str]]:
    """One text of each kind of repetition: loops of models, and what lessons repeat by nature."""
    times = dice.randint(2, 40)
    sentence, other, word = dice.choice(SENTENCES), dice.choice(SENTENCES), dice.choice(WORDS)
    phrase = dice.sample(WORDS, dice.randint(2, 12))
    two = dice.sample(WORDS, 2)
    yield "sentence", " ".join([sentence] * times)
    yield "numbered sentence", " ".join(f"{number}. {sentence}" for number in range(times))
    yield "two sentences", " ".join([sentence, other] * times)
    yield "line", "\n".join(f"{sentence} {dice.randrange(1000)}" for _ in range(times))
    yield "word", " ".join([word] * (times * 3))
    yield "word and comma", ", ".join([word] * (times * 3))
    yield "phrase", " ".join(phrase * times)
    yield "laughter", " ".join("ja" * dice.randint(1, 4) for _ in range(times * 3))
    yield "one letter", " ".join("a" * dice.randint(1, 3) for _ in range(times * 5))
    yield "two words at random", " ".join(dice.choice(two) for _ in range(times * 4))
    yield "list", "\n".join(f"- {dice.choice(phrase)}: {' '.join(phrase)}" for _ in range(times))
    yield "words that drift", " ".join(f"{' '.join(phrase)} {dice.choice(WORDS)}" for _ in range(times))
    yield "paragraph", "\n\n".join([prose(dice, 300)] * dice.randint(2, 5))
    yield "refrain", "\n".join(f"{dice.choice(SENTENCES)[:50]}\n{sentence[:60]}" for _ in range(times // 3))
    row = (f"| {dice.choice(WORDS)} {two[0]} | {two[1]} {number} |" for number in range(times))
    yield "table", f"| {two[0]} | {two[1]} |\n|---|---|\n" + "\n".join(row)
    yield "multiplication", "\n".join(f"{times} por {by} son {times * by}" for by in range(1, 12))
    yield "conjugation", ", ".join(f"{person} había {verb}" for verb in phrase[:5] for person in PERSONS)
    yield "program", "\n".join(f'print("el valor de x{number} es", x{number})' for number in range(times))


def cases() -> Iterator[tuple[str, str]]:
    dice = random.Random(5)
    for _ in range(ROUNDS):
        for kind, text in planted(dice):
            said = text[: dice.randint(50, 1200)] if dice.random() < 0.4 else text
            before = prose(dice, dice.choice([0, 50, 100, 200, 400, 800, 1500]))
            after = prose(dice, dice.choice([0, 0, 100, 300]))
            yield kind, " ".join(filter(None, (before, said, after)))


def drops(text: str) -> bool:
    measure = repetition.repetition(text, SETTINGS)
    return measure is not None and measure.exceeded


def test_the_quick_look_loses_no_loop_that_zlib_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = list(cases())
    quick = [drops(text) for _, text in texts]
    monkeypatch.setattr(repetition, "_BEYOND_QUICK", 1_000)
    thorough = [drops(text) for _, text in texts]
    assert quick == thorough
    found = Counter(kind for (kind, _), dropped in zip(texts, quick, strict=True) if dropped)
    loops = {kind for kind, _ in texts} - {"multiplication"}
    assert min(found[kind] for kind in loops) >= 5, found


def test_most_lessons_are_done_after_the_quick_look() -> None:
    dice = random.Random(6)
    measures = [repetition.repetition(prose(dice, 700), SETTINGS) for _ in range(200)]
    names = Counter(measure.name for measure in measures if measure is not None)
    assert names["quick_ratio"] >= 180, names
