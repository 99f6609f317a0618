"""Settings that decide what the training data are: which turns become examples, and which of those a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from ftworker.settings.fields import Name, PositiveSeconds, Section, Share


class CurationSettings(Section):
    """Which turns become examples, and what is in them. Each drop has a reason code (docs/DATASETS.md)."""

    unit: Literal["turn", "conversation", "preference"] = "turn"
    """`turn`: an example for each good answer, its history as prompt. `conversation`: whole, bad ones at weight 0.
    `preference`: a pair for each answer that people preferred to another (for `training.type = "dpo"`)."""
    context: Literal["as_served", "none", "raft"] = "as_served"
    """Whether retrieved chunks stand in the prompt of the turn being trained: as they did when it was served, not at
    all, or (`raft`) the ones it leans on among distractors, so that the model learns to tell them apart."""
    context_template: str = "Contexto:\n{context}\n\nPregunta: {question}"
    """How the RAG puts chunks and question together. Must be what serving uses."""
    chunk_template: str = "[{rank}] {text}"
    """How one chunk stands in the context: {rank}, {text}, {source}."""
    chunk_separator: str = "\n\n"
    """What stands between two chunks."""
    raft_relevant_share: Share = 0.8
    """Of the turns under `raft`, how many keep the chunks that hold the answer (RAFT's P). The others have distractors
    alone, and `raft_missing_answer` as target."""
    raft_distractors: Annotated[int, Field(ge=1, le=20)] = 4
    """Most distractors beside the relevant chunks (RAFT's four): retrieved and not cited, or of the other turns."""
    raft_missing_answer: Annotated[str, Field(min_length=1)] = "No consta en el temario."
    """What the model shall answer where no chunk holds the answer."""
    max_history_messages: Annotated[int, Field(ge=0)] = 20
    """Earlier messages kept before the turn."""
    min_answer_characters: Annotated[int, Field(ge=0)] = 15
    """Shorter answers are dropped unless rated up."""
    max_answer_characters: Annotated[int, Field(ge=1)] = 20_000
    """Longer answers are dropped: they are dumps, not lessons."""
    refusal_overlap: Share = 0.5
    """An answer that only refuses is dropped when this share of its question's content words stands in the retrieved
    chunks, for then they held the answer; below it, it is kept, within `selection.max_refusal_share`."""
    refusal_texts: tuple[str, ...] = ()
    """What your RAG says when it finds nothing, word for word, besides the forms that are known."""
    languages: tuple[Literal["es", "ca", "gl", "eu", "en", "fr", "pt", "it", "de"], ...] = ("es",)
    """Languages in which an answer may be written; empty: any. That of an English course adds "en"."""
    min_language_words: Annotated[int, Field(ge=1)] = 12
    """Answers of fewer words of prose are not judged by language: nobody can tell."""
    min_compression_ratio: Annotated[float, Field(ge=1)] = 1.9
    """Answers that zlib makes smaller than by this factor turn in circles perhaps, and are looked at for repetition;
    good ones of the tests reach 1.9."""
    max_top_2gram_share: Share = 0.20
    """Share of an answer's characters that its most frequent two words may make up (Gopher's limit, as the next)."""
    max_top_3gram_share: Share = 0.18
    """The same of three words."""
    max_top_4gram_share: Share = 0.16
    """The same of four words."""
    max_repeated_10gram_share: Share = 0.10
    """Share of the characters in ten words in a row that stood in the answer before."""
    max_sign_share: Share = 0.5
    """Share of characters that are neither letters, digits nor spaces: above it, an answer is broken. Formulas and
    tables of the tests reach 0.43."""
    min_support: Share = 0.15
    """An answer with a smaller share of content words from its retrieved chunks and question is flagged `unsupported`:
    it is kept, and counted."""
    max_tokens: Annotated[int, Field(ge=16)] = 16_384
    """Longer examples are dropped: providers cut from the end, where the answer is. OpenAI's limit is 65,536."""
    max_messages: Annotated[int, Field(ge=2)] = 1_000
    """A longer conversation is dropped as a whole: it is a loop, not a lesson."""
    require_consent: bool = False
    """True: a conversation without an explicit consent is dropped. An explicit no is always dropped."""
    drop_thumbs_down: bool = True
    """Whether answers rated down are left out."""
    personal_data: Literal["redact", "drop", "keep"] = "redact"
    """`redact`: typed placeholders ([NOMBRE_1]) stand for names, numbers, addresses. `drop`: such turns are left out.
    `keep`: only for texts that hold no person; datasets are then not looked through for personal data either."""
    drop_duplicates: bool = True
    """Whether a question and answer whose words the pipeline keeps already, from anywhere, are left out."""
    quarantine: bool = True
    """Conversations with cues of health or wellbeing, and finds that nobody can be sure of, wait for a person
    (`ftworker quarantine`) instead of being trained on."""
    tokenizer: str = "auto"
    """By what `max_tokens` and token counts are counted. `auto`: o200k_base for an openai provider; for a local one
    the base's own where `base_model` is a folder with tokenizer.json, else o200k_base. Or `o200k_base`, `cl100k_base`,
    or the path of a tokenizer.json or of its folder."""
    reasons_closed: tuple[str, ...] = ()
    """Only conversations closed for these reasons; empty: all."""

    @field_validator("context_template")
    @classmethod
    def _has_places(cls, value: str) -> str:
        for place in ("{context}", "{question}"):
            if place not in value:
                raise ValueError(f"expected {place} in it: else it would be lost from every example")
        return value


class SelectionSettings(Section):
    """Which of a dataset's examples stand in its files. What is left out has a reason code (docs/DATASETS.md)."""

    near_duplicate_similarity: Annotated[float, Field(gt=0, le=1)] | None = 0.8
    """Jaccard similarity of two examples' texts from which they are copies of each other. Not set: not looked for."""
    max_copies_of_question: Annotated[int, Field(ge=1)] | None = 3
    """Examples with the same question, so that one popular question does not drown the rest. Not set: no limit."""
    max_examples_of_user: Annotated[int, Field(ge=1)] | None = 200
    """Examples of one user, so that one busy pupil does not become the model's idea of a pupil. Not set: no limit."""
    max_refusal_share: Share = 0.05
    """Largest share of answers that refuse. Some are needed, so that the model still says when it does not know."""
    max_own_model_share: Share = 0.3
    """Largest share of answers written by models that ftworker tuned: a model fed with itself decays."""


class SplitSettings(Section):
    validation_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of users (conversations, where no user is known) whose examples validate instead of train."""
    salt: str = "ftworker"
    """Changing it draws the split anew."""
    golden_share: Share = 0.02
    """Share of users who never train: the golden set, by which models are compared, is taken from them."""
    golden_examples: Annotated[int, Field(ge=1)] = 50
    """The golden set is frozen by the first cut that finds so many examples of those users, and never changes then."""


class RosterSettings(Section):
    """Names of real people (pupils, staff, families), so that they are found however they are written."""

    tenant: str = "*"
    """The school or customer whose conversations it serves; `*` for all."""
    file: Path | None = None
    """A text file in UTF-8 with one name a line ("García López, Lucía" or "Lucía García López")."""
    source: Name | None = None
    """Or the source in whose database `query` is run..."""
    query: str | None = None
    """...and a SELECT whose first column holds names. It runs read-only."""
    refresh_seconds: PositiveSeconds = 3_600.0
    """How long the names that were read stay in use before they are read again."""


class PrivacySettings(Section):
    """What counts as personal data beyond the rules in docs/PRIVACY.md."""

    rosters: dict[Name, RosterSettings] = {}
    """Lists of real names, by a name of yours."""
    allow: tuple[str, ...] = ()
    """Terms that are never personal data: authors and figures of your subjects, the school's public addresses."""
    allow_file: Path | None = None
    """Or a text file in UTF-8 with one such term a line."""
