"""What interfaces and stores put into an answer that nobody said, and the citations that point at passages.

`spoken` is the answer as the model gave it to a person; `cited` keeps citations only where their passages stand in the
prompt. docs/DATASETS.md lists the forms and the stores that write them. Pure and quick: each look is behind a cheap
one, because nearly every answer has none of these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# Open WebUI writes reasoning, tool calls and code runs as <details type="...">; Dify wraps reasoning in a styled
# <details> whose summary is "Thinking..."; the others leave the model's own tags.
_FOLDED = re.compile(
    r"<details\s[^>]*\btype=\"[^>]*>.*?(?:</details>|\Z)"
    r"|<details[^>]*>\s*<summary>\s*Thinking\.\.\.\s*</summary>.*?(?:</details>|\Z)",
    re.DOTALL,
)
_THINKING = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL)
# Templates that end in <think> leave only its end in the answer.
_END_OF_THINKING = re.compile(r"\A.*?</(?:think|thinking|reasoning)>", re.DOTALL)

_INTERFACE = re.compile(
    r"[ \t]?(?:"
    r"##\d{1,4}\$\$"  # RAGFlow
    r"|\[(?:ID|Fig):[ ]?\d{1,4}\]"  # RAGFlow
    r"|【[^【】\n]{1,80}】"  # OpenAI Assistants: 【4:0†source】
    r"|\[\[?(?:citation|cite|source_id|source|doc_?id):[ ]?[\w.,\- ]{1,60}\]\]?"  # Lepton, Tabby, Gemini
    r"|\[doc\d{1,4}\]"  # Azure OpenAI on your data
    r"|<(?:source|source_context|cite)\b[^>\n]{0,200}/?>|</(?:source|source_context|cite)>"  # Open WebUI's context tags
    r"|\ue200[^\ue201\n]{1,200}\ue201"  # ChatGPT's private signs
    r")"
)
# What these and `_LINKED_NUMBER` need, by its first sign: a pattern that begins with one sign is found ten times
# quicker than a choice of signs.
_BRACKET = re.compile(r"\[(?:ID|Fig|cit|sou|doc|[\[^])")
_TAG = re.compile(r"</?(?:source|cite)")
_NUMBER_SIGNS = re.compile(r"##\d")

# Onyx links its numbers, [[1]](https://...), and footnotes are [^1]: both are plain numbers of passages underneath.
_LINKED_NUMBER = re.compile(
    r"\[\[(\d{1,3})\]\](?:\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*\))?|\[\^(\d{1,3})\](?!:)"
)
# Not right after a word: "lista[1]" is code; not "[1]: https://..." on a line of its own, which tells what 1 is. Open
# WebUI also writes [1][2] and [1, 2].
_NUMBERS = re.compile(
    r"(?!^[ \t]*\[\d+\]:)[ \t]?(?<![\w\])])((?:\[\d{1,3}(?:, ?\d{1,3})*\])+)(?![(\w\[])", re.MULTILINE
)
_NUMBER = re.compile(r"\d+")
# After a word, so that `x = [1]` stays.
# It begins with the bracket itself, which the engine finds ten times quicker than a look behind it; `uncited` takes the
# space before it.
_ENDS_A_CLAUSE = re.compile(r"\[(?<=[\w).»”\"%] \[)\d{1,2}\](?:\[\d{1,2}\])*(?=[.,;:!?)]|\s*$)", re.MULTILINE)
# [1, 2] may be an interval, a list or a point: after a sign, or after the words that announce one.
_ANNOUNCES_A_LIST = re.compile(
    r"(?:[^\w\s.)»\]]|\A|\b(?:intervalos?|listas?|vector(?:es)?|pares?|puntos?|en|entre|son|es|de|el|la|arrays?|a|y))\s*\Z",
    re.IGNORECASE,
)


def spoken(answer: str) -> str:
    """The answer as a person reads it: no reasoning, no marks of an interface, numbers of passages as ` [1]`."""
    if "<" in answer:
        if "<details" in answer:
            answer = _FOLDED.sub("", answer)
        if "think" in answer or "<reasoning>" in answer or "</reasoning>" in answer:
            answer = _THINKING.sub("", answer)
            answer = _END_OF_THINKING.sub("", answer)
    if _perhaps_marked(answer):
        answer = _INTERFACE.sub("", answer)
        answer = _LINKED_NUMBER.sub(lambda found: f"[{found[1] or found[2]}]", answer)
    return answer.strip()


def _perhaps_marked(answer: str) -> bool:
    """Whether marks of an interface or linked numbers may stand in the answer; nearly all have neither."""
    return bool(
        ("[" in answer and _BRACKET.search(answer))
        or ("<" in answer and _TAG.search(answer))
        or ("#" in answer and _NUMBER_SIGNS.search(answer))
        or "【" in answer
        or "\ue200" in answer
    )


def cited(answer: str, places: Mapping[int, int | None]) -> str:
    """The answer with each number of a passage replaced by its present place; None takes the citation out.

    Numbers that are no key are not known to be citations and stay.
    """
    if "[" not in answer or not places:
        return answer

    def renumbered(found: re.Match[str]) -> str:
        numbers = _cited_by(found)
        if not any(number in places for number in numbers):
            return found[0]
        kept = dict.fromkeys(n for number in numbers if (n := places.get(number, number)) is not None)
        if not kept:
            return ""
        between = ", " if "," in found[1] else "]["
        return f"{found[0][: -len(found[1])]}[{between.join(map(str, kept))}]"

    return _NUMBERS.sub(renumbered, answer).strip()


def citations(answer: str) -> set[int]:
    """The numbers of passages that the answer cites."""
    if "[" not in answer:
        return set()
    return {number for found in _NUMBERS.finditer(answer) for number in _cited_by(found)}


def _cited_by(found: re.Match[str]) -> list[int]:
    if "," in found[1] and _ANNOUNCES_A_LIST.search(found.string[max(0, found.start() - 20) : found.start()]):
        return []
    return [int(number) for number in _NUMBER.findall(found[1])]


def uncited(answer: str) -> str:
    """The answer of which no passage is known, without numbers that end a clause: they cite what nobody can see.

    Answers with code stay as they are.
    """
    # One sign is found several times quicker than two or three.
    if "[" not in answer or " [" not in answer or ("`" in answer and "```" in answer):
        return answer
    clauses = _ENDS_A_CLAUSE.split(answer)
    last = clauses.pop()
    return ("".join([clause[:-1] for clause in clauses]) + last).strip()
