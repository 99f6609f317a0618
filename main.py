"""The command that the RAG's documentation promises: `python main.py --fine-tune --provider local|openai`.

The database is --db-connection, or RAG_DATABASE_URL (or DATABASE_URL) in the environment; the key is OPENAI_API_KEY.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0 on success, 1 when the fine-tuning failed, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        description="Fine-tuning de un modelo con las conversaciones del RAG.",
        epilog="Ejemplo: python main.py --fine-tune --provider local",
    )
    parser.add_argument("--fine-tune", action="store_true", help="realizar el fine-tuning")
    parser.add_argument(
        "--provider", choices=("local", "openai"), default="local", help="local (Ollama) u openai"
    )
    parser.add_argument(
        "--db-connection", metavar="URL", help="PostgreSQL del RAG; si falta, RAG_DATABASE_URL"
    )
    parser.add_argument("--model", metavar="NOMBRE", help="modelo base de OpenAI")
    parser.add_argument("--output-dir", default="datos_fine_tuning", help="carpeta para datos y artefactos")
    parser.add_argument("--wait", action="store_true", help="esperar hasta que el modelo esté entrenado")
    options = parser.parse_args(arguments)
    if not options.fine_tune:
        parser.print_help()
        return 2
    from fine_tuning.manager import run_fine_tuning
    from ftworker.logs import one_line, setup_logging

    setup_logging(logging.CRITICAL)
    result = run_fine_tuning(
        provider=options.provider,
        db_connection=options.db_connection,
        openai_model=options.model,
        output_dir=options.output_dir,
        wait=options.wait,
        tell=lambda line: print(f"  {one_line(line)}", file=sys.stderr),
    )
    print(result, file=sys.stdout if result else sys.stderr)
    return 0 if result else 1


if __name__ == "__main__":
    raise SystemExit(main())
