"""Lists of pupils: rows whose first line says what each column holds, "alumno;dni;nacimiento;telefono".

The word that would stand beside a number stands lines above it there. Only columns of numbers and dates are read here;
names, e-mail addresses and whatever has a shape of its own are found as elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind

_SEPARATORS = (b";", b"\t", b"|", b",")
_FEWEST_COLUMNS = 3
_MOST_COLUMNS = 40
_COLUMNS: tuple[tuple[re.Pattern[bytes], re.Pattern[bytes], Kind], ...] = tuple(
    (re.compile(heading), re.compile(value), kind)
    for heading, value, kind in (
        (
            rb".*(?:nacim|fec\w*[ _.]?nac|f[ _.]{0,2}nac|birth|naixement|nacemento)\w*",
            rb"\d{1,4}[/.\-]\d{1,2}[/.\-]\d{1,4}|\d{8}",
            Kind.BIRTH_DATE,
        ),
        (
            rb".*(?:telef\w*|movil\w*|tlf\w*|tfno?|tel|phone|mobil|contacto)\.?\s?\d?",
            rb"\+?\d[\d .\-]{7,16}",
            Kind.PHONE,
        ),
        (rb".*(?:dni|nif|nie|documento)", rb"[xyz]?[\d.\-]{6,12}[a-z]?", Kind.DNI),
        (
            rb".*(?:nia|nre|cial|ralc|idalu|exp\w*|matricula|id|codigo|ident\w*|n\S? ?(?:de )?alumn\w*)",
            rb"[a-z]{0,3}[\d/\-]{4,16}[a-z]?",
            Kind.RECORD_NUMBER,
        ),
    )
)


def tables(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """Cells of lists of pupils. `at`: where a heading such as "nacimiento" or "telefono" stands."""
    folded = seen.folded
    read_to = -1
    for place in at:
        if place < read_to:
            continue
        begin = folded.rfind(b"\n", 0, place) + 1
        end = folded.find(b"\n", place)
        if end == -1:
            return
        heading = folded[begin:end]
        separator = max(_SEPARATORS, key=heading.count)
        names = heading.split(separator)
        if not _FEWEST_COLUMNS <= len(names) <= _MOST_COLUMNS or any(
            sign in b"0123456789" for sign in heading
        ):
            continue
        wanted = {
            number: (value, kind)
            for number, name in enumerate(names)
            for said, value, kind in _COLUMNS
            if said.fullmatch(name.strip(b' "'))
        }
        read_to = end
        while wanted and read_to < len(folded):
            begin, read_to = read_to + 1, folded.find(b"\n", read_to + 1)
            read_to = len(folded) if read_to == -1 else read_to
            cells = folded[begin:read_to].split(separator)
            if len(cells) != len(names):
                break
            for number, cell in enumerate(cells):
                bare = cell.strip(b' "\r')
                if number in wanted and wanted[number][0].fullmatch(bare):
                    start = begin + cell.find(bare)
                    yield Finding(start, start + len(bare), wanted[number][1])
                begin += len(cell) + 1
