"""What counts only in a text that holds somebody's data already: joint evidence for what is doubtful by itself.

A date, a plate in small letters, a name of an account, a street without the word for one: alone each stands in lessons
too. Beside a name, a DNI or a phone they are that person's. Nothing runs where nothing was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ftworker.curation.privacy import account_shapes, dates, plates
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.lexicon import lexicon

_NEAR = 80
"""So many characters are a block: what is doubtful belongs to whoever was found in its block or the next."""


def beside(seen: View, found: Sequence[Finding]) -> Iterator[Finding]:
    """Dates of birth, plates and accounts near what was found in this text."""
    near = {
        place // _NEAR + shift for find in found for place in (find.start, find.end) for shift in (-1, 0, 1)
    }
    for doubtful in (
        *dates.dates_beside(seen),
        *plates.plates_beside(seen),
        *account_shapes.accounts_beside(seen),
    ):
        if doubtful.start // _NEAR in near:
            yield doubtful


_OF_PAPERS = frozenset((Kind.DNI, Kind.NIE, Kind.NUSS, Kind.IBAN, Kind.CCC, Kind.PHONE, Kind.RECORD_NUMBER))
_NAMED_BEFORE = re.compile(
    r"(?P<name>[A-ZÁÉÍÓÚÑÇ][^\W\d_]+(?:[ -](?:(?:de|del|la|los|y|i) ){0,2}[A-ZÁÉÍÓÚÑÇ][^\W\d_]+){1,3})"
    r"(?:,| -| –| \(|:|;)? ?(?:(?:con|y|cuyo|el|mi|su) ){0,2}(?:n[ºo.°]{0,2} ?(?:de )?)?"
    r"(?i:dni|d\.n\.i\.?|nie|n\.i\.e\.?|nif|documento|pasaporte|nuss|iban|cuenta|m[oó]vil|tel[eé]fono|"
    r"tlfn?o?|telf?)?"
    r"[ .:nº°]{0,4}$"
)
_SMALL_BEFORE = re.compile(
    rb"\b(?:soy|som|son|soc|me llamo) (?P<name>[a-z]{3,15}(?: [a-z]{3,15}){1,2}),? (?:y |i |e )?(?:mi|"
    rb"el meu|o meu|con|amb) "
    rb"(?:n\S{0,5} (?:de )?)?(?:dni|nie|nif)(?: \w{1,3})?[ :]{0,2}$"
)
_SMALL_ALONE = re.compile(
    rb"(?:^|(?<=[\n.,;:!?] )|(?<=\n))(?P<name>[a-z]{3,15}(?: (?:de |del |la |"
    rb"el ){0,2}[a-z]{3,15}){1,3}),? (?:(?:con )?(?:dni|nie|"
    rb"nif)[ :]{0,2})?$"
)
"""A clause that is a name and a paper, in small letters: "para el curro. ruben escudero nieto, 70881946V"."""
_FAMILY = re.compile(
    r"\b[Ff]am[ií]lia (?P<name>[A-ZÁÉÍÓÚÑ][^\W\d_]+(?:[ -](?:(?:de|del|la) ){0,2}[A-ZÁÉÍÓÚÑ][^\W\d_]+){0,3})"
)


def named_beside(seen: View, found: Sequence[Finding]) -> Iterator[tuple[int, int]]:
    """Where words with capitals stand right before somebody's paper or number, or after "familia" in such a text."""
    papers = [find for find in found if find.kind in _OF_PAPERS]
    for find in papers:
        named = _NAMED_BEFORE.search(seen.text, max(0, find.start - _LONGEST_NAME), find.start)
        if named is not None:
            yield named.span("name")
        small = _SMALL_BEFORE.search(seen.folded, max(0, find.start - _LONGEST_NAME), find.start)
        if small is not None:
            yield small.span("name")
        elif find.kind in {Kind.DNI, Kind.NIE}:
            clause = _SMALL_ALONE.search(seen.folded, max(0, find.start - _LONGEST_NAME), find.start)
            words = clause["name"].split() if clause is not None else []
            if clause is not None and words[0] in lexicon().given and words[-1] in lexicon().surnames:
                yield clause.span("name")
    if found and "amilia " in seen.text:
        for named in _FAMILY.finditer(seen.text):
            yield named.span("name")


_LONGEST_NAME = 70
