"""The story of one conversation: what curation makes of it and why, and what is stored of it, turn by turn.

Curation is done once more, in memory, with the pipeline's present settings and every turn as if it were new; the
database tells what was kept when the conversation came. Changes nothing. Texts stand in `conversation`, `given` and
the stored contents alone; the rest is numbers and codes. docs/DATASETS.md shows how to read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ftworker.accumulate import SourceFactory
from ftworker.conversations import Conversation
from ftworker.curation.curate import Curated, Trace, curate
from ftworker.curation.privacy.scan import Scanner
from ftworker.datasets.formats import row_format
from ftworker.datasets.lines import Place, find_lines
from ftworker.errors import FtworkerError, NotFound, Refused
from ftworker.events.contract import EventRejected, decode, to_conversation, with_event_facts
from ftworker.examples_of import takers
from ftworker.rosters import scanner_for
from ftworker.settings import Settings
from ftworker.store import explain as stored
from ftworker.store.connection import Store
from ftworker.store.explain import ArrivedEvent, InDataset, KnownConversation, StoredDrop, StoredExample
from ftworker.tokenizers import counter_for


@dataclass(frozen=True)
class Belonging:
    """An example in one dataset: where it stands, or why it does not."""

    dataset: InDataset
    places: Sequence[Place] = ()
    problem: str | None = None
    """Why nobody can look: the files are gone, or the storage does not answer."""


@dataclass(frozen=True)
class Story:
    """What one pipeline makes of the conversation, and what it has stored."""

    pipeline: str
    given: Curated
    trace: Trace
    examples: Sequence[StoredExample]
    drops: Sequence[StoredDrop]
    datasets: Mapping[int, Sequence[Belonging]]
    """By the example's id."""

    def turns(self) -> list[int]:
        """Every turn that something is known of; -1 first, which is the conversation as a whole."""
        known = {step.turn for step in self.trace.steps}
        known |= {example.turn for example in self.examples} | {drop.turn for drop in self.drops}
        known |= {example.turn for example in self.given.examples} | {drop.turn for drop in self.given.drops}
        return sorted(known)


@dataclass(frozen=True)
class Explained:
    """A conversation and its story in each pipeline that takes it."""

    conversation: Conversation
    read_from: str
    """`event`: from the event that closed it; `source`: from the store where it lives."""
    closed_reason: str | None
    known: KnownConversation | None
    """None: `accumulate` has not met it yet."""
    stories: Sequence[Story]
    other_pipelines: Sequence[str] = field(default=())
    """Pipelines that do not take conversations of its source, tenant and course."""


def explain(
    store: Store,
    settings: Settings,
    make_source: SourceFactory,
    conversation_id: str,
    *,
    source_name: str | None = None,
    pipeline: str | None = None,
) -> Explained:
    """Tell the story of a conversation. Repeatable.

    Raises NotFound where neither the database nor a source has it, Refused where several sources have one of this id
    or it was deleted, and what sources, rosters and the database raise.
    """
    if pipeline is not None:
        settings.pipeline(pipeline)
    with store.transaction() as cursor:
        known = stored.known_conversations(cursor, conversation_id, source_name)
        events = stored.arrived_events(cursor, conversation_id, source_name)
    name = _one_source({one.source_name for one in known} | {one.source_name for one in events}, source_name)
    row = next((one for one in known if one.source_name == name), None)
    if row is not None and row.deleted_at is not None:
        raise Refused(f"this conversation of source {name} was deleted in the RAG: nothing of it is kept")
    event = next((one for one in events if one.source_name == name), None)
    conversation, read_from, reason = _read(settings, make_source, conversation_id, name, event)
    names = [pipeline] if pipeline is not None else list(settings.pipelines)
    taking = [one for one in takers(settings, conversation) if one in names]
    stories = []
    for one in taking:
        scanner = scanner_for(settings, one, conversation.tenant_id)
        stories.append(
            _story(store, settings, one, conversation, closed_reason=reason, row=row, scanner=scanner)
        )
    others = [one for one in names if one not in taking]
    return Explained(conversation, read_from, reason, row, stories, others)


def _one_source(found: Iterable[str], source_name: str | None) -> str | None:
    names = sorted(found)
    if len(names) > 1:
        raise Refused(
            f"several sources have a conversation of this id; name one with --source: {', '.join(names)}"
        )
    return names[0] if names else source_name


def _read(
    settings: Settings,
    make_source: SourceFactory,
    conversation_id: str,
    source_name: str | None,
    event: ArrivedEvent | None,
) -> tuple[Conversation, str, str | None]:
    """The conversation, where it was read, and why it closed."""
    closed = None
    if event is not None and event.payload is not None:
        try:
            closed = decode(event.payload.encode("utf-8"), settings.ingest.max_message_bytes)
        except EventRejected as error:
            raise Refused(
                f"its event cannot be read ({error.reason}: {error.detail}); see `ftworker parked`"
            ) from None
        inline = to_conversation(closed, event.received_at)
        if inline is not None:
            return inline, "event", closed.data.reason
    names = [source_name] if source_name is not None else list(settings.sources)
    for name in names:
        found = list(make_source(name).fetch([conversation_id]))
        if found and closed is not None and event is not None:
            return with_event_facts(found[0], closed, event.received_at), "source", closed.data.reason
        if found:
            return found[0], "source", None
    looked = f"nor has source {', '.join(names)}" if names else "and no source is configured"
    erased = " (its event's text was erased after worker.retention_days)" if event is not None else ""
    raise NotFound(f"the database has no text of this conversation{erased}, {looked}; check the id")


def _story(
    store: Store,
    settings: Settings,
    name: str,
    conversation: Conversation,
    *,
    closed_reason: str | None,
    row: KnownConversation | None,
    scanner: Scanner,
) -> Story:
    trace = Trace()
    given = curate(
        conversation,
        settings.pipeline(name).curation,
        closed_reason=closed_reason,
        scanner=scanner,
        counter=counter_for(settings, name),
        reviewed=row is not None and row.decision == "released",
        trace=trace,
    )
    if row is None:
        return Story(name, given, trace, (), (), {})
    with store.transaction() as cursor:
        examples = [one for one in stored.stored_examples(cursor, row.row_id) if one.pipeline == name]
        drops = [one for one in stored.stored_drops(cursor, row.row_id) if one.pipeline == name]
        datasets = stored.datasets_of(cursor, row.row_id)
    contents = {one.id: one.content for one in examples if one.content}
    return Story(name, given, trace, examples, drops, _belongings(datasets, contents))


def _belongings(datasets: Iterable[InDataset], contents: Mapping[int, str]) -> dict[int, list[Belonging]]:
    """Each dataset's files are read once, for all examples that may stand in them."""
    by_dataset: dict[int, list[InDataset]] = {}
    for one in datasets:
        if one.example_id in contents:
            by_dataset.setdefault(one.dataset_id, []).append(one)
    found: dict[int, list[Belonging]] = {}
    for _, members in sorted(by_dataset.items()):
        first = members[0]
        wanted = {
            one.example_id: contents[one.example_id] for one in members if one.left_out != "golden_user"
        }
        places: Mapping[int, Sequence[Place]] = {}
        problem = None
        if first.url is not None and wanted:
            try:
                places = find_lines(first.url, row_format(first.format, first.system_prompt), wanted)
            except FtworkerError as error:
                problem = str(error)
        for one in members:
            found.setdefault(one.example_id, []).append(
                Belonging(one, places.get(one.example_id, ()), problem)
            )
    return found
