"""Names that are written as only accounts are: "lobo_gris_77", "hlozano_6b", "xX_hugo_Xx", "marinaesc18".

Nothing has to say that one stands here where the name of a person is in it; elsewhere accounts must be spoken of near
it, or somebody's data stand beside it. Code, files, models and brands are left alone. What phrases announce is in
`accounts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.lexicon import lexicon, not_names

SERVICE = (
    rb"(?:insta(?:gram)?|ig|tik ?tok|tt|twitter|twitch|snap(?:chat)?|discord|telegram|facebook|fb|be ?real|"
    rb"youtube|roblox|fortnite|steam|minecraft|valorant|brawl(?: stars)?|clash(?: royale| of clans)?|ps[45n]|psn|"
    rb"play(?:station)?|xbox|nintendo|switch|epic(?: games)?|lol|genshin|wattpad|pinterest|spotify|reddit|tumblr|"
    rb"kick|"
    rb"threads|vinted|duolingo|kahoot|signal|linkedin|github|skype|disc|yt|inst|free fire|pubg|apex|rocket league|"
    rb"among us|gmod|vk|bluesky|scratch|supercell|strava|chess(?:\.com)?|lichess|mastodon|letterboxd|geoguessr|"
    rb"stumble guys|geometry dash|soundcloud|ao3|finsta|priv|teams|classroom|padlet|hackerrank|wuolah|quizlet|replit|"
    rb"moodle|kaggle|goodreads|habbo|osu|genially|codeforces|leetcode|deviantart|itch(?:\.io)?|ea|ubisoft|overwatch|"
    rb"league of legends|blooket|gimkit|edpuzzle|classdojo|gitlab|codewars|flipgrid|genius|patreon|ko-?fi|"
    rb"onlyfans|yubo|"
    rb"locket|weverse|anilist|myanimelist|haxball|agar|rec room|vrchat|poki|friv|aternos|hypixel|clubes|efootball|"
    rb"brawlhalla|trackmania|figma|notion|canva|trello|campus|aula virtual|foro|chat|servidor de discord|gamer)"
)
"""Networks, games and places where somebody has an account."""
SPOKEN_OF = re.compile(
    rb"\b(?:%b|usuari[oa]s?|user(?:name)?s?|nick(?:name)?s?|alias|gamertag|cuentas?|compte|conta|perfil(?:es)?|"
    rb"login|logueo|insta(?:gram)?s?|canal|seguidor\w*|streams?|repo|game ?pass|contrasena|clave de|dm|md|mp|"
    rb"seguir\w*|"
    rb"sigue\w*|segui(?:d|r|dme|dnos)|etiqueta\w*|menciona\w*|agrega\w*|anade\w*|add|bloque\w+|stories|historias|"
    rb"comenta\w*|hater|insult\w+|hackea\w*|se hace llamar|stalke\w*|partida|jugamos|juego|equipo|clan|server|tag)\b"
    % SERVICE
)
"""What is said where accounts are spoken of."""
_SOMEBODYS = re.compile(
    rb"\b(?:mi|mis|me|meu|meva|my|el mio|la mia|soy|somos|soc|son|estoy|salgo|apunta\w*|agrega\w*|anad\w+|sigue\w*|"
    rb"segui\w*|busca\w*|tu|su|sus|te|tengo|tiene|he puesto|he creado|puse|cree|hice|pon(?:go|ed|me)?|nuestr[oa]|"
    rb"se llama|se hace|de (?:un|una|el|la) \w+|dice|escrib\w+|subo|subid\w+|juego|juega|pasa\w*|insulta\w*|"
    rb"amenaz\w+|"
    rb"hace|paso|ha|han|es|firm\w+|puedo|quien|llega\w*|entr\w+|habla\w*|aparec\w+|bloque\w+|pregunta\w*|entro|"
    rb"el perfil|la cuenta|user|usuario|nick|dm|add|etiqueta\w*)\b"
)
OF_PROGRAMS = re.compile(
    rb"\b(?:api|linux|ubuntu|mysql|sql|servidor(?! de discord)|funcion|codigo(?! de amig)|variables?|bots?|"
    rb"programa\w*|"
    rb"script|libreria|metodo|campo|tabla|base de datos|import|comando|clase (?:abstracta|padre|hija|publica|java|"
    rb"base)|"
    rb"clave primaria|json|html|css|php|java|python|regex|expresion regular|fichero|carpeta|directorio|root|terminal|"
    rb"consola|contador|atributo|parametro|columna|select|formulario|array|lista|diccionario|print|def|return|string|"
    rb"bucle|range|puntos|bloque mover|norma|cifrado|rsa|pixeles|captura|objeto|instancia|query|insert|update|"
    rb"latex|excel|dataframe|csv)\b"
)
OF_FILES = re.compile(
    rb"\b(?:archivo|fichero|pdf|adjunt\w*|foto|documento|carpeta|asunto|ref|referencia|codigo|usb|wifi|"
    rb"modelo|version|grupo(?! de)|contrasena debe|aula|clave|practica|entreg\w+|zip|tarea|plantilla|nomenclatura|"
    rb"nombr\w+ (?:el|la|los)|"
    rb"llamad[oa])\b"
)
# The first look ahead says the least of what the second does, and is done with a plain word in one step.
TOKEN = re.compile(
    rb"(?<![\w.@/#\-+\\=])[a-z0-9_](?=[a-zA-Z]{0,28}+[\d_.\-])(?=[\w.\-]{0,28}(?:[\d_]|[.\-]\w))"
    rb"[\w.\-]{3,30}(?![\w@/=])"
)
_ENDS_IN_FIGURES = re.compile(rb"[a-z][._\-]?\d{2,4}[a-z]{0,2}$|^\d{2,4}[a-z]")
CAPITAL_WITHIN = re.compile(r"[a-záéíóúñ0-9_][A-ZÁÉÍÓÚÑ]|[A-ZÁÉÍÓÚÑ]{2}[a-záéíóúñ]")
FILE_OR_SITE = re.compile(
    rb".*\.(?:com|es|org|net|cat|tv|gg|io|html?|pdf|jpe?g|png|docx?|mp4|exe|py|js|txt|xlsx?|pptx?|zip|rar|csv|odt|"
    rb"java|"
    rb"cpp|c|h|php|sql|json|xml|ipynb|edu|gob|gov|info|eu|eus|gal|md|app|me)"
)
NUMBER = re.compile(
    rb"[\d.,\-]+|\d+(?:k|m|min|h|kg|km|gb|mb|x\d+|fps|o|a|er|do|ro|to)|[a-z]{0,5}20[0-3]\d|[1-6][oa]?[a-h]|"
    rb"(?:gta|fifa|ps|covid|nba|f|g|v|mp|a|b|c|h)-?\d{1,2}"
)
MODEL = (
    rb"(?:windows|android|ios|python|html|css|covid|iphone|galaxy|version|v|tema|unidad|grupo|curso|clase|"
    rb"foto|img|video|dsc|agenda|horizonte|plan|pagina|ejercicio|sesion|practica|actividad|examen|trabajo|apuntes|"
    rb"bloque|nivel|modulo|parte|capitulo|fase|acceso|pau|evau|ebau|erasmus|becas?|educacion|matricula|promo|"
    rb"promocion|calendario|horario|aula|fifa|nba|gta|fila|hoja|linea|seccion|articulo|apartado|utf|sha|base|int|"
    rb"float)"
    rb"_?[\d.]+|[a-z]+_?(?:id|name|count|list)"
)
"""What has a number behind it and is no account."""
_IS_MODEL = re.compile(MODEL)
NO_SIGNED_NAME = re.compile(MODEL + rb"|[a-z]*\d{1,2}[a-z]?")
_LETTERS_OF_NO_WORD = 9
"""Letters beyond which "windows11" and "tema12" are nobody's pattern any more: "ratoncosmico12"."""
_BEFORE, _AFTER = 90, 60
"""How far around a name what is said of accounts counts."""
_RIGHT_BEFORE = 30
_TAGGED = re.compile(rb"(?<![\w#./])([a-z][\w.]{2,31})#\d{3,5}(?!\w)")
NO_TAGGED = frozenset(
    b"issue pr bug ticket color tarea ejercicio item fix caso nota page pagina version canal sala".split()
)
"""What has the number of something else behind its sign."""
_OF_SKYPE = b"live:"
_CODE_BEHIND = (b"(", b"[", b"@", b"=", b"{")
_LONGEST = 32
_FIGURE_FOR_LETTER = re.compile(rb"[a-z]{1,8}[0134-7][a-z]{2,12}(?:\.[a-z]{3})?")
"""As in "N4hia.exe": a figure within a word."""
_SMALL_LETTERS = re.compile(r"[a-zñ]{2}")
"""No formula: "CH3COOH"."""
_TOLD_BEFORE = re.compile(
    rb"\b(?:soy|soc|son|como|llam[ao]|firm[ao]|por|dm|md|perfil|a|es|e|is) [\"'*]{0,2}$"
)
_STRONG = re.compile(rb"[a-z]{2}_\w*\d{2}|\.[a-z]+_\d|^x+_|_x+$|^__?\W?[a-z]{3}|[a-z]{3}__")
_PARTS = re.compile(rb"[a-z]+")
_FEWEST_OF_A_NAME = 4
_MOST_MORE = 4
"""Letters behind a given name that shorten a surname: "marinaesc"."""


