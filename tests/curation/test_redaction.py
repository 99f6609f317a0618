"""Personal data on its way through curation: all texts together, before anything is hashed; what waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.conversations import Chunk, Message, Sibling
from ftworker.curation import redaction
from ftworker.curation.curate import WHOLE_CONVERSATION, Trace, curate
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.scan import Redacted, Scanner
from ftworker.settings import CurationSettings
from tests.curation.talks import ANSWER, assistant, contents, conversation, drops, user

MAIL = "ana.garcia@hotmail.com"
OTHER_MAIL = "marta.ruiz@hotmail.com"


class Watching(Scanner):
    """The real scanner, which remembers what it was shown, and doubts where it reads a certain word."""

    def __init__(self, doubts: str = "\0") -> None:
        super().__init__()
        self.shown: list[str] = []
        self.calls = 0
        self._doubts = doubts

    def find(self, text: str) -> list[Finding]:
        self.shown.append(text)
        return super().find(text)

    def redact(self, texts: Sequence[str]) -> Redacted:
        self.calls += 1
        done = super().redact(texts)
        self.shown += texts
        doubtful = any(self._doubts in text for text in texts)
        return Redacted(done.texts, done.counts, doubtful, done.findings)


def test_the_same_value_has_the_same_placeholder_in_question_answer_chunk_and_history() -> None:
    talk = conversation(
        user(f"Mi correo es {MAIL} y el de casa {OTHER_MAIL}"), assistant(f"Te escribo a {MAIL} en cuanto pueda."),
        user("¿A cuál escribes?", context=(Chunk(f"Contacto: {MAIL}", rank=1),)), assistant(f"A {MAIL}, claro que sí."),
    )  # fmt: skip
    scanner = Watching()
    curated = curate(talk, CurationSettings(), scanner=scanner)
    first, second = contents(curated)
    assert first[1]["content"] == "Te escribo a [CORREO_1] en cuanto pueda."
    assert second[0]["content"] == first[0]["content"]
    assert "[CORREO_1]" in first[0]["content"]
    assert "[CORREO_2]" in first[0]["content"]
    assert second[2]["content"] == "Contexto:\n[1] Contacto: [CORREO_1]\n\nPregunta: ¿A cuál escribes?"
    assert second[3]["content"] == "A [CORREO_1], claro que sí."
    assert scanner.calls == 1
    assert curated.redactions == {"email": 5}


def test_corrections_siblings_and_sources_in_the_template_are_redacted_too() -> None:
    talk = conversation(
        user("¿A quién escribo?", context=(Chunk("Pasaje.", rank=1, source=f"de {MAIL}.pdf", chunk_id=OTHER_MAIL),)),
        assistant("A nadie, por ahora.", rating=-1, siblings=(Sibling(f"A {MAIL} sin falta.", 1),)),
        user("¿Y ahora?"), assistant("A nadie.", correction=f"Escribe a {OTHER_MAIL} hoy mismo."),
    )  # fmt: skip
    settings = {"chunk_template": "{source} {chunk_id} {text}"}
    for unit in ("turn", "preference"):
        curated = curate(talk, CurationSettings(unit=unit, **settings))
        assert curated.examples
        assert MAIL.encode() not in b"".join(example.content for example in curated.examples)
        assert OTHER_MAIL.encode() not in b"".join(example.content for example in curated.examples)


def test_hashes_are_those_of_the_redacted_text() -> None:
    def example(mail: str) -> Any:
        talk = conversation(user(f"Mi correo es {mail}, ¿lo guardas?"), assistant())
        return curate(talk, CurationSettings()).examples[0]

    one, other = example(MAIL), example(OTHER_MAIL)
    assert one == other


def test_only_what_can_stand_in_an_example_is_looked_at() -> None:
    talk = conversation(
        user(f"mira {MAIL}<|im_end|>"), assistant(),
        user("¿Qué es la célula?", context=(Chunk("Pasaje que se usa."),)), assistant(),
        user("¿Y el átomo?", context=(Chunk("Pasaje que no se usa."),)), assistant("Mal dicho todo.", rating=-1),
    )  # fmt: skip
    scanner = Watching()
    curate(talk, CurationSettings(), scanner=scanner)
    assert "Pasaje que se usa." in scanner.shown
    assert not any("im_end" in text or "no se usa" in text for text in scanner.shown)
    nothing = Watching()
    assert drops(curate(conversation(user("a"), assistant("b")), CurationSettings(), scanner=nothing))
    assert nothing.calls == 0


def test_drop_leaves_out_the_turns_that_hold_some_and_keeps_the_others_as_they_are() -> None:
    talk = conversation(
        user(f"Mi correo es {MAIL}"), assistant(),
        user("¿Qué es?", context=(Chunk(f"Tutora: {MAIL}"),)), assistant("Es la unidad de la vida."),
        user("¿Y para qué sirve?"), assistant(),
    )  # fmt: skip
    for unit in ("turn", "conversation"):
        curated = curate(talk, CurationSettings(unit=unit, personal_data="drop"))
        assert drops(curated) == [(0, "personal_data"), (1, "personal_data")]
        assert [message["content"] for message in contents(curated)[0]] == [
            "¿Qué es?", "Es la unidad de la vida.", "¿Y para qué sirve?", ANSWER,
        ]  # fmt: skip
        assert curated.redactions == {}


def test_drop_under_raft_uses_no_chunk_with_personal_data_as_a_distractor() -> None:
    talk = conversation(
        user("¿Qué es?", context=(Chunk(f"Tutora: {MAIL}"),)), assistant("Es la unidad de la vida."),
        user("¿Y para qué sirve?", context=(Chunk("La célula vive."),)), assistant(),
    )  # fmt: skip
    settings = CurationSettings(personal_data="drop", context="raft")
    curated = curate(talk, settings, distractors=(f"Otro correo: {OTHER_MAIL}", "Un río pasa."))
    assert drops(curated) == [(0, "personal_data")]
    text = curated.examples[0].content.decode()
    assert "hotmail" not in text
    redacted = curate(talk, CurationSettings(context="raft"), distractors=(f"Otro correo: {OTHER_MAIL}",))
    assert "hotmail" not in str(contents(redacted))


def test_keep_asks_no_scanner() -> None:
    scanner = Watching()
    talk = conversation(user(f"Mi correo es {MAIL}"), assistant())
    curated = curate(talk, CurationSettings(personal_data="keep"), scanner=scanner)
    assert MAIL in contents(curated)[0][0]["content"]
    assert scanner.shown == []


CUES = {"distress": "wellbeing", "sick": "health"}


@pytest.fixture
def cues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which words are cues is wellbeing's matter; here two English ones."""

    def sensitive_kinds(texts: Sequence[str]) -> set[str]:
        return {kind for text in texts for cue, kind in CUES.items() if cue in text}

    monkeypatch.setattr(redaction, "sensitive_kinds", sensitive_kinds)


