"""Accounts that somebody names without an at sign: "mi insta es lucia.gc_07", "discord: hugo#4521".

An account is told from a word by a sign, a digit or a capital within; without one only after one's own network. With
an at sign it is the work of `contacts`. Rules run over the fold; capitals are looked up in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from ftworker.curation.privacy.account_shapes import (
    CAPITAL_WITHIN,
    FILE_OR_SITE,
    NO_SIGNED_NAME,
    NO_TAGGED,
    NUMBER,
    OF_PROGRAMS,
    SERVICE,
    TOKEN,
    holds_a_name,
    is_no_account,
    is_somebodys,
    spoken_of,
)
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.lexicon import not_names
from ftworker.curation.privacy.profiles import profiles
from ftworker.curation.privacy.triggers import stretches

_ACCOUNT = (
    rb"(?:(?:nombre de |nom d')?usuari[oa]?(?:/a)?|user ?(?:name)?|nick(?:name)?|alias|gamer ?tag|cuenta|"
    rb"compte|"
    rb"conta|perfil|tag|id|canal|login)(?: (?:secundari[oa]|principal|nuev[oa]|viej[oa]|antigu[oa]|"
    rb"privad[oa]|seneca|"
    rb"rayuela|itaca|edmodo))?"
)
_OPENED = rb"(?:[\"'(*\xab]{1,3}\s?)?(?:[@#]\s?|arroba )?"
"""Before the name: quoted, bold, between brackets, with its sign or the word for it."""
_OWNER = rb"(?:mi|mis|el meu|la meva|el seu|la seva|my|nire|o meu|a mina|o seu|su|tu|el|la|nuestro|meu)"
# "mi usuario de educamadrid es", "mi insta y tiktok:", "el insta de mi crush es".
_OWN_ACCOUNT = re.compile(
    rb"\b%b\s(?:(?:%b)|%b|@|arroba)(?: name)?(?: ?(?:y|e|/|o|i) ?(?:el |de )?%b)?"
    rb"(?: (?:(?:de|del|en|da|do|no|na|al|para|on) |d')(?:la |el |l'|mi |su |tu )?[a-z0-9 ]{2,22}?(?: (?:es|"
    rb"e|is|"
    rb"da|era|se llama|se dice)(?: |: ?)(?:siempre |ahora |tambien |igual )?|"
    rb"\s?(?::|=|->)\s{0,2}|, | \()| (?:es|e|is|da|era)(?: |: ?)|\s?(?::|=|->)\s{0,2}|, ?| \(| )%b"
    rb"(?P<name>[a-z0-9_][\w.#\-]{2,31})" % (_OWNER, _ACCOUNT, SERVICE, SERVICE, _OPENED)
)
# One look for where a word begins, before all that may stand there: a third of what a look in each costs.
_NAMED = re.compile(
    rb"\b(?:"
    rb"(?<!@)(?:%b|usuari[oa]/?a?(?: (?:de |del )?(?:la |el )?\w{3,14})?|user|user ?name|nick|login|"
    rb"gamer ?tag|"
    rb"(?:id|nombre|nick) (?:de|del|en el) (?:juego|jugador|perfil))\s?(?::|=|->| es\b)|"
    rb"(?:erabiltzaile\w*|ezizen\w*|goitizen\w*|nire %b\w{0,5})(?: izena)?\s?:?|"
    rb"me (?:tienes|teneis|tenes|encuentras|encontrais) (?:alli |ahi |agregad[oa] |en \w+ )?(?:como|por)|"
    rb"busca(?:d|me|dme|nos|r) (?:como|por)|(?:mi |el )?canal (?:de %b )?se llama|follow(?: me)?:?|"
    rb"cambi\w+ (?:mi |el )?(?:usuario|nick|user|nombre|id) (?:a|por)|(?:etiquet|"
    rb"mencion)ad(?:me)?,? (?:a|soy|en)|"
    rb"(?:juego|salgo|aparezco|estoy|entro)(?: (?:en|al|a|por) (?:el |la )?\w+)? (?:como|"
    rb"con el (?:usuario|nick))|"
    rb"(?:escrib|habla|contact|mand)\w* (?:por|en|al) (?:el )?%b(?: a|,|:)?|"
    rb"(?:en|al|por|no|a) (?:el |la |l')?%b (?:me llamo|soy|estoy como|salgo como|aparezco como|"
    rb"me llaman|me tienes "
    rb"como|em dic|son|som|soc)|"
    rb"(?:agrega|anade|anyade|segui?|sigue|busca|invita|afegi|engad)\w{0,6}\s(?:\w{1,12} ){0,2}(?:en|al?|"
    rb"por|no)"
    rb" (?:el |la )?%b(?: como| soy|:|,)?|"
    rb"(?:me (?:encuentras|encontrais|encontraras|podeis encontrar|puedes encontrar|buscas|buscais) como|"
    rb"busca(?:d|me|dme) como|"
    rb"agrega(?:me|dme)(?: como)?|anade(?:me)?(?: como)?|sigue(?:me)? como|mi (?:tag|codigo|id)(?: de|"
    rb" del)? %b es)|"
    # Between commas: "tengo un canal de twitch, xXhugoXx, y".
    rb"(?:mi|meu|meva|my|una|otra|tengo(?: una?)?|tinc una?|teno unha?) (?:canal|cuenta|perfil|compte|"
    rb"conta|channel|"
    rb"account)"
    rb" (?:de|en|a|del|do|no|on) (?:el |la )?%b(?:,| \(|:)"
    rb")\s?%b(?P<name>[a-z0-9_][\w.#\-]{2,31})" % (*((SERVICE,) * 8), _OPENED)
)
# "LobitoGamer99 en twitch", "lu_ciagmz es mi insta": the name first.
_NAME_FIRST = re.compile(
    rb"(?:\b(?:soy|soc|son|un tal|una tal|me (?:acosa|insulta|amenaza|molesta|escribe|habla)|antes era|"
    rb"busca\w* por|me "
    rb"llamo|como|sigue(?:me)?|segui\w{0,3}|busca\w{0,4}|em dic|agrega\w{0,4}|"
    rb"anade\w{0,4})(?: a)? "
    rb"|(?<![^\n.,;(]) ?)(?P<name>[a-z0-9_][\w.#\-]{2,31})"
    rb" (?:(?:me (?:esta |ha )?\w{4,12} |y ahora \w+ \w+ )?(?:en|al?|por|no|on) (?:el |la |mi |l')?%b(?!\w)|"
    rb"es mi (?:usuario|user|nick|cuenta|%b)(?!\w))|"
    rb"\bsoy (?P<other>[a-z0-9_][\w.\-]{2,31}),? (?:agrega|anade|segui|sigue|busca)\w*" % (SERVICE, SERVICE)
)
_PUT = re.compile(
    rb"\b(?:(?:he|me he) puesto|(?:me )?puse|pon(?:go|er)?|cambi\w+ (?:mi usuario|mi nick|el nick) de) %b"
    rb"(?P<name>[a-z0-9_][\w.\-]{3,30}) (?:de|como|a) (?:usuari[oa]|nick(?:name)?|user|nombre|otro)(?!\w)"
    % _OPENED
)
_AFTER_SERVICE = re.compile(
    rb"(?:\b%b (?:\w{1,10} ){0,3}(?:soy|me llamo)|\busuari[oa]|\b(?:agrega|anade|sigue|busca)(?:me|"
    rb"dme) en (?:el |la )?%b\b[^.\n@]{0,50}?)"
    rb" (?P<name>(?=[a-z.]*[\d_])(?=[\w.]*[a-z]{3})(?=[\w.]*\d)(?=[a-z\d]*[._])[\w.]{6,30}(?<!\.))"
    % (SERVICE, SERVICE)
)
"""A word and a number joined by a sign: "en el discord soy kuroneko_2201"."""
_JOINED_BY_SIGN = re.compile(rb"_|\.\w")
"""A quick look: such a name holds one of them; the pattern takes 20 microseconds a stretch."""
_ACCOUNTS_OF_A_WORD = (_OWN_ACCOUNT, _NAMED, _NAME_FIRST, _PUT)
_ACCOUNTS_OF_ANY_SHAPE = (_OWN_ACCOUNT, _NAMED, _NAME_FIRST, _AFTER_SERVICE, _PUT)
_SOCIAL = (
    rb"\b(?:insta(?:gram)?|ig|tik ?tok|snap(?:chat)?|discord|telegram|twitter|twitch|be ?real|threads|roblox|"
    rb"fortnite|"
    rb"minecraft|valorant|brawl stars|clash royale|bluesky|wattpad|vinted|steam|facebook)\b"
)
_SIGNED_NAME = rb"(?P<name>(?=[\w.]{0,28}[_\d])(?=[\w.]{0,28}[a-z][\w.]{0,3}[a-z]{2})[a-z_][\w.]{3,29})"
_BESIDE_NETWORK = re.compile(
    rb"(?:%b[^.\n@]{0,25}?|\b(?:usuari[oa]|nick(?:name)?|user(?:name)?|gamertag|perfil|cuenta|"
    rb"github)(?: \w{2,12}){0,2})[ :(\"'*\xab>]%b(?![\w@(=])|"
    rb"(?<![\w.@/])%b[\"')*\xbb]{0,3}[^.\n@]{0,22}? (?:en|"
    rb"por|de|es mi|al|a|mi|del|para)"
    rb" (?:el |la |mi |su )?%b"
    % (_SOCIAL, _SIGNED_NAME, _SIGNED_NAME.replace(b"<name>", b"<first>"), _SOCIAL)
)
"""A name with a low line or figures, and a network in the same clause."""
_ADJOINING = re.compile(
    rb"\b(?:psn|ps[45]|xbox|steam|epic|nintendo|discord|github|gitlab|skype|insta(?:gram)?|ig|tik ?tok|snap|"
    rb"twitch|telegram)"
    rb"(?::|,| como| soy| es)? (?P<name>(?:live:)?[a-z0-9_][\w.\-]{3,30})"
)
"""The name right behind the network: "steam kbron_del_sur psn IkerGol2010"."""
_OWN_IS = re.compile(
    rb"\b(?:el (?:mio|meu|suyo|tuyo|nuestro)|el de (?:[a-z]+ ){1,3}?|la cuenta de %b[^.\n]{0,70}?|"
    rb"(?:usuari[oa]|"
    rb"nick|user|perfil|canal)"
    rb" [^.\n]{0,50}?)(?: ?)(?:es|era|se llama|:) [\"'\xab]?(?P<name>[a-z0-9_][\w.\-]{3,30})" % SERVICE
)
"""Said of an account that was spoken of before: "los nicks: el mío es Trujillan0, el de Hugo es carba_gz"."""
_GAME_ID = re.compile(
    rb"\b(?:uid|friend code|codigo de amigo|"
    rb"player id)\b(?: \w{1,4}){0,2}[ :]{1,2}(?P<name>\d[\d \-]{5,16}\d)(?!\w)"
)
_SIGNED = re.compile(rb"[a-z\d]_|_[a-z]|[a-z]{3}[.\-]?\d|\d[a-z]{3}|git|\buid\b|codigo de amigo|friend code")
"""A quick look: what such a name or number must hold."""
_TAGGED = re.compile(rb"(?<![\w#./])([\w.]{2,32})#(?P<tag>\d{3,5}|[a-z0-9]{3,5})(?!\w)")
"""Of Discord as it was: "hugo#4521"."""
_MAIL_NAME = re.compile(
    rb"\b(?:(?:mi|el meu|o meu|my|su|nire) (?:gmail|hotmail|outlook|yahoo|icloud|correo(?: de (?:teams|"
    rb"gmail|outlook|"
    rb"la escuela)| del (?:cole|insti|centro))?)|(?:gmail|hotmail|"
    rb"outlook)\s?:)(?: es| e| is)?\s?:?\s?"
    rb"(?P<name>[a-z0-9][\w.\-]{3,40})(?![\w@.])"
)
_SIGN = re.compile(rb"[\d_.#]")
_NETWORK = (
    rb"(?:insta(?:gram)?|ig|tik ?tok|snap(?:chat)?|twitch|discord|be ?real|roblox|fortnite|steam|minecraft|telegram|"
    rb"twitter|threads|psn|xbox|brawl stars|valorant|wattpad|habbo)"
)
_TOLD_PLAINLY = re.compile(
    rb"busca|me (?:tienes|tenes|teneis|encontr|encuentr)|se llama|puse|puesto|cambi\w+ (?:mi |el )?(?:usuario|"
    rb"nick|user)"
)
# "mi snap es aitanasv": of networks, an account needs no sign; "mi insta es privado" tells what it is like.
_OWN_NETWORK = re.compile(
    rb"(?:(?:mi|meu|my|nire)\s(?:%b|user(?: ?name)?|nick(?:name)?|alias|gamer ?tag)(?: (?:en|de|del) (?:el |"
    rb"la )?\w+(?: \w+)?)?(?: (?:es|"
    rb"e|is|"
    rb"da)\s|\s?:)|"
    rb"(?:insta|ig|snap)\s?:)" % _NETWORK
)
_NO_ACCOUNT = frozenset(
    b"privado privada privat publico publica nuevo nueva nuevos viejo secreto secreta mejor peor igual este "
    b"esta eso "
    b"aquel para como porque solo mucho tambien gratis aburrido facil dificil donde cuando demasiado "
    b"private public "
    b"new boring great parecido distinto diferente antiguo falso real malisimo genial horrible feo super "
    b"nou vell "
    b"correcto incorrecto valido invalido erroneo original gracioso bonito largo corto raro secreta anonimo anonima "
    b"numero letra letras mayuscula minuscula cualquiera alumno alumna profesor profesora nombre apellido apellidos "
    b"mio tuyo algo todo nada siempre bastante suficiente imposible posible necesario importante".split()
)
_CUE_CHARACTERS = 40
_BEFORE, _AFTER = 60, 120
"""How far around the word an account may stand."""


def bare_handles(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """The account that somebody names without an at sign: "mi insta es lucia.gc_07". `at`: where networks are "
    "named."""
    for begin, end in stretches(seen, at, _BEFORE, _AFTER):
        yield from _accounts(seen, begin, end)


