"""How long the body of a request may be, and the one way to read it. A file of conversations has its limit in transfer/."""

from starlette.requests import Request

from chatapp.errors import ChatError

MAX_ACTION = 10_000_000
"""Bytes of what a page asks: the longest message, two million characters, with every character escaped as \\uXXXX, and some room."""

MAX_COMPLETION = 2_000_000
"""Bytes of a request to /v1/chat/completions."""


class TooLarge(ChatError):
    """`code` is OpenAI's word for it; 413 alone is also what a prompt beyond the context gets."""

    code = "request_too_large"


async def body_of(request: Request, limit: int) -> bytes:
    """The whole body. Raises ChatError as soon as it is longer than `limit` bytes."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise TooLarge(f"The request has more than {limit:,} bytes, the most that is taken here. Send less at once.", status=413)
    return bytes(body)
