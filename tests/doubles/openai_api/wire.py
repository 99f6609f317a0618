"""multipart/form-data, read by hand: the standard library's parser copies a 64 MB part several times over.

Pure.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

CHECK_BOUNDARY = "double"


@dataclass(frozen=True)
class FilePart:
    filename: str
    content: bytes


@dataclass(frozen=True)
class Form:
    """A form's text fields and its files, by name."""

    fields: dict[str, str]
    files: dict[str, FilePart]

    @property
    def expires_after(self) -> int | None:
        """Seconds, from `expires_after[seconds]`."""
        seconds = self.fields.get("expires_after[seconds]")
        return int(seconds) if seconds else None

    check_content_type = f"multipart/form-data; boundary={CHECK_BOUNDARY}"

    @property
    def check_body(self) -> bytes:
        """The same form for the check against the description: bracketed fields folded into JSON objects, as
        OpenAPI wants them, and each file's content, which the description says nothing of, left out.
        """
        parts: list[tuple[str, str, bytes]] = []
        folded: dict[str, dict[str, str | int]] = {}
        for name, text in self.fields.items():
            nested = re.fullmatch(r"(\w+)\[(\w+)\]", name)
            if nested:
                folded.setdefault(nested[1], {})[nested[2]] = int(text) if text.isdigit() else text
            else:
                parts.append((name, "", text.encode()))
        for name, value in folded.items():
            parts.append((name, "\r\nContent-Type: application/json", json.dumps(value).encode()))
        binary = "\r\nContent-Type: application/octet-stream"
        parts.extend((name, binary, b"content") for name in self.files)
        body = b"".join(
            f'--{CHECK_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{kind}\r\n\r\n'.encode()
            + content
            + b"\r\n"
            for name, kind, content in parts
        )
        return body + f"--{CHECK_BOUNDARY}--\r\n".encode()


def parse_form(content_type: str, raw: bytes) -> Form | None:
    """The form in a request body; None when it is not one."""
    boundary = re.search(r'boundary="?([^";]+)"?', content_type)
    if boundary is None:
        return None
    fields: dict[str, str] = {}
    files: dict[str, FilePart] = {}
    for piece in (b"\r\n" + raw).split(b"\r\n--" + boundary[1].encode())[1:-1]:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        disposition = head.decode("utf-8", "replace")
        name = re.search(r'[; ]name="([^"]*)"', disposition)
        filename = re.search(r'filename="([^"]*)"', disposition)
        if name is None:
            return None
        if filename is None:
            fields[name[1]] = content.decode("utf-8", "replace")
        else:
            files[name[1]] = FilePart(filename[1], content)
    return Form(fields, files)