def _accounts(seen: View, begin: int, stop: int) -> Iterator[Finding]:
    folded = seen.folded
    joined = _JOINED_BY_SIGN.search(folded, begin, stop) is not None
    for pattern in _ACCOUNTS_OF_ANY_SHAPE if joined else _ACCOUNTS_OF_A_WORD:
        for found in pattern.finditer(folded, begin, stop):
            group = found.lastgroup or "name"
            name = found[group].rstrip(b".-#")
            start, end = found.start(group), found.start(group) + len(name)
            if _is_account(seen, found, name, start, end):
                yield Finding(start, end, Kind.HANDLE)
    if _SIGNED.search(folded, begin, stop):
        yield from _signed_names(seen, begin, stop)
    yield from _shaped_names(seen, begin, stop)
    for found in _TAGGED.finditer(folded, begin, stop) if b"#" in folded[begin:stop] else ():
        told = found["tag"].isdigit() or spoken_of(folded, *found.span())
        if told and found[1] not in NO_TAGGED and any(97 <= sign < 123 for sign in found[1]):
            yield Finding(found.start(), found.end(), Kind.HANDLE)
    for found in _MAIL_NAME.finditer(folded, begin, stop):
        name = found["name"].rstrip(b".")
        if _SIGN.search(name) and not FILE_OR_SITE.fullmatch(name):
            yield Finding(found.start("name"), found.start("name") + len(name), Kind.EMAIL)
    yield from profiles(seen, begin, stop)


