"""Answers that are nothing but a refusal, in Spanish, Catalan and English.

Only whole, short answers count: every sentence must be a refusal or a courtesy. An answer that refuses and
then explains is an answer.
"""

from __future__ import annotations

import re

_LONGEST_REFUSAL = 240

_SORRY = (
    r"(?:(?:lo siento|disculpa(?:e|me)?|disculpe|perd[oó]n(?:a|e)?|lamentablemente|"
    r"ho sento|em sap greu|perdona|sorry|i'?m sorry|i am sorry|i apologi[sz]e|unfortunately)"
    r"(?: mucho| molt)?(?:,? (?:pero|per[oò]|but))?[,:;]?\s*)"
)
_NOTHING_ES = (
    r"(?:suficientes? )?(?:informaci[oó]n|datos|esa informaci[oó]n|acceso a esa informaci[oó]n|"
    r"la respuesta|una respuesta)(?: suficientes?| disponibles?)?"
)
_ABOUT = (
    r"(?: (?:a|con|en|sobre|acerca de|para|amb|per a|about|on|to|the|with|that|this)\b(?: [^,;:]{1,80})?)?"
)
_REFUSING = "|".join(
    (
        # Spanish
        r"no (?:lo )?s[eé](?: (?:la respuesta|responder(?: a eso)?|eso))?",
        rf"(?:yo )?no (?:tengo|dispongo de|encuentro|he encontrado|cuento con) {_NOTHING_ES}{_ABOUT}",
        rf"no (?:te |le )?puedo (?:ayudar|responder|contestar)(?:te|le)?{_ABOUT}",
        r"no (?:te |le )?puedo (?:hacer|proporcionar|dar)(?:te|le)? (?:eso|esa informaci[oó]n)",
        r"no (?:puedo|s[eé]) (?:hacerlo|responder|ayudar)",
        # Catalan
        r"no ho s[eé]",
        rf"no (?:tinc|disposo d['e ]|he trobat|trobo) ?(?:prou )?(?:informaci[oó]|dades|la resposta){_ABOUT}",
        rf"no (?:et |us )?puc (?:ajudar|respondre)(?:-te|-vos)?{_ABOUT}",
        # English
        rf"i (?:do not|don'?t) (?:know|have (?:enough |any |that )?(?:information|data)){_ABOUT}",
        rf"i(?: cannot| can'?t| can not| am unable to|'?m unable to) (?:help|answer|assist)(?: you)?{_ABOUT}",
    )
)
_COURTESY = "|".join(
    (
        r"lo siento(?: mucho)?|disculpa|perdona|ho sento|sorry|i'?m sorry",
        (
            r"¿?(?:en qu[eé]|c[oó]mo|hay algo|puedo|quieres|te puedo|necesitas) [^.?!]{0,60}"
            r"(?:m[aá]s|ayudar(?:te)?|otra cosa)"
        ),
        r"¿?(?:can|may|how can|is there anything) [^.?!]{0,60}(?:else|help(?: you)?)",
        r"(?:en )?(?:què|com|puc) [^.?!]{0,60}(?:més|ajudar(?:-te)?)",
        r"(?:por favor,? )?(?:pregunta|consulta)(?:le)? (?:a|con) (?:tu|el|la) (?:profesora?|tutora?)",
    )
)
_REFUSAL = re.compile(rf"{_SORRY}?(?:{_REFUSING})")
_FILLER = re.compile(rf"{_SORRY}?(?:{_COURTESY})")
_SENTENCE_END = re.compile(r"[.!?…\n]+")


def is_refusal(answer: str) -> bool:
    """Whether every sentence of the answer is a refusal or a courtesy, and at least one is a refusal."""
    if len(answer) > _LONGEST_REFUSAL:
        return False
    refused = False
    for part in _SENTENCE_END.split(answer.casefold().replace("\u2019", "'")):
        sentence = part.strip(" \t,;:¡¿-\"'«»")
        if not sentence:
            continue
        if _REFUSAL.fullmatch(sentence):
            refused = True
        elif not _FILLER.fullmatch(sentence):
            return False
    return refused
