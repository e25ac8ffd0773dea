"""What the data of each canonical event holds: one struct per shape. `events.py` says which type has which."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

Id = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Text = Annotated[str, Meta(max_length=4096)]
# Up to 1e11 with four decimals has at most 15 significant digits, so the float's shortest decimal is the sender's.
Money = Annotated[float, Meta(ge=-1e11, le=1e11)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Amount0 = Annotated[float, Meta(ge=0, le=1e11)]
Seconds = Annotated[float, Meta(ge=0, le=1e10)]
Share = Annotated[float, Meta(ge=0, le=1)]
Instant = Annotated[datetime, Meta(tz=True)]
Channel = Literal["phone", "email", "linkedin", "video", "chat", "web", "in_person", "other"]


class Dims(Struct, kw_only=True, omit_defaults=True, gc=False):
    """Dimensions that the data of any event may carry."""

    rep: Id | None = None
    team: Name | None = None
    region: Name | None = None
    product: Name | None = None
    channel: Channel | None = None
    campaign: Name | None = None
    partner: Name | None = None
    lead_source: Name | None = None
    account: Name | None = None
    segment: Name | None = None
    variant: Name | None = None


class CallLogged(Dims, kw_only=True):
    rep: Id
    direction: Literal["inbound", "outbound"] | None = None
    outcome: Literal["connected", "no_answer", "busy", "voicemail", "failed"] | None = None
    duration_s: Seconds | None = None
    kind: Literal["cold", "follow_up", "demo", "onboarding"] | None = None
    contact: Id | None = None
    lead: Id | None = None
    deal: Id | None = None


class Meeting(Dims, kw_only=True):
    meeting_id: Id
    medium: Literal["video", "in_person", "phone"] | None = None
    kind: Literal["demo", "onboarding", "discovery", "other"] | None = None
    contact: Id | None = None
    lead: Id | None = None
    deal: Id | None = None


class Message(Dims, kw_only=True):
    message_id: Id
    channel: Channel
    contact: Id | None = None
    lead: Id | None = None


class Webinar(Dims, kw_only=True):
    webinar_id: Id
    contact: Id


class ResearchLogged(Dims, kw_only=True):
    rep: Id
    duration_s: Seconds


class LeadCreated(Dims, kw_only=True):
    lead: Id
    stage: Name | None = None


class LeadStageChanged(Dims, kw_only=True):
    lead: Id
    stage: Name
    previous_stage: Name | None = None


class LeadChanged(Dims, kw_only=True):
    lead: Id
    deal: Id | None = None


class DealData(Dims, kw_only=True):
    """What every deal event may say; a dimension or attribute holds from the event's time on."""

    deal: Id
    amount: Money | None = None
    currency: Currency | None = None
    pipeline: Name | None = None
    stage: Name | None = None
    probability: Share | None = None
    first_contact_at: Instant | None = None
    lead: Id | None = None
    customer: Id | None = None


class DealCreated(DealData, kw_only=True):
    amount: Money
    currency: Currency


class DealStageChanged(DealData, kw_only=True):
    stage: Name
    previous_stage: Name | None = None


class DealUpdated(DealData, kw_only=True):
    pass


class DealWon(DealData, kw_only=True):
    direct_cost: Money | None = None
    new_customer: bool | None = None


class DealEnded(DealData, kw_only=True):
    reason: Text | None = None


class QuoteSent(DealData, kw_only=True):
    quote: Id


class Email(Dims, kw_only=True):
    message_id: Id
    recipient: Id | None = None
    thread: Id | None = None
    lead: Id | None = None


class EmailBounced(Email, kw_only=True):
    bounce_type: Literal["hard", "soft"] | None = None


class EmailOpened(Email, kw_only=True):
    machine: bool = False


class EmailClicked(Email, kw_only=True):
    url: Text | None = None
    machine: bool = False


class PartnerLead(Dims, kw_only=True):
    lead: Id
    partner: Name


class LeadFeedback(PartnerLead, kw_only=True):
    rating: float | None = None
    text_present: bool | None = None


class LeadClosed(PartnerLead, kw_only=True):
    outcome: Literal["won", "lost"] | None = None
    amount: Money | None = None
    currency: Currency | None = None


class CustomerWon(Dims, kw_only=True):
    customer: Id
    deal: Id | None = None
    order: Id | None = None


class Order(Dims, kw_only=True):
    order: Id
    customer: Id
    amount: Money | None = None
    currency: Currency | None = None
    direct_cost: Money | None = None


class Subscription(Dims, kw_only=True):
    subscription: Id
    customer: Id
    mrr: Amount0 | None = None
    currency: Currency | None = None


class Invoice(Dims, kw_only=True):
    invoice: Id
    customer: Id
    amount: Money | None = None
    currency: Currency | None = None


class CostRecorded(Dims, kw_only=True):
    amount: Money
    currency: Currency
    kind: Literal["campaign", "sales", "marketing", "other"] | None = None
    period: Name | None = None


class SurveyAnswered(Dims, kw_only=True):
    survey: Literal["nps", "csat", "enps"]
    score: float
    scale: float | None = None
    customer: Id | None = None


class Web(Dims, kw_only=True):
    page: Name | None = None
    count: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1


class RepDefined(Struct, kw_only=True, omit_defaults=True):
    rep: Id
    name: Name | None = None
    team: Name | None = None
    region: Name | None = None
    active: bool = True
    valid_from: Instant | None = None


class TeamDefined(Struct, kw_only=True, omit_defaults=True):
    team: Name
    name: Name | None = None
    region: Name | None = None
    active: bool = True
    valid_from: Instant | None = None


class Target(Struct, kw_only=True, omit_defaults=True):
    kpi: Name
    group: dict[str, str] = {}
    window: Name | None = None
    period: Name | None = None
    value: float | None = None
    warning: float | None = None
    critical: float | None = None
    clear: float | None = None
    min_samples: Annotated[int, Meta(ge=0)] | None = None
    valid_from: Instant | None = None


class StageDefined(Struct, kw_only=True, omit_defaults=True):
    stage: Name
    pipeline: Name = "default"
    order: int | None = None
    probability: Share | None = None
    is_won: bool = False
    is_lost: bool = False
    qualified: bool = False


class FxRate(Struct, kw_only=True, omit_defaults=True):
    """`rate` = units of the reporting currency for one unit of `currency`, from `valid_from` on."""

    currency: Currency
    rate: Annotated[float, Meta(gt=0, le=1e9)]
    valid_from: Instant | None = None