def _signed_names(seen: View, begin: int, stop: int) -> Iterator[Finding]:
    """Names with a low line or figures, by the network beside them or by what was said before."""
    folded = seen.folded
    for found in _BESIDE_NETWORK.finditer(folded, begin, stop):
        group = found.lastgroup or "name"
        name = found[group].rstrip(b".")
        start, end = found.start(group), found.start(group) + len(name)
        if OF_PROGRAMS.search(
            folded, max(begin, found.start() - _CUE_CHARACTERS), found.end() + _CUE_CHARACTERS
        ):
            continue
        signed = b"_" in name or _TWO_FIGURES.search(name)
        if signed and not NO_SIGNED_NAME.fullmatch(name) and _is_account(seen, found, name, start, end):
            yield Finding(start, end, Kind.HANDLE)
    for found in chain(_ADJOINING.finditer(folded, begin, stop), _OWN_IS.finditer(folded, begin, stop)):
        name = found["name"].rstrip(b".-")
        start, end = found.start("name"), found.start("name") + len(name)
        mixed = CAPITAL_WITHIN.search(seen.text, start, end) and any(48 <= sign < 58 for sign in name)
        mixed = mixed or (seen.text[start].isupper() and name[-1:].isdigit() and len(name) > 6)
        joined = b"_" in name or (b"-" in name and b"git" in found[0]) or _TWO_FIGURES.search(name) or mixed
        letters = sum(97 <= sign < 123 for sign in name)
        other = NO_SIGNED_NAME.fullmatch(name) or NUMBER.fullmatch(name) or FILE_OR_SITE.fullmatch(name)
        if joined and letters > 2 and (not other or mixed):
            yield Finding(start, end, Kind.HANDLE)
    for found in _GAME_ID.finditer(folded, begin, stop):
        yield Finding(*found.span("name"), Kind.HANDLE)


