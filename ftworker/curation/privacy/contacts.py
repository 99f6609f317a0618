"""E-mail addresses, and handles of social networks with their at sign: how somebody is reached.

What only looks like one is left alone: a decorator, a package, `git@host`, an address of documentation (RFC 2606).
Handles without an at sign are the work of `accounts`, telephones that of `phones`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from ftworker.curation.privacy.account_shapes import spoken_of
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.triggers import stretches

_EMAIL_NAME_BACKWARDS = re.compile(rb"[\w.%+\-]{1,64}")
_EMAIL_DOMAIN = re.compile(rb"(?:[\w\-]{1,63}\.){1,8}[a-z]{2,24}(?![\w@])")
# RFC 2606 and their Spanish cousins: addresses of lessons and documentation.
_DOCUMENTATION_DOMAIN = re.compile(
    rb"(?:.*\.)?(?:(?:example|ejemplo|exemple|dominio|domain)\.(?:com|org|net|es|cat)|test|invalid|localhost)"
)
_PROVIDER = rb"(?:gmail|hotmail|outlook|yahoo|icloud)"
_BRACKETED = re.compile(
    rb"(?<![\w.])[\w.\-]{2,64}(?:[(\[{<]@[)\]}>]|@@)(?:[\w\-]{1,40}\.){1,4}[a-z]{2,10}(?!\w)"
)
_OF_A_PROVIDER = re.compile(_PROVIDER + rb"\.")
_DOT = rb"(?:\s?[(\[{<]?\s?\b(?:punto|punt|dot)\b\s?[)\]}>]?\s?|\s?[(\[{<]?\.[)\]}>]?\s?)"
# "lucia punto perez arroba gmail punto com", "lucia (at) gmail.com", "lucia_arroba_gmail_punto_com".
_SPELT_EMAIL = re.compile(
    rb"(?<![\w.])(\w[\w.\-]{1,40}(?:\s(?:punto|punt|dot|guion bajo|guion|barra "
    rb"baja)\s\w{1,30}(?:\s\d{1,4})?){0,3})\s?(?:[(\[{<]\s?)?"
    rb"(?:\b(?:arroba|arrova|arrob|abildua)\b|(?<=[(\[{<])\s?at\b|\bat\b(?=\s(?:%b\b|\w{2,30} "
    rb"dot\b)))(?:\s?[)\]}>])?\s?"
    rb"([\w\-]{2,40}(?:%b[a-z]{2,20}){1,3}|%b\b)" % (_PROVIDER, _DOT, _PROVIDER)
)
_GLUED_EMAIL = re.compile(
    rb"(?<![\w.])[a-z][\w.\-]{2,40}arroba[a-z\d\-]{2,30}(?:(?:\.|punto)[a-z]{2,12}){1,3}(?!\w)"
)
_JOINED_EMAIL = re.compile(
    rb"(?<![a-z\d])[a-z\d.]{2,40}(?P<gap>[_\-])arroba(?P=gap)([a-z\d]{2,40}(?:[_\-.](?:punto[_\-.])?[a-z]{2,20}){1,3})(?![a-z\d])"
)

# "lucia @ gmail . com", so that no program finds it; "lucia@gmail,com" and "lucia@gmail" by mistake.
_LOOSE_EMAIL_NAME_BACKWARDS = re.compile(rb"\s{0,2}([\w.%+\-]{1,64}(?:\s\.\s\w{1,30}){0,2})")
_LOOSE_EMAIL_DOMAIN = re.compile(
    rb"\s{0,2}(?:[\w\-]{2,40}(?:%b|\s{0,2}\.\s{0,2})){1,3}(?:com|es|org|net|cat|gal|eus|edu|info)(?![\w@])|"
    rb"%b(?:,?\s?(?:com|es))?(?![\w@])" % (_DOT, _PROVIDER)
)
_NOT_A_WORD = re.compile(rb"[\d_.]|\b(?:punto|punt|dot|arroba|arrova|arrob|abildua)\b|[(\[{<]")
# "r.madueno arroba el dominio de siempre"
_NAMELESS_EMAIL = re.compile(
    rb"(?<![\w.])(?=\w*[._\d])\w[\w.]{2,40} arroba (?=(?:el|la|lo|mi|tu|y|ya|de|del)\b)"
)
_MAIL_BEFORE = re.compile(rb"\b(?:correo|mail|email|gmail|e-mail)\b[^.\n]{0,20}$")

_OWN_BACK = 40
_OWN_MAIL = re.compile(
    rb"\b(?:mi|meu|nire|mis|el suyo|el mio) (?:\w+ )?(?:correo|mail|email|e-mail|correu|gmail|"
    rb"posta\w*)\b[^.\n@]{0,25}$"
)
"""Whoever calls it their own has no address of a documentation."""

_HANDLE = re.compile(
    rb"(?<![\w@/.\\`:&=\-])@((?:[a-z_]|\d{1,4}[a-z_])(?:[\w.]|-(?=\w)){2,29})(?![\w(@/=\-{\\])"
)
_SIGN_OR_DIGIT = re.compile(rb"[\d_.#]")
_CODE_WORDS = frozenset(
    b"app override media import property param return returns staticmethod classmethod dataclass pytest "
    b"test before after "
    b"component injectable keyframes charset include extends font supports layer types angular babel vue "
    b"nestjs article "
    b"book misc inproceedings author since see deprecated throws autowired entity table column id service "
    b"controller "
    b"echo off todos todas everyone here channel usuario user username ejemplo example".split()
)
_CODE_AFTER = re.compile(
    rb"\s*(?:def|class|public|private|protected|async|export|function|static|void|interface|@)\b"
)
_NETWORK = re.compile(
    rb"\b(?:insta\w*|ig|tik ?tok\w*|tiktok|twitter|tuit\w*|twitch|snap\w*|youtube|yt|discord|telegram|"
    rb"facebook|fb|threads|bereal|"
    rb"x\.com|sigueme|siganme|seguidme|segueix\w*|siguenos|follow|canal|mi @|seguir|segui|sigues|agregame|"
    rb"anademe|"
    rb"mi (?:usuario|user|perfil|cuenta|"
    rb"nick|alias)|el meu (?:usuari|perfil)|my (?:user|handle)|mandame|escribeme|etiqueta\w*|perfil|"
    rb"stories|dm|md)\b"
)
_TOLD_OF = re.compile(
    rb",? (?:me|te|nos|os|le|se|no|es|era|y|ha|han|tiene|subio|sube|dice|dijo|publico|hizo|hace|puso|pone|"
    rb"mira|hola|eres|"
    rb"explica|explico|comparti\w*|pasame|ayuda\w*|cuando|donde|ya|sabes|puedes|gracias) "
)
"""Who begins a line is spoken to or told of: "@elprofe_jm subio un video". A decorator has nothing behind it."""
_OF_CODE = re.compile(
    rb"\b(?:python|java|typescript|javascript|decorador\w*|anotacion\w*|codigo|clases?|funcion\w*|"
    rb"metodos?|css|import|"
    rb"spring|react|angular|bibtex|latex|javadoc|jsdoc|def|public|etiqueta)\b"
)
_NETWORK_CHARACTERS = 70
_SPELT_BEFORE, _SPELT_AFTER = 180, 180
"""How far around its at sign an address in words goes."""


def emails(seen: View) -> Iterator[Finding]:
    """Addresses with an at sign, wherever they stand."""
    # Looking around each at sign is linear; a pattern that begins with the name before it is not.
    folded = seen.folded
    at = folded.find(b"@")
    while at != -1:
        domain = _EMAIL_DOMAIN.match(folded, at + 1)
        name = _EMAIL_NAME_BACKWARDS.match(folded[max(0, at - 64) : at][::-1]) if domain else None
        # git@github.com is how a repository is written, not how a person is reached.
        if domain and name is None and _OF_A_PROVIDER.match(domain[0]):
            name = _LOOSE_EMAIL_NAME_BACKWARDS.match(folded[max(0, at - 66) : at][::-1])
        if (
            domain
            and name
            and name[0] != b"tig"
            and not (
                _DOCUMENTATION_DOMAIN.fullmatch(domain[0])
                and not _OWN_MAIL.search(folded, max(0, at - name.end() - _OWN_BACK), at - name.end())
            )
        ):
            yield Finding(at - name.end(), domain.end(), Kind.EMAIL)
        elif not domain and (domain := _LOOSE_EMAIL_DOMAIN.match(folded, at + 1)):
            name = _LOOSE_EMAIL_NAME_BACKWARDS.match(folded[max(0, at - 66) : at][::-1])
            host = b"".join(domain[0].split())
            if name and not _DOCUMENTATION_DOMAIN.fullmatch(host):
                yield Finding(at - name.end(), domain.end(), Kind.EMAIL)
        elif not domain and folded[at + 1 : at + 2] in {b" ", b""}:
            # "mi correo es luciagomez2010@ y luego lo de siempre"
            name = _EMAIL_NAME_BACKWARDS.match(folded[max(0, at - 64) : at][::-1])
            if name and _MAIL_BEFORE.search(folded, max(0, at - 100), at - name.end()):
                yield Finding(at - name.end(), at + 1, Kind.EMAIL)
        at = folded.find(b"@", at + 1)
    for found in _BRACKETED.finditer(folded):
        yield Finding(found.start(), found.end(), Kind.EMAIL)


def spelt_emails(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """Addresses whose at sign is written as a word: "lucia punto perez arroba gmail punto com". `at`: where that "
    "is."""
    for begin, end in stretches(seen, at, _SPELT_BEFORE, _SPELT_AFTER):
        yield from _spelt_out(seen, begin, end)
        for found in _NAMELESS_EMAIL.finditer(seen.folded, begin, end):
            yield Finding(found.start(), found.end() - len(b" arroba "), Kind.EMAIL)


