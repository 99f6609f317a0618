"""Answers that are nothing but a refusal, in Spanish, Catalan and English.

Only whole, short answers count: every sentence must be a refusal or a courtesy. An answer that refuses and then
explains is an answer.
"""

from __future__ import annotations

import re

_LONGEST_REFUSAL = 240

_SORRY = (
    r"(?:(?:lo siento|disculpa(?:e|me)?|disculpe|perd[oó]n(?:a|e)?|lamentablemente|"
    r"ho sento|em sap greu|perdona|sorry|i'?m sorry|i am sorry|i apologi[sz]e|unfortunately)"
    r"(?: mucho| molt)?(?:,? (?:pero|per[oò]|but))?[,:;]?\s*)"
)
_REFUSING = "|".join(
    (
        # Spanish
        r"no (?:lo )?s[eé](?: (?:la respuesta|responder(?: a eso)?|eso))?",
        r"(?:yo )?no (?:tengo|dispongo de|encuentro|he encontrado|cuento con) (?:suficiente )?"
        r"(?:informaci[oó]n|datos|esa informaci[oó]n|acceso a esa informaci[oó]n|la respuesta|una respuesta)"
        r"(?: suficiente| disponible)?(?: (?:sobre|acerca de|para|en) .{1,80})?",
        r"no (?:te |le )?puedo (?:ayudar(?:te|le)?|responder(?:te|le)?|contestar(?:te|le)?)"
        r"(?: (?:a|con|en|sobre) .{1,60})?",
        r"no (?:te |le )?puedo (?:hacer|proporcionar|dar)(?:te|le)? (?:eso|esa informaci[oó]n)",
        r"no (?:puedo|s[eé]) (?:hacerlo|responder|ayudar)",
        # Catalan
        r"no ho s[eé]",
        r"no (?:tinc|disposo d['e ]|he trobat|trobo) ?(?:prou )?(?:informaci[oó]|dades|la resposta)"
        r"(?: (?:sobre|per a|en) .{1,80})?",
        r"no (?:et |us )?puc (?:ajudar(?:-te|-vos)?|respondre)(?: (?:a|amb|en|sobre) .{1,60})?",
        # English
        r"i (?:do not|don'?t) (?:know|have (?:enough |any |that )?(?:information|data))"
        r"(?: (?:about|on|to|the) .{1,80})?",
        r"i (?:cannot|can'?t|can not|am unable to|'?m unable to) (?:help|answer|assist)"
        r"(?: (?:you|with|that|this)(?: .{1,60})?)?",
    )
)
_COURTESY = "|".join(
    (
        r"lo siento(?: mucho)?|disculpa|perdona|ho sento|sorry|i'?m sorry",
        r"¿?(?:en qu[eé]|c[oó]mo|hay algo|puedo|quieres|te puedo|necesitas) [^.?!]{0,60}(?:m[aá]s|ayudar(?:te)?|otra cosa)",
        r"¿?(?:can|may|how can|is there anything) [^.?!]{0,60}(?:else|help(?: you)?)",
        r"(?:en )?(?:què|com|puc) [^.?!]{0,60}(?:més|ajudar(?:-te)?)",
        r"(?:por favor,? )?(?:pregunta|consulta)(?:le)? (?:a|con) (?:tu|el|la) (?:profesor|profesora|tutor|tutora|docente)",
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