def _shaped_names(seen: View, begin: int, stop: int) -> Iterator[Finding]:
    """Names that are written as only accounts are, wherever the speaker's own are spoken of."""
    folded = seen.folded
    if not (_JOINED_ANYHOW.search(folded, begin, stop) or CAPITAL_WITHIN.search(seen.text, begin, stop)):
        return
    for found in TOKEN.finditer(folded, begin, stop):
        start, name = found.start(), found[0].rstrip(b".-")
        if is_somebodys(seen, name, start):
            yield Finding(start, start + len(name), Kind.HANDLE)
    for found in _SLOT.finditer(folded, begin, stop):
        name = found["name"].rstrip(b".-")
        start, end = found.start("name"), found.start("name") + len(name)
        if _fills_a_slot(seen, name, start, end):
            yield Finding(start, end, Kind.HANDLE)
    for found in _ADDED.finditer(folded, begin, stop):
        name = found["name"].rstrip(b".-")
        start, end = found.start("name"), found.start("name") + len(name)
        capital = CAPITAL_WITHIN.search(seen.text, start, end) and not seen.text[start:end].isupper()
        if (capital or _JOINED.fullmatch(name) or _SIGN.search(name)) and _is_no_other(name):
            yield Finding(start, end, Kind.HANDLE)
    for found in _RIGHT_BEHIND.finditer(folded, begin, stop):
        name = found["name"].rstrip(b".-")
        start, end = found.start("name"), found.start("name") + len(name)
        capital = CAPITAL_WITHIN.search(seen.text, start, end) and not seen.text[start:end].isupper()
        joined = _JOINED.fullmatch(name) or _FIGURES_AT_ITS_END.search(name) or b"_" in name
        if (
            (capital or joined)
            and _is_no_other(name)
            and not OF_PROGRAMS.search(folded, max(begin, start - _CUE_CHARACTERS), end + _CUE_CHARACTERS)
        ):
            yield Finding(start, end, Kind.HANDLE)


