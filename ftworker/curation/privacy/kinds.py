"""The kinds of personal data, the placeholders that stand for them, and one find. Pure words: no rule lives here."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a find is. The value is the stable code of counts and of `ftworker redact`."""

    NAME = "name"
    EMAIL = "email"
    PHONE = "phone"
    DNI = "dni"
    NIE = "nie"
    IBAN = "iban"
    CCC = "ccc"
    NUSS = "nuss"
    CARD = "card"
    HANDLE = "handle"
    ADDRESS = "address"
    PLATE = "plate"
    BIRTH_DATE = "birth_date"
    RECORD_NUMBER = "record_number"

    @property
    def placeholder(self) -> str:
        """The word of its placeholder: `NOMBRE` in `[NOMBRE_1]`."""
        return _PLACEHOLDERS[self]


_PLACEHOLDERS = {
    Kind.NAME: "NOMBRE",
    Kind.EMAIL: "CORREO",
    Kind.PHONE: "TELEFONO",
    Kind.DNI: "DNI",
    Kind.NIE: "NIE",
    Kind.IBAN: "IBAN",
    Kind.CCC: "CUENTA",
    Kind.NUSS: "NUSS",
    Kind.CARD: "TARJETA",
    Kind.HANDLE: "USUARIO",
    Kind.ADDRESS: "DIRECCION",
    Kind.PLATE: "MATRICULA",
    Kind.BIRTH_DATE: "NACIMIENTO",
    Kind.RECORD_NUMBER: "EXPEDIENTE",
}

PLACEHOLDER = re.compile(rf"\[({'|'.join(_PLACEHOLDERS.values())})_(\d{{1,6}})\]")
"""Every placeholder of ours: its word and its number."""


class Finding(msgspec.Struct, frozen=True):
    """One find: offsets in characters of the text that was given, and what it is."""

    start: int
    end: int
    kind: Kind
