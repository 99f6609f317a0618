"""Chainlit's official data layer (Chainlit/chainlit-datalayer): "Thread", "Step" and "Feedback". The steps are those
of `chainlit`; this layer keeps no model. Checked with Chainlit 2.12 and the layer's migrations."""

from __future__ import annotations

from ftworker.sources.preset import TableUse, fixed_preset
from ftworker.sources.presets.chainlit import CANNOT_TELL, ROLES, messages_of_steps

PRESET = fixed_preset(
    "chainlit_official",
    TableUse("Thread", dict.fromkeys(("id", "userId", "deletedAt"), "")),
    TableUse(
        "Step",
        dict.fromkeys(("id", "threadId", "type", "output", "startTime", "isError"), ""),
        indexes={"threadId": "each batch of conversations is read by it"},
        times="startTime",
    ),
    TableUse(
        "Feedback",
        dict.fromkeys(("stepId", "name", "value"), ""),
        indexes={"stepId": "each step's rating is looked up by it"},
    ),
    roles=ROLES,
    messages=messages_of_steps,
    order=("created_at", "answers", "id"),
    cannot_tell=(*CANNOT_TELL, "models: this layer does not keep which one answered"),
)