def _fills_a_slot(seen: View, name: bytes, start: int, end: int) -> bool:
    """Whether what stands where an account is asked for is written as one, and accounts are spoken of."""
    capital = CAPITAL_WITHIN.search(seen.text, start, end) and not seen.text[start:end].isupper()
    joined = _JOINED.fullmatch(name) and (holds_a_name(name) or any(48 <= sign < 58 for sign in name))
    lengthened = _LENGTHENED.search(name)
    joined = joined or b"_" in name
    figures = name[-2:].isdigit() and any(97 <= sign < 123 for sign in name[:3])
    if not (capital or joined or lengthened or figures or holds_a_name(name)):
        return False
    if name in _BRANDS or name in _NO_ACCOUNT or is_no_account(seen, name, end, asked=True):
        return False
    return spoken_of(seen.folded, start, end, by_whom=not (capital or lengthened))


def _is_no_other(name: bytes) -> bool:
    """Whether it is no site, file, number, model, or network."""
    letters = sum(97 <= sign < 123 for sign in name)
    return not (
        letters < 3
        or (
            letters < _LETTERS_OF_NO_WORD
            and NO_SIGNED_NAME.fullmatch(name)
            and name[-1:].isdigit()
            and len(name) < 6
        )
        or NUMBER.fullmatch(name)
        or FILE_OR_SITE.fullmatch(name)
        or name in _BRANDS
    )