def _spelt_out(seen: View, begin: int, end: int) -> Iterator[Finding]:
    folded = seen.folded
    for found in _GLUED_EMAIL.finditer(folded, begin, end):
        yield Finding(found.start(), found.end(), Kind.EMAIL)
    for found in chain(_SPELT_EMAIL.finditer(folded, begin, end), _JOINED_EMAIL.finditer(folded, begin, end)):
        if _DOCUMENTATION_DOMAIN.fullmatch(re.sub(rb"\W?\b(?:punto|punt|dot)\b\W?", b".", found[2])):
            continue
        # "look at gmail" is no address.
        if (
            b"." in found[2]
            or _NOT_A_WORD.search(found[0])
            or _MAIL_BEFORE.search(folded, max(0, found.start() - 40), found.start())
        ):
            yield Finding(found.start(), found.end(), Kind.EMAIL)


def handles(seen: View) -> Iterator[Finding]:
    """`@somebody` where a network is spoken of or the name is no word; never decorators, packages, LaTeX."""
    folded = seen.folded
    for found in _HANDLE.finditer(folded):
        name = found[1].rstrip(b".")
        line = folded.rfind(b"\n", 0, found.start()) + 1
        cue = _near(_NETWORK, folded, found.start(), found.end())
        begins_line = not folded[line : found.start()].strip(b" \t>*-")
        code = begins_line and _CODE_AFTER.match(folded, found.end()) is not None
        # "@media", and with a hyphen "@font-face", "@angular-eslint".
        if code or not _CODE_WORDS.isdisjoint((name, name.partition(b"-")[0])):
            continue
        if begins_line and not cue:
            if not _TOLD_OF.match(folded, found.end()) or _near(_OF_CODE, folded, *found.span()):
                continue
            cue = True
        cue = cue or (b"-" not in name and len(name) > 4 and spoken_of(folded, *found.span()))
        if cue or (b"-" not in name and _SIGN_OR_DIGIT.search(name) and len(name) > 3):
            yield Finding(found.start(), found.start() + 1 + len(name), Kind.HANDLE)


def _near(cue: re.Pattern[bytes], folded: bytes, start: int, end: int) -> bool:
    return cue.search(folded, max(0, start - _NETWORK_CHARACTERS), end + 30) is not None
