"""A conversation in, training examples and drop reasons out. Pure: no I/O, nothing kept between calls.

The order: the conversation as a whole, its turns by the `rules`, personal data by `redaction`, then `prompts` and
`writing` make the good turns examples: the messages of the chat format without the system prompt, which belongs to
the pipeline and is added at export. docs/DATASETS.md has every rule.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field

from ftworker.conversations import Conversation
from ftworker.curation import rules
from ftworker.curation.examples import WHOLE_CONVERSATION, Curated, Drop, Example, ExampleMessage
from ftworker.curation.preferences import preferred
from ftworker.curation.privacy.scan import Scanner
from ftworker.curation.prompts import Lesson, lesson
from ftworker.curation.reasons import DropReason
from ftworker.curation.redaction import Texts, finds_any, held_back, scanner_without_names
from ftworker.curation.rules import Rule
from ftworker.curation.tokens import ESTIMATE, TokenCounter, make_counter
from ftworker.curation.trace import Outcome, Trace, in_words
from ftworker.curation.turns import Turn, UnknownRole, read_turns
from ftworker.curation.writing import Writer
from ftworker.settings import CurationSettings

__all__ = [
    "WHOLE_CONVERSATION",
    "Curated",
    "Curating",
    "Drop",
    "Example",
    "ExampleMessage",
    "Trace",
    "curate",
    "curating",
    "in_step",
]


Curating = Generator[None, None, Curated]
"""A conversation on its way through the steps of `curating`; it returns what they come to."""


def curating(
    conversation: Conversation,
    settings: CurationSettings,
    *,
    closed_reason: str | None = None,
    after_turn: int = -1,
    scanner: Scanner | None = None,
    counter: TokenCounter | None = None,
    reviewed: bool = False,
    trace: Trace | None = None,
    distractors: Sequence[str] = (),
) -> Curating:
    """Turn one closed conversation into examples and drops, a step at a time. Same input, same bytes.

    `closed_reason` is the event's (`deleted` drops everything). Turns up to `after_turn` are in a dataset already (a
    reopened conversation): they serve as history alone and give neither example nor drop. `scanner` finds personal
    data, without names where none is given; `counter` counts tokens, by the estimate where none is given. `reviewed`:
    a person released this version from quarantine. `distractors` are chunks for `context = "raft"` beyond those of
    the conversation itself, in an order that stays. `trace` is told every step.
    """
    case = _Case(
        settings,
        scanner or scanner_without_names(),
        counter or make_counter(ESTIMATE),
        trace,
        after_turn,
        distractors if settings.context == "raft" else (),
    )
    reason = rules.whole_conversation(conversation, settings, closed_reason)
    if reason is not None:
        return case.nothing(reason)
    try:
        turns, unanswered = read_turns(conversation)
    except UnknownRole:
        return case.nothing(DropReason.UNKNOWN_ROLE)
    if unanswered is None and not any(turn.question for turn in turns):
        said = any(turn.answer for turn in turns)
        return case.nothing(DropReason.NO_USER_MESSAGE if said else DropReason.EMPTY_CONVERSATION)
    case.judge(turns)
    if case.lessons:
        yield
        if settings.quarantine and not reviewed:
            reason = held_back(turns, unanswered)
            if reason is not None:
                return case.nothing(reason)
        yield
        sure = settings.personal_data == "keep" or case.redact()
        if not sure and settings.quarantine and not reviewed:
            return case.nothing(DropReason.QUARANTINED_UNCERTAIN)
        yield
    case.write()
    if unanswered is not None and len(turns) > after_turn:
        case.drop(len(turns), DropReason.NOT_ENDED_BY_ASSISTANT, "dropped")
    return case.result()


def in_step(every: Iterable[Curating]) -> list[Curated]:
    """What these come to, in order: all take a step before one takes the next.

    Each step has large tables of its own (words, names, vocabularies), which push one another out of the processor's
    cache where a conversation goes the whole way alone: many together take about a tenth less time
    (docs/BENCHMARKS.md). What they are given stays in memory until all are done, so give a batch.
    """
    finished: dict[int, Curated] = {}
    going = dict(enumerate(every))
    while going:
        for number, one in list(going.items()):
            try:
                next(one)
            except StopIteration as end:
                finished[number] = end.value
                del going[number]
    return [finished[number] for number in sorted(finished)]


def curate(
    conversation: Conversation,
    settings: CurationSettings,
    *,
    closed_reason: str | None = None,
    after_turn: int = -1,
    scanner: Scanner | None = None,
    counter: TokenCounter | None = None,
    reviewed: bool = False,
    trace: Trace | None = None,
    distractors: Sequence[str] = (),
) -> Curated:
    """Turn one closed conversation into examples and drops at once. See `curating`, which takes the same."""
    steps = curating(
        conversation,
        settings,
        closed_reason=closed_reason,
        after_turn=after_turn,
        scanner=scanner,
        counter=counter,
        reviewed=reviewed,
        trace=trace,
        distractors=distractors,
    )
    return in_step([steps])[0]


@dataclass
class _Case:
    """One conversation on its way: what its turns have come to so far."""

    settings: CurationSettings
    scanner: Scanner
    counter: TokenCounter
    trace: Trace | None
    after_turn: int
    distractors: Sequence[str]
    history: list[Turn] = field(default_factory=list)
    """Turns that may stand before a later one."""
    lessons: list[Turn] = field(default_factory=list)
    """New turns worth teaching."""
    examples: list[Example] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    redactions: dict[str, int] = field(default_factory=dict)

    def nothing(self, reason: DropReason) -> Curated:
        """Nothing of the conversation is used."""
        if self.trace is not None:
            self.trace.add(WHOLE_CONVERSATION, reason, "dropped")
        return Curated((), (Drop(WHOLE_CONVERSATION, reason.value),))

    def drop(self, turn: int, reason: DropReason, traced_as: str | None = None) -> None:
        """The turn gives no example."""
        self.drops.append(Drop(turn, reason.value))
        if traced_as is not None and self.trace is not None:
            self.trace.add(turn, reason, "dropped")

    def judge(self, turns: Sequence[Turn]) -> None:
        """By all rules that need no scanner: what is usable, what is worth teaching."""
        every = self.trace is not None
        clean = not every and rules.unflawed(turns)
        for turn in turns:
            new = turn.index > self.after_turn
            reason = self._broken(rules.USABLE if every else rules.of_use(turn, clean=clean), turn, shown=new)
            if reason is None:
                self.history.append(turn)
            if not new:
                continue
            taught: Turn | None = turn
            if reason is None and self.settings.unit == "preference":
                taught = preferred(turn)
                if taught is None:
                    reason = DropReason.NO_PREFERENCE
                    if self.trace is not None:
                        self.trace.add(turn.index, reason, "dropped", f"{len(turn.others)} other answers")
            if reason is None and taught is not None:
                judged_by = rules.TEACHABLE if every else rules.of_worth(taught, self.settings)
                reason = self._broken(judged_by, taught, shown=True)
            if reason is None and taught is not None:
                self.lessons.append(taught)
            elif reason is not None:
                self.drop(turn.index, reason)

    def _broken(self, judged_by: Iterable[Rule], turn: Turn, *, shown: bool) -> DropReason | None:
        """The reason of the first rule that the turn breaks. Flags are put on the turn."""
        settings, trace = self.settings, self.trace
        for rule in judged_by:
            verdict = rule.judge(turn, settings)
            if trace is None and verdict.reason is None and verdict.flag is None:
                continue
            if verdict.flag == "refusal":
                turn.refusal = True
            elif verdict.flag == "unsupported":
                turn.unsupported = True
            if shown and trace is not None:
                outcome: Outcome = "dropped" if verdict.reason else "flagged" if verdict.flag else "passed"
                limit = verdict.limit
                if limit and hasattr(settings, limit):
                    limit = f"{limit} = {in_words(getattr(settings, limit))}"
                trace.add(turn.index, verdict.reason or rule.name, outcome, verdict.value, limit)
            if verdict.reason is not None:
                return verdict.reason
        return None

    def redact(self) -> bool:
        """Put placeholders for personal data, or drop what holds some. False where nobody can be sure of a find; what
        is sure is redacted all the same, for a person may have released the conversation.
        """
        texts = Texts(self.settings, self.distractors)
        if self.settings.personal_data == "drop":
            self._drop_personal(texts)
        texts.redact(self.history, self.lessons, self.scanner)
        if texts.replacements:
            for turn in (*self.history, *self.lessons):
                texts.replace(turn)
            self.distractors = [texts.replacements.get(text, text) for text in self.distractors]
        self.redactions = dict(texts.counts)
        if self.trace is not None:
            for kind, number in self.redactions.items():
                self.trace.add(WHOLE_CONVERSATION, f"redacted {kind}", "done", number)
        return not texts.uncertain

    def _drop_personal(self, texts: Texts) -> None:
        said = {turn.index for turn in self.history if finds_any(texts.said(turn), self.scanner)}
        shown = {turn.index for turn in self.history if finds_any(texts.shown(turn), self.scanner)}
        for turn in self.lessons:
            if turn.index in said | shown or (turn.rejected and finds_any([turn.rejected], self.scanner)):
                self.drop(turn.index, DropReason.PERSONAL_DATA, "dropped")
        dropped = {drop.turn for drop in self.drops}
        self.lessons = [turn for turn in self.lessons if turn.index not in dropped]
        self.history = [turn for turn in self.history if turn.index not in said]
        for turn in self.history:
            if turn.index in shown:
                turn.chunks = ()
        self.distractors = [text for text in self.distractors if not finds_any([text], self.scanner)]
        texts.distractors = self.distractors

    def write(self) -> None:
        """Make the lessons examples; what is too long is dropped after all."""
        if not self.lessons:
            return
        writer = Writer(self.settings, self.counter, self.history)
        lessons = [lesson(turn, self.history, self.settings, self.distractors) for turn in self.lessons]
        if self.settings.unit == "conversation":
            self._keep(lessons, writer.conversation_example(lessons))
            return
        for taught in lessons:
            self._keep([taught], writer.turn_example(taught))

    def _keep(self, lessons: Sequence[Lesson], made: Example | DropReason) -> None:
        for taught in lessons:
            turn = taught.turn.index
            if isinstance(made, DropReason):
                self.drop(turn, made)
            if self.trace is not None:
                self._trace_lesson(taught, made)
        if isinstance(made, Example):
            self.examples.append(made)

    def _trace_lesson(self, taught: Lesson, made: Example | DropReason) -> None:
        assert self.trace is not None
        turn = taught.turn.index
        if self.settings.context == "raft" and taught.turn.chunks:
            chunks = "distractors alone" if taught.missing else "relevant chunks"
            self.trace.add(turn, "raft", "done", f"{chunks}, {taught.distractors} distractors")
        if taught.turn.corrected:
            self.trace.add(turn, "corrected", "flagged")
        limit = f"max_tokens = {self.settings.max_tokens}"
        if isinstance(made, Example):
            self.trace.add(turn, "too_many_tokens", "passed", made.token_count, limit)
        else:
            self.trace.add(turn, made, "dropped", "above", limit)

    def result(self) -> Curated:
        """Everything in the order of the turns."""
        self.drops.sort(key=lambda drop: drop.turn)
        redactions = self.redactions if self.examples else {}
        return Curated(tuple(self.examples), tuple(self.drops), redactions)
