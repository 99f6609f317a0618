"""The same work as a careful engineer would put it together from the same libraries in an afternoon, to compare with.

Filters, personal data with a roster, MinHash, tokens, JSONL: one conversation after the other, each library used as
its own documentation shows. Finds less than `ftworker.curation` does; it is the yardstick of speed and of nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import toktok
from ahocorasick_rs import AhoCorasick, MatchKind
from rensa import RMinHash
from stdnum import iban, luhn
from stdnum.es import ccc, cif, dni, nie

from ftworker.conversations import Conversation

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
PHONE = re.compile(r"(?:\+34[ .-]?|0034[ .-]?)[6789]\d{2}[ .-]?\d{2,3}[ .-]?\d{2,3}[ .-]?\d{0,3}")
IDENTITY = re.compile(r"\b[XYZ]?\d{7,8}[ -]?[A-Za-z]\b")
COMPANY = re.compile(r"\b[A-Z]\d{7}[\dA-J]\b")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[\dA-Z]{4}){4,7}\b")
CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
ACCOUNT = re.compile(r"\b\d{4}[ -]?\d{4}[ -]?\d{2}[ -]?\d{10}\b")
PLATE = re.compile(r"\b\d{4}[ -]?[BCDFGHJKLMNPRSTVWXYZ]{3}\b")
HANDLE = re.compile(r"(?<![\w@/.])@\w{3,30}\b")
ADDRESS = re.compile(
    r"\b(?:[Cc]alle|[Aa]venida|[Pp]laza|C/|Avda\.)\s+[^,\n]{3,40},?\s*(?:n\.?º\s*)?\d{1,4}\b"
)
BIRTH = re.compile(r"\bnac(?:í|ió|ida?o?) el \d{1,2}(?: de \w+ de |[/-]\d{1,2}[/-])\d{2,4}")
CUE = re.compile(
    r"\b([Mm]e llamo|[Ss]oy|[Mm]i (?:profe|amig[oa]|herman[oa])) ([A-ZÁÉÍÓÚÑ]\w+(?: [A-ZÁÉÍÓÚÑ]\w+)*)"
)
SENSITIVE = re.compile(
    r"suicid|autolesi|hacerme daño|no quiero vivir|anorexia|me pegan|depresi[óo]n", re.IGNORECASE
)
REFUSAL = re.compile(r"^(?:lo siento|no (?:lo )?sé|no tengo información|no puedo ayudar)", re.IGNORECASE)
SPECIAL = re.compile(r"<\|[^|>]{1,40}\|>|\[/?INST\]|</?s>")
WORD = re.compile(r"\w+")
STOP_WORDS = "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus"
SPANISH = frozenset(STOP_WORDS.split())


class PlainAssembly:
    """Conversations in, rows of JSONL, their tokens and their signatures out."""

    def __init__(self, roster: Sequence[str]) -> None:
        self.names = sorted({part for name in roster for part in (name, " ".join(name.split()[:2]))})
        self.automaton = AhoCorasick(
            [name.casefold() for name in self.names], matchkind=MatchKind.LeftmostLongest
        )

    def curate(self, talk: Conversation) -> Iterator[tuple[bytes, int, RMinHash]]:
        """One row a good turn, with its history."""
        if any(SENSITIVE.search(message.content) for message in talk.messages):
            return
        numbers: dict[str, str] = {}
        texts = [self.redact(message.content, numbers) for message in talk.messages]
        history: list[dict[str, Any]] = []
        for place in range(0, len(texts) - 1, 2):
            question, answer = texts[place], texts[place + 1]
            message = talk.messages[place + 1]
            good = message.error is None and message.rating != -1 and self.is_good(answer)
            asked: dict[str, Any] = {"role": "user", "content": question}
            if good:
                said = [*history, asked, {"role": "assistant", "content": answer}]
                row = json.dumps({"messages": said}, ensure_ascii=False).encode() + b"\n"
                counts = toktok.batch_count([one["content"] for one in said], "o200k_base", threads=1)
                yield row, sum(counts) + 4 * len(said), self.signature(f"{question}\n{answer}")
            history += [asked, {"role": "assistant", "content": answer, "weight": 0}]

    def redact(self, text: str, numbers: dict[str, str]) -> str:
        """The text with numbered placeholders."""

        def put(kind: str, value: str) -> str:
            return numbers.setdefault(value.casefold(), f"[{kind}_{len(numbers) + 1}]")

        def checked(pattern: re.Pattern[str], kind: str, *valid: Callable[[str], bool]) -> None:
            nonlocal text
            text = pattern.sub(
                lambda m: put(kind, m[0]) if any(check(m[0]) for check in valid) else m[0],
                text,
            )

        for pattern, kind in (
            (EMAIL, "CORREO"),
            (PHONE, "TELEFONO"),
            (ADDRESS, "DIRECCION"),
            (BIRTH, "NACIMIENTO"),
        ):
            text = pattern.sub(lambda m, kind=kind: put(kind, m[0]), text)  # type: ignore[misc]
        checked(IBAN, "IBAN", iban.is_valid)
        checked(ACCOUNT, "CUENTA", ccc.is_valid)
        checked(CARD, "TARJETA", luhn.is_valid)
        checked(IDENTITY, "DNI", dni.is_valid, nie.is_valid)
        checked(COMPANY, "CIF", cif.is_valid)
        text = HANDLE.sub(lambda m: put("USUARIO", m[0]), PLATE.sub(lambda m: put("MATRICULA", m[0]), text))
        text = CUE.sub(lambda m: f"{m[1]} {put('NOMBRE', m[2])}", text)
        for _, begin, end in reversed(self.automaton.find_matches_as_indexes(text.casefold())):
            if not (text[begin - 1 : begin].isalnum() or text[end : end + 1].isalnum()):
                text = text[:begin] + put("NOMBRE", text[begin:end]) + text[end:]
        return text

    def is_good(self, answer: str) -> bool:
        """Length, control tokens, refusals, language by its stop words, repeated runs of words."""
        if not 15 <= len(answer) <= 20_000 or SPECIAL.search(answer) or REFUSAL.match(answer):
            return False
        words = [word.lower() for word in WORD.findall(answer)]
        if len(words) >= 12 and sum(word in SPANISH for word in words) < 0.15 * len(words):
            return False
        runs = list(zip(words, words[1:], words[2:], words[3:], strict=False))
        return not runs or len(set(runs)) > 0.8 * len(runs)

    def signature(self, text: str) -> RMinHash:
        """MinHash of 128 permutations over runs of three words."""
        words = WORD.findall(text.lower())
        minhash = RMinHash(num_perm=128, seed=42)
        minhash.update([" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))])
        return minhash
