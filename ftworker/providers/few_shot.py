"""Which examples of a dataset become MESSAGE lines of a Modelfile: few, sound, different, the same each time.

A Modelfile's messages stand before every conversation with the model, so each costs room in the context for
ever. Reads rows and judges them by their text alone; never writes, never looks into the database.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from ftworker.curation.screening import has_special_token
from ftworker.curation.tokens import TOKENS_PER_MESSAGE, estimate_tokens
from ftworker.datasets.formats import SPEAKERS
from ftworker.providers.modelfile import ModelfileMessage, quoting_problem, rewrite

CONSIDERED_ROWS: Final = 20_000
"""Rows judged, from the first. A dataset is ordered by hash, so they are a fair sample of a larger one."""
SHORTLIST: Final = 200
"""Best candidates that are kept in memory meanwhile."""
SUPPORTED_SHARE: Final = 0.5
"""An answer counts as supported when this share of its long words stands in its question or context."""
SAME_QUESTION_SHARE: Final = 0.7
"""Two questions that share so much of their words are one lesson; only the better example is taken."""
_LONG_WORD: Final = re.compile(r"[^\W\d_]{5,}")
_WORD: Final = re.compile(r"\w+")
_TRANSCRIPT: Final = re.compile(rf"(?:{'|'.join(SPEAKERS.values())}): ")


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str
    weight: int | None = None


class _ChatRow(msgspec.Struct, frozen=True):
    messages: list[_Message]


class _InstructionRow(msgspec.Struct, frozen=True):
    instruction: str
    response: str


class _PromptCompletionRow(msgspec.Struct, frozen=True):
    prompt: list[_Message]
    completion: list[_Message]


_chat_row: Final = msgspec.json.Decoder(_ChatRow)
_prompt_completion_row: Final = msgspec.json.Decoder(_PromptCompletionRow)
_instruction_row: Final = msgspec.json.Decoder(_InstructionRow)


@dataclass(frozen=True)
class FewShot:
    """The chosen messages, the best example last, and why other rows were passed over."""

    messages: tuple[ModelfileMessage, ...]
    examples: int
    tokens: int
    rewritten: int
    """Examples in which invisible characters were replaced, by the rules of `modelfile.rewrite`."""
    passed_over: Mapping[str, int]
    """Rows that cannot stand there, by reason: several_turns, special_tokens, closing_quotes, too_long."""


@dataclass(frozen=True, order=True)
class _Candidate:
    # Compared field by field: what makes an example better comes first, the hash decides ties for ever.
    fits_share: bool
    supported: bool
    answer_tokens: int
    digest: bytes
    tokens: int
    messages: tuple[tuple[str, str], ...]
    rewritten: bool


def choose_examples(
    lines: Iterable[bytes], dataset_format: str, *, max_examples: int, max_tokens: int
) -> FewShot:
    """Choose at most so many examples within so many tokens (estimated). The same lines give the same choice.

    Takes no more lines than CONSIDERED_ROWS need. Better is: within twice its fair share of the room, an
    answer supported by its question or context, a longer answer. A question in nearly the words of a chosen
    one is passed over. Raises msgspec.DecodeError for a line that is no row of the format.
    """
    passed_over: Counter[str] = Counter()
    if max_examples == 0 or max_tokens == 0:
        return FewShot((), 0, 0, 0, passed_over)
    share = 2 * max_tokens // max_examples
    candidates = (
        candidate
        for row in islice(_rows(lines, dataset_format), CONSIDERED_ROWS)
        if (candidate := _judge(row, share, max_tokens, passed_over)) is not None
    )
    chosen: list[_Candidate] = []
    questions: list[frozenset[str]] = []
    left = max_tokens
    for candidate in heapq.nlargest(SHORTLIST, candidates):
        words = frozenset(_WORD.findall(candidate.messages[-2][1].casefold()))
        if candidate.tokens > left or any(_alike(words, asked) for asked in questions):
            continue
        chosen.append(candidate)
        questions.append(words)
        left -= candidate.tokens
        if len(chosen) == max_examples:
            break
    return FewShot(
        # When the context runs over, Ollama drops messages from the front: the best stays longest at the end.
        messages=tuple(
            ModelfileMessage(role, content) for found in reversed(chosen) for role, content in found.messages
        ),
        examples=len(chosen),
        tokens=max_tokens - left,
        rewritten=sum(found.rewritten for found in chosen),
        passed_over=dict(passed_over),
    )


def _rows(lines: Iterable[bytes], dataset_format: str) -> Iterator[tuple[tuple[str, str], ...] | None]:
    """The turns of each row, without the system prompt; None for a row that is no plain exchange."""
    match dataset_format:
        case "openai-chat":
            for line in lines:
                yield _turns(_chat_row.decode(line).messages)
        case "prompt-completion":
            for line in lines:
                row = _prompt_completion_row.decode(line)
                # Earlier answers of the prompt are not learnt from, but would be from here.
                history = [message for message in row.prompt if message.role == "assistant"]
                yield None if history else _turns([*row.prompt, *row.completion])
        case "instruction-jsonl":
            for line in lines:
                yield _exchange(_instruction_row.decode(line))
        case _:
            for raw in _array_items(lines):
                yield _exchange(_instruction_row.decode(raw))


def _array_items(lines: Iterable[bytes]) -> Iterator[bytes]:
    # The exporter writes a row on four lines, and JSON has no raw line end inside a text: no need to load the
    # array.
    item: list[bytes] = []
    for line in lines:
        bare = line.strip()
        if bare in (b"[", b"]"):
            continue
        if bare in (b"}", b"},"):
            yield b"".join([*item, b"}"])
            item = []
        else:
            item.append(line)


def _turns(messages: list[_Message]) -> tuple[tuple[str, str], ...] | None:
    spoken = messages[1:] if messages and messages[0].role == "system" else messages
    if any(message.weight == 0 for message in spoken):
        return None  # an answer that is not to be learnt would be learnt from here
    turns = tuple((message.role, message.content) for message in spoken)
    expected = ("user", "assistant") * (len(turns) // 2)
    return turns if turns and tuple(role for role, _ in turns) == expected else None


def _exchange(row: _InstructionRow) -> tuple[tuple[str, str], ...] | None:
    if _TRANSCRIPT.match(row.instruction):
        return None  # earlier turns flattened into one text: nobody asks like that
    return (("user", row.instruction), ("assistant", row.response))


def _judge(
    turns: tuple[tuple[str, str], ...] | None, share: int, max_tokens: int, passed_over: Counter[str]
) -> _Candidate | None:
    reason = None
    if turns is None:
        passed_over["several_turns"] += 1
        return None
    texts = [content for _, content in turns]
    tokens = sum(estimate_tokens(text) + TOKENS_PER_MESSAGE for text in texts)
    problems = [problem[0] for text in texts if (problem := quoting_problem(text))]
    if any(has_special_token(text) for text in texts):
        # Ollama would read it as the end of the turn: the text after it would speak as somebody else.
        reason = "special_tokens"
    elif "closing_quotes" in problems:
        # Rewriting is for what cannot be seen. Quotes can, and there are other examples.
        reason = "closing_quotes"
    elif tokens > max_tokens:
        reason = "too_long"
    if reason:
        passed_over[reason] += 1
        return None
    shown = tuple((role, rewrite(content)) for role, content in turns)
    question, answer = shown[-2][1], shown[-1][1]
    return _Candidate(
        fits_share=tokens <= share,
        supported=_support(question, answer) >= SUPPORTED_SHARE,
        answer_tokens=estimate_tokens(answer),
        digest=hashlib.sha256("\0".join(content for _, content in shown).encode()).digest(),
        tokens=tokens,
        messages=shown,
        rewritten=bool(problems),
    )


def _support(question: str, answer: str) -> float:
    said = set(_LONG_WORD.findall(answer.casefold()))
    return len(said & set(_LONG_WORD.findall(question.casefold()))) / len(said) if said else 0.0


def _alike(left: frozenset[str], right: frozenset[str]) -> bool:
    return len(left & right) >= SAME_QUESTION_SHARE * max(len(left | right), 1)
