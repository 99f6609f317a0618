"""Answers that are nothing but a refusal, in Spanish, Catalan, Galician, Basque and English.

Only whole, short answers count: every sentence must be a refusal or a courtesy. An answer that refuses and
then explains is an answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ftworker.curation.identity import normalised

_LONGEST_REFUSAL = 240

_SORRY = (
    r"(?:(?:lo siento|disculpa(?:e|me)?|disculpe|perd[oó]n(?:a|e)?|lamentablemente|"
    r"ho sento|em sap greu|perdona|síntoo|sinto|desculpa|sentitzen dut|barkatu|"
    r"sorry|i'?m sorry|i am sorry|i apologi[sz]e|unfortunately)"
    r"(?: mucho| molt)?(?:,? (?:pero|per[oò]|mais|baina|but))?[,:;]?\s*)"
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
        # Galician and Basque
        r"non (?:o )?sei(?: (?:a resposta|responder(?: a iso)?))?",
        (
            rf"non (?:teño|dispoño de|atopo|atopei) "
            rf"(?:suficiente )?(?:información|datos|a resposta|esa información){_ABOUT}"
        ),
        rf"non (?:che )?podo (?:axudar|responder|contestar)(?:te|che)?{_ABOUT}",
        r"ez dakit(?: erantzuten)?",
        r"ez dut (?:horri buruzko )?(?:informaziorik|daturik|erantzunik)(?: aurkitu)?(?: horri buruz)?",
        r"ezin (?:dizut|dut) (?:lagundu|erantzun)(?: horretan| horri)?",
        # English
        rf"i (?:do not|don'?t) (?:know|have (?:enough |any |that )?(?:information|data)){_ABOUT}",
        rf"i(?: cannot| can'?t| can not| am unable to|'?m unable to) (?:help|answer|assist)(?: you)?{_ABOUT}",
    )
)
_COURTESY = "|".join(
    (
        r"lo siento(?: mucho)?|disculpa|perdona|ho sento|síntoo|sentitzen dut|barkatu|sorry|i'?m sorry",
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


def is_refusal(answer: str, own: Collection[str] = ()) -> bool:
    """Whether every sentence of the answer is a refusal or a courtesy, and at least one is a refusal.

    `own` are whole answers that refuse too, in a RAG's own words; case, accents and punctuation do not count.
    """
    if own and normalised(answer) in {normalised(text) for text in own}:
        return True
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
