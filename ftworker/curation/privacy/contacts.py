"""Phones, e-mail addresses and handles of social networks: how somebody is reached.

What only looks like one is left alone: a quantity in groups of three, a decorator, `git@host`, an address of
documentation (RFC 2606). Rules run over the fold; units, whose case counts, are looked up in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from ahocorasick_rs import BytesAhoCorasick

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.numbers import NOT_IN_NUMBER

_EMAIL_NAME_BACKWARDS = re.compile(rb"[\w.%+\-]{1,64}")
_EMAIL_DOMAIN = re.compile(rb"(?:[\w\-]{1,63}\.){1,8}[a-z]{2,24}(?![\w@])")
# RFC 2606 and their Spanish cousins: addresses of lessons and documentation.
_DOCUMENTATION_DOMAIN = re.compile(
    rb"(?:.*\.)?(?:(?:example|ejemplo|exemple)\.(?:com|org|net|es|cat)|test|invalid|localhost)"
)
# "lucia punto perez arroba gmail punto com", "lucia (at) gmail.com".
_SPELT_EMAIL = re.compile(
    rb"(?<![\w.])(\w[\w.\-]{1,40}(?:\s(?:punto|punt|dot|guion bajo|guion)\s\w{1,30}){0,3})\s?(?:[(\[{]\s?)?"
    rb"(?:\b(?:arroba|arrova|arrob|abildua)\b|(?<=[(\[{])\s?at\b|\bat\b(?=\s(?:gmail|hotmail|outlook|yahoo|"
    rb"icloud)\b))(?:\s?[)\]}])?\s?"
    rb"([\w\-]{2,40}(?:(?:\s?[(\[]?\s?\b(?:punto|punt|dot)\b\s?[)\]]?\s?|\s?\.\s?)[a-z]{2,20}){1,3}|"
    rb"(?:gmail|hotmail|outlook|yahoo|icloud)\b)"
)

# "lucia @ gmail . com", so that no program finds it.
_LOOSE_EMAIL_NAME_BACKWARDS = re.compile(rb"\s{0,2}([\w.%+\-]{1,64})")
_LOOSE_EMAIL_DOMAIN = re.compile(
    rb"\s{0,2}[\w\-]{2,40}\s{0,2}\.\s{0,2}(?:com|es|org|net|cat|gal|eus|edu|info)(?![\w@])"
)

_HANDLE = re.compile(rb"(?<![\w@/.\\`:&=\-])@([a-z_](?:[\w.]|-(?=\w)){2,29})(?![\w(@/=\-{\\])")
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
    rb"x\.com|sigueme|siganme|seguidme|segueix\w*|siguenos|follow|seguir|segui|sigues|agregame|anademe|"
    rb"mi (?:usuario|user|perfil|cuenta|"
    rb"nick|alias)|el meu (?:usuari|perfil)|my (?:user|handle)|mandame|escribeme|etiqueta\w*|perfil|"
    rb"stories|dm|md)\b"
)
_SERVICE = (
    rb"(?:insta(?:gram)?|ig|tik ?tok|twitter|twitch|snap(?:chat)?|discord|telegram|facebook|be ?real|youtube|roblox|"
    rb"fortnite|steam|minecraft|valorant|brawl(?: stars)?|clash(?: royale)?)"
)
# A handle that is written without its sign: "mi insta es lucia.gc_07", "discord: hugo#4521", "en twitch soy HugoTV".
_BARE_HANDLE = re.compile(
    rb"\b(?:"
    rb"(?:mi|el meu|my|nire|o meu|su|tu|el)\s"
    rb"(?:(?:usuario|user|nick|alias|gamertag|cuenta|perfil)(?: (?:de|en|del|no|al) (?:el |la )?)?)?"
    rb"(?:%b|usuario|nick|alias|gamertag|user)?(?: name)?(?: es|:| e[sr]a?| is| da| =)\s{0,2}:?|"
    rb"(?<!@)%b\s?:|"
    rb"(?:en|al|por|no|a) (?:el |la )?%b (?:me llamo|soy|estoy como|salgo como|em dic|son)|"
    rb"(?:agrega|anade|anyade|segui?|sigue|busca|invita|afegi|engad)\w{0,6}\s(?:\w{1,12} ){0,2}(?:en|al?|por|no)"
    rb" (?:el |la )?%b(?: como| soy|:)?|"
    # Between commas: "tengo un canal de twitch, xXhugoXx, y".
    rb"(?:mi|meu|meva|my|tengo(?: una?)?|tinc una?|teno unha?) (?:canal|cuenta|perfil|compte|conta|channel|account)"
    rb" (?:de|en|a|del|do|no|on) (?:el |la )?%b(?:,| \(|:)"
    rb")\s?([a-z0-9_][\w.#\-]{2,31})" % ((_SERVICE,) * 5)
)
_ACCOUNT_SIGN = re.compile(rb"[\d_.#]")
_CAPITAL_WITHIN = re.compile(r"[a-záéíóúñ][A-ZÁÉÍÓÚÑ]")
# "mi snap es aitanasv": of networks, an account needs no sign; "mi insta es privado" tells what it is like.
_OWN_NETWORK = re.compile(
    rb"(?:mi|meu|my|nire)\s(?:insta(?:gram)?|ig|tik ?tok|snap(?:chat)?|twitch|discord) ?(?:es|e|is|da|:)"
)
_NO_ACCOUNT = frozenset(
    b"privado privada privat publico publica nuevo nueva nuevos viejo secreto secreta mejor peor igual este esta eso "
    b"aquel para como porque solo mucho tambien gratis aburrido facil dificil donde cuando demasiado private public "
    b"new boring great parecido distinto diferente antiguo falso real malisimo genial horrible feo super nou vell "
    b"mio tuyo algo todo nada siempre bastante suficiente imposible posible necesario importante".split()
)
# A profile by its address. On YouTube lessons have accounts too: only one's own is personal.
_PROFILE = re.compile(
    rb"\b(?:(instagram|tiktok|twitter|facebook|twitch|snapchat)\.(?:com|tv)/(?:add/)?@?|youtube\.com/@|\bt\.me/)"
    rb"([a-z0-9_][\w.\-]{2,29})(?![\w\-])"
)
_PROFILE_PAGES = frozenset(
    b"explore reel reels stories hashtag search watch video videos share login about help tags".split()
)
_OWN = re.compile(rb"\b(?:mi|mis|nuestr\w|meu|my|meva)\b")

_PHONE_OF_SPAIN = re.compile(rb"(?<!\w)(?:\(?(?:\+|00) ?34\)?)[ .\-]?\(?[6-9](?:[ .\-)]{0,2}\d){8}(?!\d)")
_PHONE_ABROAD = re.compile(
    rb"(?<![\w)\]=])\+\d{1,3}(?:[ \-]\(?\d{1,5}\)?){2,6}(?!\w)|(?<![\w)\]=])\+\d{10,14}(?!\w)"
)
_PHONE_GROUPED = re.compile(
    NOT_IN_NUMBER
    + rb"(?:[6-9]\d{2}(?:([ \-])\d{3}\1\d{3}|([ .\-])\d{2}\2\d{2}\2\d{2})|[89]\d([ .\-])\d{3}\3\d{2}\3\d{2})"
    + rb"(?![\w/]|[.,\- ]\d)"
)
_PHONE_LOOSE = re.compile(NOT_IN_NUMBER + rb"[6-9](?:[ .\-]?\d){8}(?!\w|[.,]\d)")
_PHONE_CUE = re.compile(
    rb"telef\w*|\bcel(?:u|ular)?\b|\btelf?\b|\btfn?o?\b|\btlfn?o?\b|\btlf\b|\bmo[bv]il|whats\s?app|wh?asap|guasap|wasap|"
    rb"wassap|\bwa\b|telegram|bizum|"
    rb"\bllama(?:me|nos|dme|r|la|le|lo)?\b|\btruca|\btrucar|contacto|\bmi n(?:umero|um)\b|"
    rb"\bel meu n(?:umero|um)\b|\bsu n(?:umero|um)\b|"
    rb"\bmeu numero|\bnire zenbakia|zenbakia|\bphone|\bcall me|\bfijo\b|\bmarca(?:me)? el|"
    rb"\bnumero de (?:mi|mama|papa|casa|contacto)|sms"
)
# "agrégame al 612345678", "enviar els deures al": what is sent to or looked up under so many digits.
_REACHED_AT = re.compile(
    rb"\b(?:agreg\w+|anad[ei]\w+|anade|apunta\w*|localiza\w+|contact\w+|envi\w+|mand[aeo]\w*|pas[ae]\w*|escribe[mdt]\w+|"
    rb"escribid\w*|avis\w+|ubica\w+|encontrar\w*|responde\w*)\b[^.\n]{0,30}?\b"
    rb"(?:al|ao|a|en el|al numero|a este|a aquest|en este)\s?:?\s?$|"
    # One's own after another's: "pásame el tuyo, el mío es".
    rb"\b(?:pas[ae]\w*|dam[eo]\w*|dime\w*|apunt\w+|guard\w+|tuyo|teu)\b[^.\n]{0,25}\b(?:el mio|el meu|o meu) (?:es|e)"
    rb"(?: el)?\s?:?\s?$"
)
_SPELT_DIGITS = {
    word.encode(): digits
    for digits, words in {
        "0": "cero zero", "1": "uno un one", "2": "dos two", "3": "tres three", "4": "cuatro quatre four",
        "5": "cinco cinc five", "6": "seis sis six", "7": "siete set seven", "8": "ocho vuit eight",
        "9": "nueve nou nine", "10": "diez deu", "11": "once onze", "12": "doce dotze",
        "13": "trece tretze", "14": "catorce catorze", "15": "quince quinze", "16": "dieciseis setze",
        "17": "diecisiete disset", "18": "dieciocho divuit", "19": "diecinueve dinou", "20": "veinte vint",
        "21": "veintiuno", "22": "veintidos", "23": "veintitres", "24": "veinticuatro",
        "25": "veinticinco", "26": "veintiseis", "27": "veintisiete", "28": "veintiocho",
        "29": "veintinueve", "30": "treinta trenta", "40": "cuarenta quaranta",
        "50": "cincuenta cinquanta", "60": "sesenta seixanta", "70": "setenta", "80": "ochenta vuitanta",
        "90": "noventa noranta", "100": "cien ciento", "200": "doscientos", "300": "trescientos",
        "400": "cuatrocientos", "500": "quinientos", "600": "seiscientos sis-cents",
        "700": "setecientos set-cents", "800": "ochocientos", "900": "novecientos nou-cents",
    }.items()
    for word in words.split()
}  # fmt: skip
# What a number that begins with 6, 7, 8 or 9 has at its beginning.
_FIRST_DIGITS = BytesAhoCorasick(
    b"seis siete ocho nueve sesent setent ochent novent setec novec sis set vuit nou seixant norant "
    b"six seven eight nine".split()
)
_NUMBER_WORD = "|".join(sorted((word.decode() for word in _SPELT_DIGITS), key=len, reverse=True)).encode()
_SPELT_PHONE = re.compile(
    rb"\b(?:(?:%b|\d{1,3})\b(?:[ ,.\-]{1,3}(?:y |i )?)){3,14}(?:%b|\d{1,3})\b" % (_NUMBER_WORD, _NUMBER_WORD)
)
_SPELT_PART = re.compile(rb"([,.\-]? ?)(?:y |i )?(\d+|[a-z]+(?:-cents)?)")
# A quantity or a calculation, not a telephone: what may stand after or before a number in groups of three.
_QUANTITY_AFTER = re.compile(
    r"\s?(?:[%€$£º°=+*×·^<>≤≥÷]|:\s?\d|"
    r"(?:k|c|m|d|da|h|M|G)?(?:m|g|l|L|J|W|N|V|A|Hz|Pa|s|b|B)(?:[²³23]|/\w+)?(?!\w)|"
    r"(?:redondead\w+|euros?|d[oó]lares|pesetas|habitantes|personas|a[nñ]os|metros|kil[oó]metros|gramos|litros|"
    r"segundos|bytes|d[ií]as|unidades|millones|hect[aá]reas|votos|especies|c[eé]lulas|estrellas|toneladas|"
    r"se (?:lee|escribe (?:con|en|as[ií])|descompone|llegeix)|entre \d|dividid\w+|multiplicad\w+|elevad\w+|"
    r"es (?:m[uú]ltiplo|divisible|un n[uú]mero|par|impar|primo|mayor|menor|igual))\b)"
)
# "¿Cómo se lee 900 100 200?", "el siguiente de 699 999 999": numbers that are learnt to be read and counted.
_READ_BEFORE = re.compile(
    rb"\b(?:se (?:lee|escribe|llegeix|escriu)|(?:siguiente|anterior|posterior|seguent|doble|mitad|cifras?)"
    rb" (?:de|a|al|del)|(?:lee|escrib[ei]\w*|descompon\w*|redonde\w+|compar\w+|orden\w+)(?: (?:con|en) (?:letras?|"
    rb"palabras|cifras?))?(?: (?:los|estos|el) (?:siguientes? )?numeros?:?)) (?:el )?(?:numero )?$"
)
_CALCULATION_BEFORE = re.compile(rb"[=+*\xd7\xb7^<>\xf7(]\s?$")

_CUE_CHARACTERS = 40
_CUE_AFTER = 22
_NETWORK_CHARACTERS = 70


def emails(seen: View) -> Iterator[Finding]:
    """Addresses with an at sign, wherever they stand."""
    # Looking around each at sign is linear; a pattern that begins with the name before it is not.
    folded = seen.folded
    at = folded.find(b"@")
    while at != -1:
        domain = _EMAIL_DOMAIN.match(folded, at + 1)
        name = _EMAIL_NAME_BACKWARDS.match(folded[max(0, at - 64) : at][::-1]) if domain else None
        # git@github.com is how a repository is written, not how a person is reached.
        if domain and name and name[0] != b"tig" and not _DOCUMENTATION_DOMAIN.fullmatch(domain[0]):
            yield Finding(at - name.end(), domain.end(), Kind.EMAIL)
        elif not domain and (domain := _LOOSE_EMAIL_DOMAIN.match(folded, at + 1)):
            name = _LOOSE_EMAIL_NAME_BACKWARDS.match(folded[max(0, at - 66) : at][::-1])
            host = b"".join(domain[0].split())
            if name and not _DOCUMENTATION_DOMAIN.fullmatch(host):
                yield Finding(at - name.end(), domain.end(), Kind.EMAIL)
        at = folded.find(b"@", at + 1)


def spelt_emails(seen: View) -> Iterator[Finding]:
    """Addresses whose at sign is written as a word: "lucia punto perez arroba gmail punto com"."""
    for found in _SPELT_EMAIL.finditer(seen.folded):
        if not _DOCUMENTATION_DOMAIN.fullmatch(re.sub(rb"\s?\b(?:punto|punt|dot)\b\s?", b".", found[2])):
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
        if not _CODE_WORDS.isdisjoint((name, name.partition(b"-")[0])) or code or (begins_line and not cue):
            continue
        if cue or (b"-" not in name and _ACCOUNT_SIGN.search(name) and len(name) > 3):
            yield Finding(found.start(), found.start() + 1 + len(name), Kind.HANDLE)


def bare_handles(seen: View) -> Iterator[Finding]:
    """The account that somebody names without an at sign: "mi insta es lucia.gc_07"."""
    for found in _BARE_HANDLE.finditer(seen.folded):
        name = found[1].rstrip(b".")
        start, end = found.start(1), found.start(1) + len(name)
        plain = len(name) > 4 and name.isalpha() and name not in _NO_ACCOUNT and _OWN_NETWORK.match(found[0])
        last = not seen.folded[end : end + 1].isalnum() and seen.folded[end : end + 1] != b" "
        if _ACCOUNT_SIGN.search(name) or _CAPITAL_WITHIN.search(seen.text, start, end) or (plain and last):
            yield Finding(start, end, Kind.HANDLE)
    for found in _PROFILE.finditer(seen.folded):
        name = found[2].rstrip(b".")
        own = found[1] or b"t.me" in found[0] or _before(_OWN, seen.folded, found.start())
        if own and name not in _PROFILE_PAGES:
            yield Finding(found.start(2), found.start(2) + len(name), Kind.HANDLE)


def phones(seen: View) -> Iterator[Finding]:
    """Numbers with +34 or a country, in a phone's groups, or bare after a word such as "llámame"."""
    text, folded = seen.text, seen.folded
    for found in _PHONE_OF_SPAIN.finditer(folded):
        yield Finding(found.start(), found.end(), Kind.PHONE)
    for found in _PHONE_ABROAD.finditer(folded):
        digits = len(re.sub(rb"\D", b"", found[0]))
        if 9 <= digits <= 15 and not _QUANTITY_AFTER.match(text, found.end()):
            yield Finding(found.start(), found.end(), Kind.PHONE)
    grouped = list(_PHONE_GROUPED.finditer(folded))
    for number, found in enumerate(grouped):
        before = folded[max(0, found.start() - 2) : found.start()]
        # Hundreds of millions are counted; nobody has the number 700 000 000.
        rounded = found[0].endswith((b"000 000", b"000000"))
        if rounded or _QUANTITY_AFTER.match(text, found.end()) or _CALCULATION_BEFORE.search(before):
            continue
        if _before(_READ_BEFORE, folded, found.start()):
            continue
        near = grouped[max(0, number - 2) : number + 3]
        if (
            len(near) >= 3
            and _are_listed(folded, near)
            and not _spoken_of(folded, near[0].start(), found.end())
        ):
            continue  # "Ordena 912 345 678, 812 345 678 y 712 345 678"
        yield Finding(found.start(), found.end(), Kind.PHONE)
    for found in _PHONE_LOOSE.finditer(folded):
        if _spoken_of(folded, found.start(), found.end()) and not _QUANTITY_AFTER.match(text, found.end()):
            yield Finding(found.start(), found.end(), Kind.PHONE)


