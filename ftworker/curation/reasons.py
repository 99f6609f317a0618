"""Why a turn or a conversation did not become an example.

The codes stand in the database, in manifests and in metrics, and never change their meaning. docs/DATASETS.md
repeats this table; a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class DropReason(StrEnum):
    """One code for each way out. `meaning` says it in one line."""

    meaning: str
    whole: bool
    """True when it concerns the conversation as a whole and is recorded once, at turn -1."""

    def __new__(cls, code: str, meaning: str, whole: bool = False) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.whole = whole
        return member

    DELETED = "deleted", "the conversation was deleted in the RAG", True
    DEBUG = "debug", "made by those who build the RAG, trying it out", True
    NO_CONSENT = "no_consent", "training was refused, or consent is required and nobody gave it", True
    REASON_NOT_SELECTED = (
        "reason_not_selected",
        "it closed for a reason that `reasons_closed` does not list",
        True,
    )
    EMPTY_CONVERSATION = "empty_conversation", "no message of a person or the assistant holds any text", True
    TOO_MANY_MESSAGES = "too_many_messages", "more than `max_messages` messages: a loop, not a lesson", True
    UNKNOWN_ROLE = "unknown_role", "a message's role is no known word, so nobody can say who spoke", True
    QUARANTINED_WELLBEING = (
        "quarantined_wellbeing",
        "somebody seems to be in distress or danger: a person must look",
        True,
    )
    QUARANTINED_HEALTH = "quarantined_health", "somebody's health is spoken of: a person must look", True
    QUARANTINED_UNCERTAIN = (
        "quarantined_uncertain",
        "perhaps a person is named, and no rule can say: a person must look",
        True,
    )
    REJECTED_BY_PERSON = (
        "rejected_by_person",
        "somebody looked at it in quarantine and kept it out (`ftworker quarantine reject`)",
        True,
    )
    NO_USER_MESSAGE = (
        "no_user_message",
        "no question stands before the answer (a greeting, or a wordless question)",
    )
    NOT_ENDED_BY_ASSISTANT = "not_ended_by_assistant", "the last question has no answer"
    ERROR_ANSWER = "error_answer", "the answer failed or was cut off"
    EMPTY_ANSWER = "empty_answer", "the answer holds no text"
    LONE_SURROGATE = "lone_surrogate", "half of a surrogate pair: no UTF-8 file can hold it"
    CONTROL_CHARACTERS = "control_characters", "NUL or another control character: broken bytes, not text"
    SPECIAL_TOKENS = (
        "special_tokens",
        "a model's control token such as <|endoftext|>: providers fail the whole job",
    )
    PERSONAL_DATA = "personal_data", 'personal data was found, and `personal_data = "drop"`'
    NO_PREFERENCE = "no_preference", 'nobody preferred one answer to another (`unit = "preference"`)'
    THUMBS_DOWN = "thumbs_down", "a person rated the answer, or the whole conversation, down"
    TOO_SHORT = "too_short", "below `min_answer_characters` and not rated up"
    TOO_LONG = "too_long", "above `max_answer_characters`"
    REFUSAL = "refusal", "the answer only refuses, though the retrieved context held the answer"
    REPEATED_QUESTION = (
        "repeated_question",
        "the same question was asked again right away: the answer did not help",
    )
    WRONG_LANGUAGE = "wrong_language", "written in a language that `languages` does not list"
    REPETITIVE = "repetitive", "the answer turns in circles: the same words again and again"
    TOO_MANY_SIGNS = "too_many_signs", "more of the answer is signs than `max_sign_share` allows"
    TOO_MANY_TOKENS = (
        "too_many_tokens",
        "above `max_tokens` even without history; a provider would cut the answer off",
    )
    DUPLICATE = "duplicate", "the pipeline keeps an example with the same words already"