def _is_account(seen: View, found: re.Match[bytes], name: bytes, start: int, end: int) -> bool:
    if seen.folded[end : end + 1] in {b"(", b"["}:
        return False  # "fb = document.getElementById("
    if name.isdigit() and len(name) > 5 and _ID_OF_A_GAME.match(found[0]):
        return True
    if len(name) < 3 or _BEGINS_IBAN.match(name) or FILE_OR_SITE.fullmatch(name) or NUMBER.fullmatch(name):
        return False
    if found.re in {_OWN_ACCOUNT, _NAMED, _PUT} and _JOINED.fullmatch(name):
        return True
    if _SIGN.search(name.strip(b".")):
        # "en Twitch 2.000": a number is no account, and "5to" neither.
        return any(97 <= sign < 123 for sign in name)
    if CAPITAL_WITHIN.search(seen.text, start, end) and not seen.text[start:end].isupper():
        return name not in _BRANDS
    plain = len(name) > 4 and name.isalpha() and name not in _NO_ACCOUNT and name not in not_names()
    last = not seen.folded[end : end + 1].isalnum() and (
        seen.folded[end : end + 1] != b" " or _NO_WORD.search(name) is not None
    )
    told = (
        _OWN_NETWORK.match(found[0]) is not None
        or (found.re in {_OWN_ACCOUNT, _NAMED, _PUT} and _TOLD_PLAINLY.search(found[0]) is not None)
        or _NO_WORD.search(name) is not None
        or (found.re in {_OWN_ACCOUNT, _NAMED} and _OF_GAMERS.search(name) is not None)
    )
    return plain and last and told


