"""OpenAI's own API description, and the check of one exchange against it. Knows nothing of state; `server`
calls it.

The description is `openai-finetune-spec.yaml` beside this file. `load_spec` changes it in memory where the
service is known to answer differently than it describes itself, so that the double can behave as the service
does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

SPEC_FILE = Path(__file__).with_name("openai-finetune-spec.yaml")
HOST = "http://double"

# The paths that the description covers; chat completions are not among them and are checked by hand.
DESCRIBED = ("/files", "/uploads", "/fine_tuning", "/models")


@dataclass(frozen=True)
class Exchange:
    """A request as the description wants to see it.

    `path` begins after `/v1`; multipart bodies come as `form`.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    authorization: str
    content_type: str
    body: bytes | None


class _Request:
    def __init__(self, exchange: Exchange) -> None:
        self.host_url = HOST
        self.path = f"/v1{exchange.path}"
        self.method = exchange.method.lower()
        self.content_type = exchange.content_type
        self.body = exchange.body
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(exchange.query),
            header=Headers({"Authorization": exchange.authorization}),
            cookie=ImmutableMultiDict(),
        )


class _Response:
    def __init__(self, status: int, content_type: str, data: bytes) -> None:
        self.status_code = status
        self.content_type = content_type
        self.headers = Headers({"Content-Type": content_type})
        self.data = data


def load_spec() -> dict[str, Any]:
    """The description with the service's known departures applied; each says where it was seen."""
    spec: dict[str, Any] = yaml.load(
        SPEC_FILE.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    spec["servers"] = [{"url": f"{HOST}/v1"}]
    schemas = spec["components"]["schemas"]
    job = schemas["FineTuningJob"]["properties"]
    # `pause` and `resume` are described, the states they lead to are not.
    job["status"]["enum"] += ["pausing", "paused"]
    # Seen on succeeded jobs: `"error": {}`.
    job["error"]["anyOf"].append({"type": "object", "maxProperties": 0})
    # Seen after training: the events of the usage policy checks.
    schemas["FineTuningJobEvent"]["properties"]["type"]["enum"].append("moderation_checks")
    # Azure Foundry's reference of POST /files.
    schemas["OpenAIFile"]["properties"]["status"]["enum"] += ["pending", "running", "deleting", "deleted"]
    # OpenAPI 3.1 describes octets by an empty schema; `type: string, format: binary` is 3.0.
    schemas["CreateFileRequest"]["properties"]["file"] = {}
    schemas["AddUploadPartRequest"]["properties"]["data"] = {}
    content = spec["paths"]["/files/{file_id}/content"]["get"]["responses"]["200"]["content"]
    content["application/binary"]["schema"] = {}
    # openapi-core cannot style a parameter whose type is a list.
    for parameter in spec["paths"]["/fine_tuning/jobs"]["get"]["parameters"]:
        if parameter["name"] == "metadata":
            parameter["schema"]["type"] = "object"
    return spec


@lru_cache(maxsize=1)
def openapi() -> OpenAPI:
    """The description, ready to check with. Reading it takes about half a second, once a process."""
    return OpenAPI.from_dict(load_spec())


@lru_cache(maxsize=1)
def known_properties() -> Mapping[str, frozenset[str]]:
    """The body fields that each described request schema names.

    The description does not refuse others; we do.
    """
    schemas = load_spec()["components"]["schemas"]
    return {
        name: frozenset(schema["properties"]) for name, schema in schemas.items() if "properties" in schema
    }


def is_described(path: str) -> bool:
    """Whether the description covers the path (after `/v1`)."""
    return path.startswith(DESCRIBED)


def request_problem(exchange: Exchange) -> str | None:
    """Why the request breaks the description, in one line; None when it keeps it."""
    try:
        openapi().validate_request(_Request(exchange))
    except OpenAPIError as error:
        return _first_reason(error)
    return None


def response_problem(exchange: Exchange, status: int, content_type: str, data: bytes) -> str | None:
    """Why our own answer breaks the description, in one line; None when it keeps it."""
    try:
        openapi().validate_response(_Request(exchange), _Response(status, content_type, data))
    except OpenAPIError as error:
        return _first_reason(error)
    return None


def _first_reason(error: Exception) -> str:
    cause = error.__cause__ or error
    details = getattr(cause, "schema_errors", None)
    if details:
        detail = next(iter(details))
        place = ".".join(str(part) for part in detail.absolute_path) or "body"
        return f"{place}: {detail.message}"[:300]
    return str(cause)[:300]