def spelt_phones(seen: View) -> Iterator[Finding]:
    """A number in words after a word such as "móvil": nine digits when its parts are put together."""
    if not _FIRST_DIGITS.find_matches_as_indexes(seen.folded):
        return
    for found in _SPELT_PHONE.finditer(seen.folded):
        digits, open_places = "", 0
        for gap, part in _SPELT_PART.findall(found[0]):
            value = _SPELT_DIGITS.get(part, part.decode() if part.isdigit() else "")
            # "treinta y cuatro" is 34 and not 304, "seiscientos doce" 612; "treinta, cuatro" is 304.
            joins = not gap.strip() and len(value) <= open_places and value != "0" and not part.isdigit()
            digits = digits[: -len(value)] + value if joins else digits + value
            zeros = len(value) - len(value.rstrip("0"))
            open_places = 0 if part.isdigit() or value in {"0", "10"} else zeros
        if len(digits) == 9 and digits[0] in "6789" and _before(_PHONE_CUE, seen.folded, found.start()):
            yield Finding(found.start(), found.end(), Kind.PHONE)


def _are_listed(folded: bytes, numbers: list[re.Match[bytes]]) -> bool:
    """Whether nothing but commas and an "and" stands between the numbers."""
    gaps = (folded[one.end() : other.start()] for one, other in pairwise(numbers))
    return all(gap.strip(b" ,;<>") in {b"", b"y", b"i", b"e", b"o", b"and"} for gap in gaps)


def _spoken_of(folded: bytes, start: int, end: int) -> bool:
    """Whether a telephone is spoken of before the number, or right after it ("612345678 por teléfono")."""
    after = _PHONE_CUE.search(folded, end, end + _CUE_AFTER)
    return (
        _before(_PHONE_CUE, folded, start)
        or _before(_REACHED_AT, folded, start)
        or (after is not None and b"." not in folded[end : after.start()])
    )


def _before(cue: re.Pattern[bytes], folded: bytes, position: int) -> bool:
    return cue.search(folded, max(0, position - _CUE_CHARACTERS), position) is not None


def _near(cue: re.Pattern[bytes], folded: bytes, start: int, end: int) -> bool:
    return cue.search(folded, max(0, start - _NETWORK_CHARACTERS), end + 30) is not None