@pytest.mark.usefixtures("cues")
@pytest.mark.parametrize(
    "said,reason",
    [
        ((user("sick"), assistant()), "quarantined_health"),
        ((user("sick and in distress"), assistant()), "quarantined_wellbeing"),
        ((user("sick"), assistant(), user("in distress"), assistant()), "quarantined_wellbeing"),
        ((user("¿Qué es?"), assistant("in distress", error=True)), "quarantined_wellbeing"),
        ((user("¿Sigues ahí? distress"),), "quarantined_wellbeing"),
    ],
)
@pytest.mark.parametrize("personal_data", ["redact", "drop", "keep"])
def test_a_cue_anywhere_holds_the_whole_conversation_back(
    said: tuple[Message, ...], reason: str, personal_data: Any
) -> None:
    talk = conversation(user("¿Qué hace la mitocondria?"), assistant(), *said)
    settings = CurationSettings(personal_data=personal_data)
    trace = Trace()
    curated = curate(talk, settings, trace=trace)
    assert drops(curated) == [(WHOLE_CONVERSATION, reason)]
    assert curated.examples == ()
    assert trace.whole()[-1].rule == reason
    assert curate(talk, settings, reviewed=True).examples
    assert curate(talk, settings.model_copy(update={"quarantine": False})).examples


@pytest.mark.usefixtures("cues")
def test_what_gives_no_example_anyway_waits_for_nobody() -> None:
    talk = conversation(user("sick"), assistant(rating=-1))
    assert drops(curate(talk, CurationSettings())) == [(0, "thumbs_down")]


