"""Every check on a file that breaks it, named by file, line and field; and files that must pass."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftworker.datasets.checks import Check
from ftworker.datasets.validate import validate_file
from ftworker.errors import NotFound

REPOSITORY = Path(__file__).resolve().parents[2]

SYSTEM = {"role": "system", "content": "Eres un asistente útil."}
USER = {"role": "user", "content": "¿Qué es un átomo?"}
ASSISTANT = {"role": "assistant", "content": "La parte más pequeña de un elemento."}
GOOD: dict[str, Any] = {"messages": [SYSTEM, USER, ASSISTANT]}
PAIR: dict[str, Any] = {
    "input": {"messages": [SYSTEM, USER]},
    "preferred_output": [ASSISTANT],
    "non_preferred_output": [{"role": "assistant", "content": "No sé."}],
}
LESSON = {"instruction": "¿Qué es un átomo?", "response": "La parte más pequeña de un elemento."}

COMPLETION: dict[str, Any] = {"prompt": [SYSTEM, USER], "completion": [ASSISTANT]}
PREFERENCE: dict[str, Any] = {
    "prompt": [SYSTEM, USER],
    "chosen": [ASSISTANT],
    "rejected": [USER | {"role": "assistant"}],
}
PLAIN: dict[str, Any] = {"prompt": "¿Qué es un átomo?", "completion": "La parte más pequeña de un elemento."}


def numbered(row: dict[str, Any], number: int) -> dict[str, Any]:
    text = json.dumps(row).replace("tomo?", f"tomo {number}?")
    result: dict[str, Any] = json.loads(text)
    return result


def dump(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass")


def write(path: Path, lines: list[bytes], *, good: dict[str, Any] = GOOD, before: int = 10) -> Path:
    """`before` good rows, then these lines."""
    rows = [dump(numbered(good, number)) for number in range(before)]
    path.write_bytes(b"\n".join([*rows, *lines]) + b"\n")
    return path


def chat(*messages: Any, **row: Any) -> bytes:
    return dump({"messages": list(messages), **row})


def changed(message: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**message, **fields}


LONG = "átomo " * 100_000

CHAT_CASES: list[tuple[Check, bytes, str]] = [
    (Check.NOT_UTF8, b'{"messages": [{"role": "user", "content": "\xff"}]}', ""),
    (Check.INVALID_JSON, b'{"messages": [', ""),
    (Check.INVALID_JSON, b'{"messages": [NaN]}', ""),
    (Check.INVALID_JSON, b"[" * 100_000, ""),
    (Check.INVALID_JSON, b'{"messages": "' + b"\x01" + b'"}', ""),
    (Check.DATA_TYPE, b"17", ""),
    (Check.DATA_TYPE, b'"texto"', ""),
    (Check.DATA_TYPE, chat(SYSTEM, "texto", ASSISTANT), "messages[1]"),
    (Check.DATA_TYPE, chat(SYSTEM, changed(USER, content=5), ASSISTANT), "messages[1].content"),
    (Check.DATA_TYPE, chat(SYSTEM, USER, ASSISTANT, tools={}), "tools"),
    (Check.DATA_TYPE, chat(SYSTEM, USER, ASSISTANT, parallel_tool_calls=1), "parallel_tool_calls"),
    (Check.DUPLICATE_KEY, b'{"messages": [], ' + chat(SYSTEM, USER, ASSISTANT)[1:], "messages"),
    (
        Check.DUPLICATE_KEY,
        chat(SYSTEM, USER, ASSISTANT).replace(b'"role": "user"', b'"role": "system", "role": "user"'),
        "messages[1].role",
    ),
    (Check.MIXED_ROWS, dump(LESSON), ""),
    (Check.UNKNOWN_ROW_KEY, chat(SYSTEM, USER, ASSISTANT, user_id=7), "user_id"),
    (Check.MISSING_MESSAGES_LIST, b'{"messages": []}', "messages"),
    (Check.MISSING_MESSAGES_LIST, b'{"messages": {}}', "messages"),
    (Check.MISSING_MESSAGES_LIST, b"{}", "messages"),
    (Check.MESSAGE_MISSING_KEY, chat(SYSTEM, {"content": "hola"}, ASSISTANT), "messages[1].role"),
    (Check.MESSAGE_MISSING_KEY, chat(SYSTEM, {"role": "user"}, ASSISTANT), "messages[1].content"),
    (Check.MESSAGE_UNRECOGNIZED_KEY, chat(SYSTEM, changed(USER, id=3), ASSISTANT), "messages[1].id"),
    (Check.UNRECOGNIZED_ROLE, chat(SYSTEM, changed(USER, role="usuario"), ASSISTANT), "messages[1].role"),
    (Check.UNRECOGNIZED_ROLE, chat(SYSTEM, changed(USER, role=None), ASSISTANT), "messages[1].role"),
    (Check.MISSING_CONTENT, chat(SYSTEM, changed(USER, content="  "), ASSISTANT), "messages[1].content"),
    (Check.MISSING_CONTENT, chat(SYSTEM, changed(USER, content=None), ASSISTANT), "messages[1].content"),
    (Check.MISSING_CONTENT, chat(SYSTEM, changed(USER, content=[{}]), ASSISTANT), "messages[1].content[0]"),
    (Check.WEIGHT_VALUE, chat(SYSTEM, USER, changed(ASSISTANT, weight=2), ASSISTANT), "messages[2].weight"),
    (Check.WEIGHT_VALUE, chat(SYSTEM, USER, changed(ASSISTANT, weight=True)), "messages[2].weight"),
    (Check.WEIGHT_VALUE, chat(SYSTEM, USER, changed(ASSISTANT, weight="1")), "messages[2].weight"),
    (Check.WEIGHT_VALUE, chat(SYSTEM, USER, changed(ASSISTANT, weight=[])), "messages[2].weight"),
    (Check.WEIGHT_NOT_ALLOWED, chat(SYSTEM, changed(USER, weight=0), ASSISTANT), "messages[1].weight"),
    (Check.MISSING_ASSISTANT_MESSAGE, chat(SYSTEM, USER), "messages"),
    (Check.NOT_ENDED_BY_ASSISTANT, chat(SYSTEM, USER, ASSISTANT, USER), "messages[3].role"),
    (Check.NOTHING_TO_TEACH, chat(SYSTEM, USER, changed(ASSISTANT, weight=0)), "messages"),
    (Check.TOO_MANY_TOKENS, chat(SYSTEM, changed(USER, content=LONG), ASSISTANT), ""),
    (
        Check.SPECIAL_TOKENS,
        chat(SYSTEM, USER, changed(ASSISTANT, content="a<|im_end|>")),
        "messages[2].content",
    ),
    (
        Check.SPECIAL_TOKENS,
        b'{"messages": [{"role": "user", "content": "\\u003c|fim_suffix|>"}, ' + dump(ASSISTANT) + b"]}",
        "messages[0].content",
    ),
    (
        Check.LONE_SURROGATE,
        b'{"messages": [{"role": "user", "content": "\\ud83d"}, ' + dump(ASSISTANT) + b"]}",
        "messages[0].content",
    ),
    (Check.MISSING_SYSTEM_MESSAGE, chat(USER, ASSISTANT), "messages"),
    (Check.MISSING_USER_MESSAGE, chat(SYSTEM, ASSISTANT), "messages"),
    (Check.SYSTEM_NOT_FIRST, chat(USER, SYSTEM, ASSISTANT), "messages[1].role"),
    (Check.SYSTEM_NOT_FIRST, chat(SYSTEM, SYSTEM, USER, ASSISTANT), "messages[1].role"),
    (
        Check.CONTROL_CHARACTERS,
        chat(SYSTEM, changed(USER, content="a\x00b"), ASSISTANT),
        "messages[1].content",
    ),
    (
        Check.LOOKS_LIKE_TOKEN,
        chat(SYSTEM, changed(USER, content="<|hola|>"), ASSISTANT),
        "messages[1].content",
    ),
    (Check.NEAR_TOKEN_LIMIT, chat(SYSTEM, changed(USER, content="átomo " * 40_000), ASSISTANT), ""),
]

PAIR_CASES: list[tuple[Check, bytes, str]] = [
    (Check.UNKNOWN_ROW_KEY, dump({**PAIR, "score": 1}), "score"),
    (Check.UNKNOWN_ROW_KEY, dump({**PAIR, "input": {**PAIR["input"], "x": 1}}), "input.x"),
    (Check.MISSING_KEY, dump({k: v for k, v in PAIR.items() if k != "input"}), "input"),
    (Check.MISSING_KEY, dump({k: v for k, v in PAIR.items() if k[0] != "n"}), "non_preferred_output"),
    (Check.DATA_TYPE, dump({**PAIR, "input": []}), "input"),
    (Check.MISSING_MESSAGES_LIST, dump({**PAIR, "input": {}}), "input.messages"),
    (Check.OUTPUT_COUNT, dump({**PAIR, "preferred_output": [ASSISTANT, ASSISTANT]}), "preferred_output"),
    (Check.OUTPUT_COUNT, dump({**PAIR, "preferred_output": "sí"}), "preferred_output"),
    (Check.OUTPUT_COUNT, dump({**PAIR, "preferred_output": [USER]}), "preferred_output[0].role"),
    (Check.SAME_OUTPUTS, dump({**PAIR, "non_preferred_output": [ASSISTANT]}), "non_preferred_output"),
    (Check.MIXED_ROWS, dump(GOOD), ""),
    (
        Check.PROMPT_NOT_ENDED_BY_USER,
        dump({**PAIR, "input": {"messages": [SYSTEM, USER, ASSISTANT]}}),
        "input.messages[2].role",
    ),
]

COMPLETION_CASES: list[tuple[Check, bytes, str]] = [
    (Check.MISSING_KEY, dump({"prompt": [SYSTEM, USER]}), "completion"),
    (Check.MISSING_KEY, dump({"completion": [ASSISTANT]}), "prompt"),
    (Check.UNKNOWN_KEY, dump({**COMPLETION, "score": 1}), "score"),
    (Check.DATA_TYPE, dump({**COMPLETION, "completion": "La parte"}), "completion"),
    (Check.DATA_TYPE, dump({**COMPLETION, "prompt": [17]}), "prompt[0]"),
    (Check.MISSING_MESSAGES_LIST, dump({**COMPLETION, "prompt": []}), "prompt"),
    (Check.MISSING_MESSAGES_LIST, dump({**COMPLETION, "completion": []}), "completion"),
    (Check.OUTPUT_NOT_ENDED_BY_ASSISTANT, dump({**COMPLETION, "completion": [USER]}), "completion[0].role"),
    (Check.PROMPT_NOT_ENDED_BY_USER, dump({**COMPLETION, "prompt": [SYSTEM]}), "prompt[0].role"),
    (Check.MISSING_SYSTEM_MESSAGE, dump({**COMPLETION, "prompt": [USER]}), "prompt"),
    (Check.UNRECOGNIZED_ROLE, dump({**COMPLETION, "prompt": [changed(USER, role="niño")]}), "prompt[0].role"),
    (Check.SPECIAL_TOKENS, dump({**PLAIN, "completion": "<|endoftext|>"}), "completion"),
    (Check.MISSING_CONTENT, dump({**PLAIN, "prompt": "  "}), "prompt"),
    (Check.MIXED_ROWS, dump(PREFERENCE), ""),
]

PREFERENCE_CASES: list[tuple[Check, bytes, str]] = [
    (Check.MISSING_KEY, dump({k: v for k, v in PREFERENCE.items() if k != "chosen"}), "chosen"),
    (Check.OUTPUT_NOT_ENDED_BY_ASSISTANT, dump({**PREFERENCE, "rejected": [USER]}), "rejected[0].role"),
    (Check.SAME_OUTPUTS, dump({**PREFERENCE, "rejected": [ASSISTANT]}), "rejected"),
    (Check.TOO_MANY_TOKENS, dump({**PREFERENCE, "chosen": [changed(ASSISTANT, content=LONG)]}), ""),
    (Check.MIXED_ROWS, dump(PAIR), ""),
]

LESSON_CASES: list[tuple[Check, bytes, str]] = [
    (Check.MISSING_KEY, dump({"instruction": "hola"}), "response"),
    (Check.DATA_TYPE, dump({**LESSON, "response": None}), "response"),
    (Check.MISSING_CONTENT, dump({**LESSON, "instruction": " "}), "instruction"),
    (Check.UNKNOWN_KEY, dump({**LESSON, "system": "x"}), "system"),
    (Check.SPECIAL_TOKENS, dump({**LESSON, "response": "<|endoftext|>"}), "response"),
    (Check.LONE_SURROGATE, b'{"instruction": "\\udc00", "response": "hola"}', "instruction"),
    (Check.TOO_MANY_TOKENS, dump({**LESSON, "instruction": LONG}), ""),
]


def assert_found(path: Path, check: Check, line: int | None, field: str) -> None:
    report = validate_file(str(path))
    places = [(problem.check, problem.line, problem.field) for problem in report.problems]
    assert (check, line, field) in places
    assert report.counts[check] >= 1
    assert report.ok == (report.errors == 0)
    (problem,) = (p for p in report.problems if (p.check, p.line, p.field) == (check, line, field))
    where = path.name if line is None else f"{path.name}:{line}"
    assert problem.text(report.file).startswith(f"{where}: {field}: " if field else f"{where}: ")
    for text in ("tomo", "Eres un", "elemento"):
        assert text not in "".join(p.text(report.file) for p in report.problems)


@pytest.mark.parametrize("check,line,field", CHAT_CASES)
def test_a_chat_row_is_judged_by_field(check: Check, line: bytes, field: str, tmp_path: Path) -> None:
    assert_found(write(tmp_path / "train.jsonl", [line]), check, 11, field)


def test_unknown_keys_are_told_in_the_same_order_in_every_process(tmp_path: Path) -> None:
    keys = ["zeta", "mu", "alpha", "omega", "beta", "pi", "rho", "eta"]
    report = validate_file(
        str(write(tmp_path / "train.jsonl", [chat(USER, ASSISTANT, **dict.fromkeys(keys, 1))]))
    )
    assert [problem.field for problem in report.problems if problem.check is Check.UNKNOWN_ROW_KEY] == sorted(
        keys
    )


@pytest.mark.parametrize("check,line,field", PAIR_CASES)
def test_a_preference_row_is_judged_by_field(check: Check, line: bytes, field: str, tmp_path: Path) -> None:
    assert_found(write(tmp_path / "pairs.jsonl", [line], good=PAIR), check, 11, field)


@pytest.mark.parametrize("check,line,field", COMPLETION_CASES)
def test_a_completion_is_judged_by_field(check: Check, line: bytes, field: str, tmp_path: Path) -> None:
    assert_found(write(tmp_path / "completions.jsonl", [line], good=COMPLETION), check, 11, field)


@pytest.mark.parametrize("check,line,field", PREFERENCE_CASES)
def test_a_pair_of_trl_is_judged_by_field(check: Check, line: bytes, field: str, tmp_path: Path) -> None:
    assert_found(write(tmp_path / "preferences.jsonl", [line], good=PREFERENCE), check, 11, field)


@pytest.mark.parametrize("check,line,field", LESSON_CASES)
@pytest.mark.parametrize("as_array", [False, True])
def test_an_instruction_row_is_judged_by_field(
    check: Check, line: bytes, field: str, as_array: bool, tmp_path: Path
) -> None:
    path = write(tmp_path / "train.jsonl", [line], good=LESSON)
    if as_array:
        rows = path.read_bytes().strip().replace(b"\n", b",\n")
        path = tmp_path / "train.json"
        path.write_bytes(b"[" + rows + b"]\n")
    assert_found(path, check, 11, field)


FILE_CASES: list[tuple[Check, bytes, int | None]] = [
    (Check.EMPTY_FILE, b"", None),
    (Check.EMPTY_FILE, b"\n\n", None),
    (Check.EMPTY_FILE, b"[]", None),
    (Check.TOO_FEW_EXAMPLES, dump(GOOD), None),
    (Check.EMPTY_LINE, dump(GOOD) + b"\n \n" + dump(GOOD), 2),
    (Check.BYTE_ORDER_MARK, b"\xef\xbb\xbf" + dump(GOOD), 1),
    (Check.BYTE_ORDER_MARK, b"\xef\xbb\xbf[" + dump(LESSON) + b"]", 1),
    (Check.WINDOWS_LINE_ENDS, dump(GOOD) + b"\r\n", 1),
    (Check.REPEATED_ROW, dump(GOOD) + b"\n" + dump(GOOD), 2),
    (Check.NOT_UTF8, "hola".encode("utf-16"), 1),
    (Check.NOT_UTF8, b'["\xff"]', 1),
    (Check.LINE_TOO_LONG, dump(GOOD) + b"\n" + b"a" * (16 * 1024 * 1024 + 2) + b"\n" + dump(GOOD), 2),
    (Check.INVALID_JSON, b'[{"instruction": "a", "response": "b"}', 1),
    (Check.INVALID_JSON, b'[{"instruction": "a", "response": "b"}\n{', 2),
    (Check.INVALID_JSON, b"[\n\n{,}]", 3),
    (Check.INVALID_JSON, b"[]\n[]", 2),
    (Check.DATA_TYPE, b"[" + dump(GOOD) + b"]", 1),
    (Check.DATA_TYPE, b"[17]", 1),
]


@pytest.mark.parametrize("check,content,line", FILE_CASES)
def test_a_file_is_judged_as_a_whole(check: Check, content: bytes, line: int | None, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(content)
    assert_found(path, check, line, "")


def test_every_check_has_a_case_in_these_tables() -> None:
    rows = (*CHAT_CASES, *PAIR_CASES, *COMPLETION_CASES, *PREFERENCE_CASES, *LESSON_CASES)
    covered = {case[0] for case in (*rows, *FILE_CASES)}
    assert covered == set(Check) - {Check.FILE_TOO_LARGE, Check.ALTERED}  # these have tests of their own


def test_a_file_above_the_providers_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "train.jsonl", [])
    size = path.stat().st_size
    monkeypatch.setattr("ftworker.datasets.validate.MAX_FILE_BYTES", size)
    assert validate_file(str(path)).ok
    monkeypatch.setattr("ftworker.datasets.validate.MAX_FILE_BYTES", size - 1)
    assert_found(path, Check.FILE_TOO_LARGE, None, "")


@pytest.mark.parametrize(
    "good",
    [GOOD, PAIR, COMPLETION, PLAIN, PREFERENCE, LESSON],
    ids=[
        "chat",
        "openai-preference",
        "prompt-completion",
        "plain prompt-completion",
        "preference",
        "instruction",
    ],
)
def test_a_good_file_has_no_finding_and_a_summary(good: dict[str, Any], tmp_path: Path) -> None:
    report = validate_file(str(write(tmp_path / "train.jsonl", [], good=good, before=40)))
    assert (report.problems, report.counts.total(), report.rows, report.ok) == ([], 0, 40, True)
    assert report.tokens is not None
    assert report.tokens.least <= report.tokens.median <= report.tokens.p95 <= report.tokens.most
    assert report.tokens.total >= 40 * report.tokens.least
    assert report.estimated_epochs == 3


def test_rows_with_tools_parts_and_history_weights_are_good(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]}
    tool = {"role": "tool", "tool_call_id": "1", "content": "3"}
    parts = {"role": "user", "content": [{"type": "text", "text": "¿Qué ves?"}, {"type": "image_url"}]}
    lines = [
        chat(SYSTEM, USER, call, tool, ASSISTANT, tools=[], parallel_tool_calls=False),
        chat(SYSTEM, parts, ASSISTANT),
        chat(SYSTEM, USER, changed(ASSISTANT, weight=0), USER, changed(ASSISTANT, weight=1)),
        chat(SYSTEM, changed(USER, name="ana"), ASSISTANT),
    ]
    assert validate_file(str(write(tmp_path / "train.jsonl", lines))).problems == []


def test_unicode_line_separators_inside_a_text_do_not_end_a_line(tmp_path: Path) -> None:
    lines = [
        chat(SYSTEM, changed(USER, content=f"a{mark}b"), ASSISTANT) for mark in "\u2028\u2029\x85\x0b\x0c"
    ]
    report = validate_file(str(write(tmp_path / "train.jsonl", lines)))
    assert (report.rows, report.problems) == (15, [])


def test_problems_are_counted_in_full_and_shown_up_to_a_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", [b"{}"] * 50)
    report = validate_file(str(path), max_problems=3)
    assert len(report.problems) == 3
    assert report.counts[Check.MISSING_MESSAGES_LIST] == 50


def test_no_such_file_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        validate_file(str(tmp_path / "nothing.jsonl"))
    with pytest.raises(NotFound, match="no such file"):
        validate_file(str(tmp_path))


def test_progress_is_told_in_bytes_and_ends_at_the_size(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", [], before=2_500)
    seen: list[int] = []
    validate_file(str(path), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size
    assert len(seen) == 3


@given(
    data=st.binary(max_size=300)
    | st.text(alphabet='{}[]",:\\ \n\u2028aenulltrfs0.-', max_size=80).map(str.encode)
)
@settings(max_examples=300)
def test_any_bytes_give_a_report_and_never_an_exception(data: bytes, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(data)
    report = validate_file(str(path))
    assert not report.ok  # too short to be a training file


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "role", "content", "weight", "type", "text", "tool_calls", "input", "tools",
                 "preferred_output", "non_preferred_output", "instruction", "response", "x"]
            ),
            inner | st.sampled_from(["user", "assistant", "system"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    rows=st.lists(
        values | st.builds(lambda m: {"messages": m}, st.lists(values, min_size=1, max_size=3)), max_size=3
    )
)
@settings(max_examples=300)
def test_any_json_gives_a_report_and_never_an_exception(rows: list[Any], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(b"\n".join(json.dumps(row).encode() for row in rows))
    report = validate_file(str(path))
    assert report.errors + report.warnings == report.counts.total() >= len(report.problems)
    assert all(problem.text(report.file).startswith("any.jsonl") for problem in report.problems)


def test_an_array_reads_the_same_wherever_the_blocks_of_the_file_fall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{**LESSON, "response": f'á{"ñ" * (n % 7)} \\" ] {n}'} for n in range(60)]
    path = tmp_path / "train.json"
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    whole = validate_file(str(path))
    assert (whole.rows, whole.ok) == (60, True)
    for size in (1, 2, 3, 7, 64):
        monkeypatch.setattr("ftworker.datasets.reading._BLOCK_BYTES", size)
        report = validate_file(str(path))
        assert (report.rows, report.problems, report.sha256) == (60, [], whole.sha256)


def test_a_large_file_is_read_in_flat_memory(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    text = "La célula es la unidad de la vida. " * 60
    with path.open("wb") as file:
        for number in range(40_000):
            file.write(
                chat(SYSTEM, changed(USER, content=str(number)), changed(ASSISTANT, content=text)) + b"\n"
            )
    size = path.stat().st_size
    program = (
        "import sys; from ftworker.datasets.validate import validate_file;"
        "from tests.datasets.memory import peak_kib; before = peak_kib();"
        "report = validate_file(sys.argv[1]); assert report.ok and report.rows == 40000, report;"
        "print(peak_kib() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
        cwd=REPOSITORY,
    )
    assert size > 80_000_000
    assert int(done.stdout) < 20_000  # KiB


def test_rows_in_random_order_give_the_same_counts(tmp_path: Path) -> None:
    bad = [line for check, line, _ in CHAT_CASES if check is not Check.INVALID_JSON and len(line) < 10_000]
    rows = [dump(numbered(GOOD, number)) for number in range(10)] + bad
    reports = []
    for seed in (1, 2):
        shuffled = rows[1:]
        random.Random(seed).shuffle(shuffled)
        path = tmp_path / "train.jsonl"
        path.write_bytes(b"\n".join([rows[0], *shuffled]))
        reports.append(validate_file(str(path)).counts)
    assert reports[0] == reports[1]
