"""The vocabulary: every canonical event, once.

The envelope is CloudEvents 1.0 (JSON). `EVENTS` lists each type with its topic, the family of its
subject and its data; decoder, JSON Schemas (`schemas/`) and docs follow from it. An event's `subject`
names the entity whose life it belongs to and is its Kafka key.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Union, cast

import msgspec
from msgspec import Meta, Struct

from streamproc.event_data import (
    CallLogged,
    CostRecorded,
    CustomerWon,
    DealCreated,
    DealEnded,
    DealStageChanged,
    DealUpdated,
    DealWon,
    Email,
    EmailBounced,
    EmailClicked,
    EmailOpened,
    FxRate,
    Id,
    Instant,
    Invoice,
    LeadChanged,
    LeadClosed,
    LeadCreated,
    LeadFeedback,
    LeadStageChanged,
    Meeting,
    Message,
    Name,
    Order,
    PartnerLead,
    QuoteSent,
    RepDefined,
    ResearchLogged,
    StageDefined,
    Subscription,
    SurveyAnswered,
    Target,
    TeamDefined,
    Web,
    Webinar,
)

CRM, EMAIL, PARTNER, REVENUE = "sales.crm", "sales.email", "sales.partner", "sales.revenue"
REFERENCE = "sales.reference"
EVENT_TOPICS = (CRM, EMAIL, PARTNER, REVENUE)
MAX_EVENT_BYTES = 256 * 1024


class Event(Struct, kw_only=True, tag_field="type", omit_defaults=True, gc=False):
    """CloudEvents envelope. `time` is when it happened, kept to the millisecond (`time_ms`)."""

    type: ClassVar[str] = ""
    specversion: Literal["1.0"] = "1.0"
    id: Id
    source: Name
    time: Instant
    subject: Annotated[str, Meta(min_length=1, max_length=512)]
    partitionkey: str | None = None
    traceparent: Annotated[str, Meta(max_length=256)] | None = None
    data: Any

    @property
    def time_ms(self) -> int:
        return to_ms(self.time)


@dataclass(frozen=True)
class EventType:
    """One row of the vocabulary. `subject`: `family/field/…`: the family's name, then the fields of `data` that name
    the entity; without fields any id will do, and "" allows any subject."""

    name: str
    topic: str
    subject: str
    data: type[Struct]


def _rows(topic: str, subject: str, data: type[Struct], *names: str) -> list[EventType]:
    return [EventType(name, topic, subject, data) for name in names]


EVENTS: dict[str, EventType] = {
    row.name: row
    for row in [
        *_rows(CRM, "call", CallLogged, "call.logged"),
        *_rows(
            CRM,
            "meeting/meeting_id",
            Meeting,
            "meeting.booked",
            "meeting.held",
            "meeting.cancelled",
            "meeting.no_show",
        ),
        *_rows(CRM, "message/message_id", Message, "message.sent", "message.replied"),
        *_rows(CRM, "webinar/webinar_id/contact", Webinar, "webinar.registered", "webinar.attended"),
        *_rows(CRM, "rep/rep", ResearchLogged, "research.logged"),
        *_rows(CRM, "lead/lead", LeadCreated, "lead.created"),
        *_rows(CRM, "lead/lead", LeadStageChanged, "lead.stage_changed"),
        *_rows(CRM, "lead/lead", LeadChanged, "lead.converted", "lead.disqualified", "lead.touched"),
        *_rows(CRM, "deal/deal", DealCreated, "deal.created"),
        *_rows(CRM, "deal/deal", DealStageChanged, "deal.stage_changed"),
        *_rows(CRM, "deal/deal", DealUpdated, "deal.updated"),
        *_rows(CRM, "deal/deal", DealWon, "deal.won"),
        *_rows(CRM, "deal/deal", DealEnded, "deal.lost", "deal.reopened", "deal.deleted"),
        *_rows(CRM, "deal/deal", QuoteSent, "quote.sent"),
        *_rows(
            EMAIL,
            "email/message_id",
            Email,
            "email.sent",
            "email.delivered",
            "email.deferred",
            "email.rejected",
            "email.replied",
            "email.unsubscribed",
            "email.complained",
        ),
        *_rows(EMAIL, "email/message_id", EmailBounced, "email.bounced"),
        *_rows(EMAIL, "email/message_id", EmailOpened, "email.opened"),
        *_rows(EMAIL, "email/message_id", EmailClicked, "email.clicked"),
        *_rows(
            PARTNER,
            "lead/lead",
            PartnerLead,
            "lead.offered",
            "lead.accepted",
            "lead.declined",
            "lead.expired",
            "lead.contacted",
        ),
        *_rows(PARTNER, "lead/lead", LeadFeedback, "lead.feedback"),
        *_rows(PARTNER, "lead/lead", LeadClosed, "lead.closed"),
        *_rows(REVENUE, "customer/customer", CustomerWon, "customer.won"),
        *_rows(REVENUE, "customer/customer", Order, "order.placed", "order.returned"),
        *_rows(
            REVENUE,
            "customer/customer",
            Subscription,
            "subscription.started",
            "subscription.changed",
            "subscription.cancelled",
        ),
        *_rows(REVENUE, "customer/customer", Invoice, "invoice.paid", "invoice.payment_failed"),
        *_rows(REVENUE, "", CostRecorded, "cost.recorded"),
        *_rows(REVENUE, "", SurveyAnswered, "survey.answered"),
        *_rows(REVENUE, "", Web, "web.visited", "web.impression", "web.clicked"),
        *_rows(REFERENCE, "", RepDefined, "rep.defined"),
        *_rows(REFERENCE, "", TeamDefined, "team.defined"),
        *_rows(REFERENCE, "", Target, "target.set", "threshold.set"),
        *_rows(REFERENCE, "", StageDefined, "stage.defined"),
        *_rows(REFERENCE, "", FxRate, "fx.rate"),
    ]
}


def _envelope(row: EventType) -> type[Event]:
    name = "".join(part.capitalize() for part in row.name.replace(".", "_").split("_")) + "Event"
    return cast(
        type[Event],
        msgspec.defstruct(
            name,
            [("data", row.data)],
            bases=(Event,),
            namespace={"type": row.name},
            tag_field="type",
            tag=row.name,
            kw_only=True,
            omit_defaults=True,
            module=__name__,
        ),
    )


ENVELOPES: dict[str, type[Event]] = {row.name: _envelope(row) for row in EVENTS.values()}


def decoder(*topics: str) -> msgspec.json.Decoder[Event]:
    """Typed decoder for the event types of `topics` (one tagged union, one pass)."""
    kinds = tuple(ENVELOPES[row.name] for row in EVENTS.values() if row.topic in topics)
    return msgspec.json.Decoder(Union[kinds])  # noqa: UP007 (a tuple of types)


def to_ms(instant: datetime) -> int:
    """Epoch milliseconds (UTC) of an aware datetime, rounded down."""
    return math.floor(instant.timestamp()) * 1000 + instant.microsecond // 1000


def subject_error(event: Event) -> str | None:
    """What is wrong with the event's subject, or None: it must name the entity that its data names."""
    if event.partitionkey is not None and event.partitionkey != event.subject:
        return "`$.partitionkey`: expected the value of `subject`"
    family, *fields = _SUBJECTS[event.type]
    if not family:
        return None
    expected = f"{family}/{getattr(event.data, fields[0])}" if fields else family
    for field in fields[1:]:
        expected += f"/{getattr(event.data, field)}"
    if fields and event.subject == expected:
        return None
    if not fields and event.subject.startswith(f"{family}/") and len(event.subject) > len(family) + 1:
        return None
    return f"`$.subject`: expected `{expected}`" + ("" if fields else " and an id, as `/<id>`")


_SUBJECTS = {row.name: row.subject.split("/") for row in EVENTS.values()}


def schema(name: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of one event type."""
    row = EVENTS[name]
    body = msgspec.json.schema(ENVELOPES[name])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:streamproc:event:{name}",
        "title": name,
        "description": f"Kafka topic {row.topic}, subject {row.subject}",
        **body,
    }
