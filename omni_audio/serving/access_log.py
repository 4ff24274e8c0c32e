"""One line of JSON for each request: what it was, how it ended, what it used and cost. Never what was said.

Paths are route templates and keys are left out, so that nothing that a client sends can get into a line but the name of
a model that this server has.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omni_audio.serving.metrics import ServerMetrics
from omni_audio.serving.prices import PriceTable, use_of
from omni_audio.serving.request_count import UNKNOWN_ROUTE
from omni_audio.serving.stream import Stream

logger = logging.getLogger("omni_audio.access")

REQUEST_ID_HEADER = b"x-request-id"
COST_DIGITS = 12


@dataclass(slots=True)
class AccessRecord:
    """What becomes known of a request while it is answered."""

    status: int | None = None
    request_id: str | None = None
    model: str | None = None
    streams: list[Stream] = field(default_factory=list)

    @property
    def is_answered(self) -> bool:
        """Whether an answer began that is no refusal; what fails later costs what was sent of it."""
        return self.status is not None and self.status < 400


_record: ContextVar[AccessRecord | None] = ContextVar("omni_audio_access_record", default=None)


def note_answer(model: str, streams: Sequence[Stream]) -> None:
    """Adds what answers the request that is being served, for its line; does nothing outside a request.

    Args:
        model: the id that was asked for.
        streams: of its choices.
    """
    record = _record.get()
    if record is not None:
        record.model = model
        record.streams += streams


class AccessLogMiddleware:
    """Writes the line when a request is over, and adds its cost to the metrics. Plain ASGI: disconnects stay visible.

    Args:
        app: what answers.
        prices: of its models.
        currency: of the prices.
        metrics: where costs are added up.
    """

    def __init__(self, app: ASGIApp, prices: PriceTable, currency: str, metrics: ServerMetrics) -> None:
        self._app = app
        self._prices = prices
        self._currency = currency
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record, start_s = AccessRecord(), time.monotonic()
        token = _record.set(record)

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                headers = dict(message.get("headers", []))
                record.request_id = headers.get(REQUEST_ID_HEADER, b"").decode() or None
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            _record.reset(token)
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "request_id": record.request_id,
                "method": scope["method"],
                "route": getattr(scope.get("route"), "path", UNKNOWN_ROUTE),
                "status": record.status,
                "duration_ms": round((time.monotonic() - start_s) * 1000, 1),
                **self._used(record),
            }
            logger.info("%s", orjson.dumps(line).decode())

    def _used(self, record: AccessRecord) -> dict[str, Any]:
        """Model, tokens and cost; nothing where there was no answer, no cost where the model has no price."""
        use = use_of(record.streams) if record.is_answered else None
        if use is None or record.model is None:
            return {}
        line: dict[str, Any] = {"model": record.model, **use.as_dict()}
        costs = self._prices.costs(record.model, use)
        if costs is not None:
            self._metrics.costs_added(record.model, self._currency, costs)
            line |= {"cost": round(sum(costs.values()), COST_DIGITS), "currency": self._currency}
        return line