@pytest.mark.parametrize("personal_data", ["redact", "drop"])
def test_a_find_that_nobody_can_be_sure_of_waits_for_a_person(personal_data: Any) -> None:
    talk = conversation(
        user(f"Escribe a {MAIL}, o a quienquiera"), assistant(), user("¿Quién vino?"), assistant()
    )
    settings = CurationSettings(personal_data=personal_data)
    doubtful = Watching(doubts="¿Quién vino?")
    assert drops(curate(talk, settings, scanner=doubtful)) == [(WHOLE_CONVERSATION, "quarantined_uncertain")]
    for released in (
        curate(talk, settings, scanner=doubtful, reviewed=True),
        curate(talk, settings.model_copy(update={"quarantine": False}), scanner=doubtful),
    ):
        assert released.examples
        assert MAIL not in str(contents(released)), "what was found is redacted all the same"


def test_the_trace_counts_what_was_redacted_and_does_not_tell_it() -> None:
    trace = Trace()
    curate(conversation(user(f"Mi correo es {MAIL}"), assistant()), CurationSettings(), trace=trace)
    (step,) = trace.whole()
    assert (step.rule, step.outcome, step.value) == ("redacted email", "done", "1")
    assert MAIL not in repr(trace)


def test_what_no_file_can_hold_reaches_no_scanner() -> None:
    broken = "media letra \ud83d"
    talk = conversation(
        user(broken, context=(Chunk(broken),)), assistant(),
        user("¿Qué es?", context=(Chunk("La célula vive."),)), assistant("La unidad de la vida."),
        user("¿Y para qué?", context=(Chunk("Un pasaje bueno.", source=broken),)), assistant("Mal.", rating=-1),
        user(broken),
    )  # fmt: skip
    for context in ("as_served", "raft", "none"):
        settings = CurationSettings(context=context, chunk_template="{source} {text}")
        curated = curate(talk, settings, distractors=(broken,))
        assert [example.turn for example in curated.examples] == [1]


texts = st.text(max_size=40) | st.sampled_from(
    [
        MAIL,
        f"Mi correo es {MAIL}",
        ANSWER,
        "No lo sé.",
        "la respuesta es 3 " * 30,
        "¿y por qué?",
        "[1]",
        "Véase [1].",
    ]
)
answers = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant", "assistant", "tool", "human", "ai"]),
    content=texts,
    rating=st.sampled_from([None, -1, 0, 1]),
    error=st.sampled_from([None, None, None, True]),
    correction=st.none() | texts,
    siblings=st.lists(st.builds(Sibling, texts, st.sampled_from([None, -1, 1])), max_size=2).map(tuple),
    context=st.lists(st.builds(Chunk, text=texts, rank=st.none() | st.integers(1, 3)), max_size=2).map(tuple),
)


@given(
    messages=st.lists(answers, max_size=8),
    unit=st.sampled_from(["turn", "conversation", "preference"]),
    context=st.sampled_from(["as_served", "none", "raft"]),
    personal_data=st.sampled_from(["redact", "drop", "keep"]),
    after=st.integers(-1, 2),
)
def test_under_all_settings_each_new_turn_is_taught_or_dropped_once_and_no_find_is_left(
    messages: list[Message], unit: Any, context: Any, personal_data: Any, after: int
) -> None:
    settings = CurationSettings(
        unit=unit, context=context, personal_data=personal_data, min_answer_characters=0, quarantine=False
    )
    talk = conversation(*messages)
    trace = Trace()
    curated = curate(talk, settings, after_turn=after, trace=trace, distractors=("Un río pasa.",))
    assert curated == curate(talk, settings, after_turn=after, distractors=("Un río pasa.",))
    dropped = [drop.turn for drop in curated.drops]
    taught = [example.turn for example in curated.examples]
    assert len(set(dropped)) == len(dropped)
    assert len(set(taught)) == len(taught)
    assert not set(dropped) & set(taught)
    if dropped != [WHOLE_CONVERSATION]:
        assert {step.turn for step in trace.steps} - {WHOLE_CONVERSATION} >= set(dropped) | set(taught)
        if unit != "conversation":
            assert sorted(dropped + taught) == list(range(after + 1, after + 1 + len(dropped) + len(taught)))
    if personal_data != "keep":
        scanner = Scanner()
        for example in curated.examples:
            assert MAIL.encode() not in example.content
            assert not [find for find in scanner.find(example.content.decode()) if find.kind is Kind.EMAIL]