_ADDED = re.compile(
    rb"\b(?:agrega|anade|anadi|engadi|engade|afegi|segui|sigue|busca|invita)(?:me|dme|d|nos|dnos|u-me|"
    rb"deme)?\s?"
    rb"(?::|=|->|como:?|,? soy)\s{0,2}[\"'*]{0,2}(?P<name>[a-z0-9_][\w.\-]{3,30})"
)
"""Who asks to be added says what by: "agregadme: XianaMid"."""
_JOINED = re.compile(rb"[a-z0-9]{2,16}(?:[.\-][a-z0-9]{2,16}){1,2}")
_RIGHT_BEHIND = re.compile(
    rb"(?:(?:^|(?<=[\n.,;:(!?\x02] )|(?<=[\n(])|\b(?:mi|tu|su|al|mis|meu|meva|el de|y|e) (?:el |la )?)|"
    rb"(?<=tengo ))"
    rb"(?:insta(?:gram)?|ig|tik ?tok|snap(?:chat)?|discord|telegram|tg|twitch|twitter|psn|xbox|steam|"
    rb"be ?real|roblox|user(?: ?name)?|gamer ?tag|login|github user|finsta|priv|"
    rb"usuario|usuaria|nick|disc|tt|threads|bluesky)"
    rb"(?:\s?(?::|=|->|-|\x02|,(?: es)?| es| soy| como))?\s{1,2}%b(?P<name>[a-z0-9_][\w.\-]{3,30})"
    rb"(?=[\"')*\xbb]{0,3}(?:\s*(?:[,;)\n!?/|]|\.?\s*$|\.\s)| (?:y|i|e|o|por|para|pa|si|gracias|ok|"
    rb"contrasena|clave|pass|password)\b))" % _OPENED
)
"""The name behind the network, and nothing after it: "TikTok -> Danielito2012", a line of its own after "insta"."""
_NO_WORD = re.compile(
    rb"[bcdfghjklmnpqrstvwxyz]{4}|[bcdfghjklmnpqrstvwxyz]{3}$|[bcdfghjkmpqtvwxyz][bcdfghjklmnpqrtvwxyz]$|aa|"
    rb"ii|uu|"
    rb"xx|zz|kk|yy|^[bcdfghjkmnqrtvwxz][bcdfghjkmnpqtvwxz]"
)
"""Letters that no word of Spanish has together: "nereavll", "martaaa"."""
_OF_GAMERS = re.compile(rb"gamer|gaming|player|xito$|xita$|vlogs?$|crack$|fan$|pro$")
_TWO_FIGURES = re.compile(rb"[a-z][._]?\d{2}|\d{2}[._]?[a-z]|[a-z]\.[a-z]+\d")
_BEGINS_IBAN = re.compile(rb"[a-z]{2}\d{2}$")
_ID_OF_A_GAME = re.compile(rb"mi (?:id|tag|codigo)\b")
_BRANDS = frozenset(
    b"tiktok youtube playstation whatsapp instagram facebook linkedin bereal educamadrid minecraft github gitlab "
    b"deviantart "
    b"geoguessr hackerrank codeforces goodreads javascript typescript powerpoint onedrive sharepoint geogebra "
    b"classdojo "
    b"chatgpt openai libreoffice openoffice latex iphone ipad macbook ebay paypal mysql postgresql mongodb nodejs "
    b"wordpress "
    b"stackoverflow leetcode codewars edpuzzle myanimelist anilist vrchat soundcloud snapchat duolingo kahoot "
    b"quizlet "
    b"skype microsoft google gmail moodle telegram discord twitch spotify netflix fortnite roblox e-mail wi-fi "
    b"etwinning".split()
)
_SLOT = re.compile(
    rb"(?:\b(?:es|e|is|soy|soc|son|como|por|con|de|a|llamar|llama|user|usuari[oa]|cuenta|perfil|falso|nick|tag|"
    rb"canal|dm|md|"
    rb"add|etiqueta(?:d|me|dme)|menciona(?:d|me|dme)|subido|subio|mi|tal|llamo)[,:]? |[:(] ?|-> ?)%b"
    rb"(?P<name>[a-z0-9_][\w.\-]{4,30})" % _OPENED
)
"""Where an account is told."""
_JOINED_ANYHOW = re.compile(rb"[a-z][._\-]?\d|\d[._\-]?[a-z]|[a-z]_|_[a-z]|[a-z][.\-][a-z]|([a-z])\1\1|xx")
"""A quick look: what every such name holds that has no capital within."""
_LENGTHENED = re.compile(rb"([a-z])\1\1|^x+_|_x+$|^xx|xx$")
_FIGURES_AT_ITS_END = re.compile(rb"[a-z][._\-]?\d{2,4}[a-z]{0,2}$|^\d{2,4}[a-z]")
_LETTERS_OF_NO_WORD = 9
