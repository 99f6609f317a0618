"""What the double's organisation owns beside its files: jobs, models, and what they learnt. No HTTP.

Every method is one operation of the API and answers with the JSON of the answer, or raises `Refusal`.
`server` holds the lock around each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.doubles.openai_api.faults import Behaviour
from tests.doubles.openai_api.jobs import STAGES, TERMINAL, Job, refuse_bad_body
from tests.doubles.openai_api.storage import Refusal, Storage, StoredFile, one_page, what_listing_shows
from tests.doubles.openai_api.training_data import BadFile, TrainingData, read_training_data

BASE_MODELS: dict[str, str | None] = {
    "gpt-4.1-2025-04-14": "2027-01-14",
    "gpt-4.1-mini-2025-04-14": "2027-01-14",
    "gpt-4o-mini-2024-07-18": "2027-01-14",
    "meta-llama/Llama-3.3-70B-Instruct": None,
}
"""Models that can be trained here and their shutdown dates. gpt-3.5-turbo is gone, as it is."""


class Account:
    """One organisation. `now` is the double's clock in Unix seconds."""

    def __init__(self, behaviour: Callable[[], Behaviour], now: Callable[[], float]) -> None:
        self._behaviour = behaviour
        self._now = now
        self._sequence = 0
        self.storage = Storage(behaviour, now, self._next)
        self.jobs: dict[str, Job] = {}
        self.models: dict[str, str | None] = dict(BASE_MODELS)
        self.memories: dict[str, TrainingData] = {}
        """What each fine-tuned model learnt, for the chat."""

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    # Jobs

    def create_job(self, body: dict[str, Any]) -> dict[str, Any]:
        behaviour = self._behaviour()
        refuse_bad_body(body, behaviour)
        if body["model"] not in self.models:
            raise Refusal(
                400,
                f"Model {body['model']} is not available for fine-tuning or does not exist.",
                "model_not_available",
            )
        for param in ("training_file", "validation_file"):
            file_id = body.get(param)
            if file_id is None:
                continue
            if file_id not in self.storage.files:
                raise Refusal(400, f"File {file_id} does not exist.", "file_not_found", param)
            stored = self.storage.files[file_id]
            if stored.error or stored.unprocessed_polls:
                raise Refusal(400, f"File {file_id} is not ready.", "file_not_ready", param)
        now = self._now()
        number = self._next()
        job = Job(
            id=f"ftjob-{number:06d}",
            number=number,
            body=body,
            created_at=int(now),
            entered_at=now,
            metadata=body.get("metadata") if behaviour.metadata_stored else None,
            hidden_listings=behaviour.listing_lag_calls,
        )
        job.add_event(now, f"Created fine-tuning job: {job.id}")
        job.add_event(now, f"Validating training file: {body['training_file']}")
        self.jobs[job.id] = job
        return job.as_json(behaviour)

    def job(self, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise Refusal(404, f"Could not find fine tune: {job_id}", "fine_tune_not_found", "fine_tune_id")
        return self.jobs[job_id]

    def retrieve_job(self, job_id: str) -> dict[str, Any]:
        """Also moves the job, one poll nearer to its next stage."""
        job = self.job(job_id)
        behaviour = self._behaviour()
        if (
            behaviour.seconds_per_stage is None
            and behaviour.polls_per_stage > 0
            and job.status not in TERMINAL
        ):
            job.polls += 1
            if job.polls >= behaviour.polls_per_stage:
                self._move_on(job)
        self.tick()
        return job.as_json(behaviour)

    def tick(self) -> None:
        """Move what the clock moves."""
        behaviour = self._behaviour()
        if behaviour.seconds_per_stage is None:
            return
        for job in self.jobs.values():
            while job.status in STAGES[:-1] and self._now() >= job.entered_at + behaviour.seconds_per_stage:
                entered = job.entered_at + behaviour.seconds_per_stage
                self._move_on(job)
                job.entered_at = entered

    def finish(self, job_id: str) -> None:
        """Run the job to its end at once."""
        job = self.job(job_id)
        while job.status not in TERMINAL:
            self._move_on(job)

    def list_jobs(self, after: str | None, limit: int, metadata: Mapping[str, str]) -> dict[str, Any]:
        behaviour = self._behaviour()
        shown = what_listing_shows(list(self.jobs.values()))
        if behaviour.metadata_filter_works and metadata:
            shown = [job for job in shown if metadata.items() <= (job.metadata or {}).items()]
        shown.reverse()
        cursor = after if behaviour.cursor_works else None
        page, more = one_page(shown, cursor, limit, lambda job: job.id)
        more = more or not behaviour.cursor_works
        return {"object": "list", "data": [job.as_json(behaviour) for job in page], "has_more": more}

    def list_events(self, job_id: str, after: str | None, limit: int) -> dict[str, Any]:
        page, more = one_page(self.job(job_id).events[::-1], after, limit, lambda event: str(event["id"]))
        return {"object": "list", "data": page, "has_more": more}

    def list_checkpoints(self, job_id: str, after: str | None, limit: int) -> dict[str, Any]:
        page, more = one_page(
            self.job(job_id).checkpoints[::-1], after, limit, lambda point: str(point["id"])
        )
        ids = [str(point["id"]) for point in page]
        return {
            "object": "list",
            "data": page,
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
            "has_more": more,
        }

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        job = self.job(job_id)
        if job.status in TERMINAL:
            raise Refusal(400, f"Job has already completed: {job_id}")
        self._end(job, "cancelled")
        job.add_event(self._now(), "The job was cancelled.")
        return job.as_json(self._behaviour())

    def pause_job(self, job_id: str) -> dict[str, Any]:
        job = self.job(job_id)
        if job.status != "running":
            raise Refusal(400, f"Job cannot be paused while it is {job.status}: {job_id}")
        self._enter(job, "pausing")
        return job.as_json(self._behaviour())

    def resume_job(self, job_id: str) -> dict[str, Any]:
        job = self.job(job_id)
        if job.status != "paused":
            raise Refusal(400, f"Job cannot be resumed while it is {job.status}: {job_id}")
        self._enter(job, "queued")
        return job.as_json(self._behaviour())

    def _enter(self, job: Job, status: str) -> None:
        job.status, job.polls, job.entered_at = status, 0, self._now()

    def _end(self, job: Job, status: str) -> None:
        self._enter(job, status)
        job.finished_at = int(self._now())

    def _fail(self, job: Job, code: str, message: str, param: str | None) -> None:
        job.error = (code, message, param)
        job.add_event(self._now(), message, level="error", error_code=code, error_param=param)
        self._end(job, "failed")

    def _move_on(self, job: Job) -> None:
        behaviour = self._behaviour()
        match job.status:
            case "validating_files":
                self._validate(job)
            case "queued" if behaviour.job_error:
                self._fail(job, *behaviour.job_error, None)
            case "queued":
                self._enter(job, "running")
                job.add_event(self._now(), "Fine-tuning job started")
            case "pausing":
                self._enter(job, "paused")
            case "running":
                self._complete(job)
            case _:
                pass

    def _validate(self, job: Job) -> None:
        for param in ("training_file", "validation_file"):
            file_id = job.body.get(param)
            if file_id is None:
                continue
            training = param == "training_file"
            if file_id not in self.storage.files:
                self._fail(job, f"invalid_{param}", f"File {file_id} was deleted.", param)
                return
            try:
                data = read_training_data(
                    self.storage.files[file_id].content, method=job.method, needs_minimum=training
                )
            except BadFile as bad:
                code = bad.code if training else "invalid_validation_file"
                self._fail(job, code, f"The job failed due to a file format error. {bad.message}", param)
                return
            job.data = data if training else job.data
        self._enter(job, "queued")
        job.add_event(self._now(), "Files validated, moving job to queued state")

    def _complete(self, job: Job) -> None:
        assert job.data is not None
        behaviour = self._behaviour()
        now = self._now()
        suffix = job.body.get("suffix") or ""
        name = f"ft:{job.body['model']}:double:{suffix}:{job.number:08d}"
        if behaviour.flavour == "azure":
            name = f"{job.body['model']}.ft-{job.number:032x}" + (f"-{suffix}" if suffix else "")
        job.record_training(now, name)
        if behaviour.moderation_blocks:
            message = "The model failed the usage policy evaluations and is not released."
            job.add_event(now, message, level="error", kind="moderation_checks", blocked=True)
            self._fail(job, "usage_policy_violation", message, None)
            return
        job.add_event(now, "Moderation checks passed", kind="moderation_checks", blocked=False)
        job.trained_tokens = job.data.tokens * job.n_epochs
        results = StoredFile(
            id=f"file-{self._next():06d}",
            filename="step_metrics.csv",
            content=job.results_csv(behaviour),
            purpose="fine-tune-results",
            created_at=int(now),
        )
        self.storage.files[results.id] = results
        job.result_file = results.id
        job.model = name
        self.models[name] = self.models.get(job.body["model"])
        self.memories[name] = job.data
        job.add_event(now, f"New fine-tuned model created: {name}")
        job.add_event(now, "The job has successfully completed")
        self._end(job, "succeeded")

    # Models and chat

    def model_json(self, model: str) -> dict[str, Any]:
        if model not in self.models:
            raise Refusal(404, f"The model '{model}' does not exist", "model_not_found", "model")
        owner = "double" if model in self.memories else "system"
        answer: dict[str, Any] = {"id": model, "object": "model", "created": 1700000000, "owned_by": owner}
        behaviour = self._behaviour()
        if behaviour.shutdown_dates and behaviour.flavour == "openai":
            answer["shutdown_date"] = self.models[model]
        return answer

    def delete_model(self, model: str) -> dict[str, Any]:
        self.model_json(model)
        if model not in self.memories:
            raise Refusal(403, f"The model '{model}' is not yours to delete", "model_not_owned", "model")
        del self.models[model], self.memories[model]
        return {"id": model, "object": "model", "deleted": True}

    def chat(self, model: str, messages: Sequence[Mapping[str, Any]]) -> str:
        """The scripted answer, else what the training file taught, else that it does not know."""
        self.model_json(model)
        question = next((str(m["content"]) for m in reversed(messages) if m.get("role") == "user"), "")
        scripted = self._behaviour().answers.get(model, {})
        memory = self.memories.get(model)
        return scripted.get(question) or (memory.answers.get(question) if memory else None) or "No lo sé."