def signed_accounts(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """Names with a low line or figures in them. `at`: where such a sign stands between letters."""
    read_to = -1
    for place in at:
        if place < read_to:
            continue
        begin = max(0, place - _LONGEST)
        if seen.folded[place : place + 1] == b"#":
            tagged = _TAGGED.search(seen.folded, begin, place + 6)
            if tagged is not None and tagged[1] not in NO_TAGGED:
                yield Finding(*tagged.span(), Kind.HANDLE)
            continue
        found = next(
            (token for token in TOKEN.finditer(seen.folded, begin, place + _LONGEST) if token.end() > place),
            None,
        )
        if found is None or found.start() > place:
            continue
        read_to = found.end()
        name = found[0].rstrip(b".-")
        before = max(0, found.start() - len(_OF_SKYPE))
        if seen.folded[before : found.start()] == _OF_SKYPE:
            yield Finding(before, found.start() + len(name), Kind.HANDLE)
        elif is_somebodys(seen, name, found.start()):
            yield Finding(found.start(), found.start() + len(name), Kind.HANDLE)


def is_somebodys(seen: View, name: bytes, start: int) -> bool:
    """Whether a token is an account by what it holds and by what is said around it."""
    end = start + len(name)
    near = (max(0, start - _BEFORE), end + _AFTER)
    named = holds_a_name(name)
    if not named and not is_shaped(seen, name, start):
        # "soy dracarys_uwu": where accounts are told.
        told = b"_" in name and len(name) > 6 and _TOLD_BEFORE.search(seen.folded, max(0, start - 12), start)
        return bool(told) and not is_no_account(seen, name, end) and spoken_of(seen.folded, start, end)
    if is_no_account(seen, name, end):
        return False
    if OF_PROGRAMS.search(seen.folded, *near):
        # "usuario de HackerRank rubensp_code", beside a contest of programming.
        return named and SPOKEN_OF.search(seen.folded, max(0, start - _RIGHT_BEFORE), start) is not None
    if not OF_FILES.search(seen.folded, *near) and (
        named or (_STRONG.search(name) and _SOMEBODYS.search(seen.folded, *near))
    ):
        return True
    return spoken_of(seen.folded, start, end)


def accounts_beside(seen: View) -> Iterator[Finding]:
    """Names that are written as only accounts are, in a text that holds somebody's data."""
    for found in TOKEN.finditer(seen.folded):
        start, name = found.start(), found[0].rstrip(b".-")
        near = (max(0, start - _BEFORE), found.end() + _AFTER)
        written = _FIGURE_FOR_LETTER.fullmatch(name) and _SMALL_LETTERS.search(
            seen.text, start, start + len(name)
        )
        if (
            (is_shaped(seen, name, start) or written)
            and (written or not is_no_account(seen, name, start + len(name)))
            and not (OF_PROGRAMS.search(seen.folded, *near) or OF_FILES.search(seen.folded, *near))
        ):
            yield Finding(start, start + len(name), Kind.HANDLE)


def spoken_of(folded: bytes, start: int, end: int, *, by_whom: bool = True) -> bool:
    """Whether accounts are spoken of around this, somebody's where that is asked for, and no program."""
    near = (max(0, start - _BEFORE), end + _AFTER)
    return (
        SPOKEN_OF.search(folded, *near) is not None
        and (not by_whom or _SOMEBODYS.search(folded, *near) is not None)
        and OF_PROGRAMS.search(folded, *near) is None
    )


def is_no_account(seen: View, name: bytes, end: int, *, asked: bool = False) -> bool:
    """Whether it is a site, a file, a number, a model, or stands in code. `asked`: it stands where accounts do."""
    letters = sum(97 <= sign < 123 for sign in name)
    other = letters < _LETTERS_OF_NO_WORD and (_IS_MODEL if asked else NO_SIGNED_NAME).fullmatch(name)
    return bool(
        letters < 3
        or seen.folded[end : end + 1] in _CODE_BEHIND
        or other
        or NUMBER.fullmatch(name)
        or FILE_OR_SITE.fullmatch(name)
    )


def is_shaped(seen: View, name: bytes, start: int) -> bool:
    """Whether it is written as accounts are: words and figures joined, a low line at its end, capitals and figures."""
    end = start + len(name)
    letters = sum(97 <= sign < 123 for sign in name)
    if letters < 3 or len(name) < 6:
        return False
    figures = any(48 <= sign < 58 for sign in name)
    if b"_" in name:
        edge = name.startswith(b"_") or name.endswith(b"_")
        return bool(figures or edge or CAPITAL_WITHIN.search(seen.text, start, end))
    return (
        figures
        and letters > 4
        and bool(_ENDS_IN_FIGURES.search(name) or CAPITAL_WITHIN.search(seen.text, start, end))
    )


def holds_a_name(name: bytes) -> bool:
    """Whether a person's name is in an account: "noa.vidal", "hlozano_6b", "marinaesc_18", "carlosruiz"."""
    signed = b"_" in name or b"." in name or name[-2:].isdigit()
    return signed and any(_is_named(part) for part in _PARTS.findall(name))


def _is_named(part: bytes) -> bool:
    words = lexicon()
    if len(part) < _FEWEST_OF_A_NAME or part in not_names():
        return False
    if part in words.given:
        return part not in words.ambiguous
    if (
        part[1:] in words.surnames
        and len(part) > _FEWEST_OF_A_NAME + 1
        and part[1:] not in words.common_surnames
    ):
        return True
    for count in range(len(part) - 1, _FEWEST_OF_A_NAME - 1, -1):
        if part[:count] in words.given and part[:count] not in words.ambiguous:
            behind = part[count:]
            return len(behind) <= _MOST_MORE or behind in words.surnames
    return False
