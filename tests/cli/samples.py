"""Events for the tests of the command line."""

from typing import Any

import orjson


def event(kind: str, time: str, subject: str, data: dict[str, Any], event_id: str = "") -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id or f"{kind}-{subject}-{time}",
            "source": "test",
            "type": kind,
            "time": time,
            "subject": subject,
            "data": data,
        }
    )


def call(number: int, time: str, rep: str = "ann") -> bytes:
    return event("call.logged", time, f"call/{number}", {"rep": rep})


def deal(number: int, time: str, won_at: str, amount: float, currency: str = "EUR") -> list[bytes]:
    subject, deal_id = f"deal/{number}", str(number)
    return [
        event("deal.created", time, subject, {"deal": deal_id, "amount": amount, "currency": currency, "rep": "ann"}),
        event("deal.won", won_at, subject, {"deal": deal_id}),
    ]


def lines(*events: bytes) -> bytes:
    return b"".join(one + b"\n" for one in events)
