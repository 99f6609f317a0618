"""What the gates ask: conversations that must be rendered alike, and beginnings of texts that must go on alike. Pure.

All of it is ours, so that a difference may be shown. Nothing here has to do with what a pipeline teaches: whatever a
training changed, it changed in the trained model and in the served file alike.
"""

from __future__ import annotations

from typing import Final

CONVERSATIONS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "one question": (("user", "¿Cuánto es 7 por 8?"),),
    "a system message": (("system", "Eres un tutor paciente."), ("user", "¿Qué es un río?")),
    "two turns": (
        ("user", "¿Qué es una célula?"),
        ("assistant", "La unidad más pequeña de los seres vivos."),
        ("user", "¿Y un órgano?"),
    ),
    "accents, signs and capital letters": (
        ("system", "Respondes en español, sin rodeos."),
        ("user", "¡Óscar añadió «pingüinos», ÑANDÚES y cigüeñas! ¿Cuántas tildes hay?"),
    ),
    "digits and units": (
        ("user", "Suma 1234567890, 3,1416 y 2.500.000; después divide entre 0,5 %."),
        ("assistant", "Son 1.237.070.893,1416 y, entre 0,005, unas 247.414.178.628."),
        ("user", "¿Y 27 °C en kelvin? ¿Cuánto es 5 m² + 3 m³?"),
    ),
    "emoji and other scripts": (
        ("user", "👩🏽‍🔬 mezcla 🧪 y 🔥 😀"),
        ("assistant", "Con cuidado 🙂"),
        ("user", "日本語でも Ω ∑ ½ ¿de acuerdo? 🇪🇸"),
    ),
    "code, blanks and lines": (
        ("system", "Ayudas con Python.\nUsas cuatro espacios."),
        (
            "user",
            'Explica:\n\n```python\ndef suma(n):\n\tif n == 0:\n        return 0\n```\n  - "comillas" & <b>x</b>',
        ),
    ),
    "three turns": (
        ("system", "Eres un tutor de historia. Si no lo sabes, lo dices."),
        ("user", "¿En qué siglo se inventó la imprenta?"),
        ("assistant", "En el siglo XV.\n\nGutenberg la usó hacia 1450."),
        ("user", "¿Y antes cómo se copiaban los libros?"),
        ("assistant", "A mano: los copistas."),
        ("user", "¿cuánto tardaban?"),
    ),
}
"""Role and content by turns. No content begins or ends with a blank: some templates trim, and some cannot."""

BEGINNINGS: Final[tuple[str, ...]] = (
    "The capital of France is",
    "Water boils at a temperature of",
    "Once upon a time, in a small village by the sea, there",
    "def fibonacci(n):\n    if n < 2:\n        return",
    "The three primary colours are red, yellow and",
    "In the year 1492, Christopher Columbus",
    "To make bread you need flour, water, salt and",
    "The opposite of hot is",
    "La capital de Italia es",
    "El agua hierve a una temperatura de",
    "Érase una vez, en un pueblo junto al mar,",
    "Los planetas del sistema solar son Mercurio, Venus, la",
    "Para hacer una tortilla de patatas hacen falta huevos,",
    "El Quijote lo escribió Miguel de",
    "La fotosíntesis es el proceso por el que las plantas",
    "Dos y dos son",
    "La Lune tourne autour de la",
    "Il était une fois un roi qui",
    "Die Hauptstadt von Deutschland ist",
    "Im Winter ist es kalt, im Sommer ist es",
    "A capital de Portugal é",
    "L'Italia è una",
    "1, 2, 3, 4, 5, 6,",
    '{"name": "Ana", "age": 12, "city":',
)
"""Off the topic of any school's tutor, in several languages. A question about what was taught does not find a broken
conversion: measured, a model with wrong attention still knew every taught fact.
"""
