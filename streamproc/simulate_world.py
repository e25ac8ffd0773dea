"""The simulated organisation's people, things and dice: what the lives of `simulate_lives` draw from."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import cycle
from math import exp
from random import Random
from typing import Any, NamedTuple, TypeVar

# Regions with the currencies their deals are in, and FX in euros for one unit.
REGIONS = {"dach": ("EUR", "EUR", "CHF"), "uk": ("GBP",), "fr": ("EUR",), "nordics": ("EUR",), "us": ("USD",)}
TEAMS = {"dach-1": "dach", "dach-2": "dach", "uk-1": "uk", "fr-1": "fr", "nordics-1": "nordics", "us-1": "us"}
FX = {"EUR": 1.0, "USD": 0.92, "GBP": 1.17, "CHF": 1.04}
STAGES = (("Prospecting", 0.1), ("Qualified", 0.3), ("Proposal", 0.5), ("Negotiation", 0.75))

CAMPAIGNS = ("spring-launch", "q3-outbound", "q4-outbound", "trade-fair", "win-back", "newsletter")
PRODUCTS = ("starter", "team", "business", "enterprise", "add-on", "training")
LEAD_SOURCES = ("web", "referral", "trade_fair", "outbound", "webinar", "linkedin")
SEGMENTS = ("manufacturing", "software", "finance", "health", "retail", "logistics")
PARTNERS = ("nordwind", "alpenblick", "hansa-it", "cloudwerk", "datenhaus", "bluebridge")
PAGES = ("/home", "/pricing", "/product", "/demo", "/blog", "/contact", "/customers", "/docs")

MINUTE_S, HOUR_S, DAY_S = 60.0, 3_600.0, 86_400.0

# One step of a life: seconds to wait, then type, subject and data of the event that happens.
Step = tuple[float, str, str, dict[str, Any]]
Story = Iterator[Step]
T = TypeVar("T")

# How a life is counted against the cap of lives: hours, weeks, or weeks and open to be pushed.
QUICK, SLOW, DEAL = 0, 1, 2


class Rep(NamedTuple):
    id: str
    team: str
    region: str
    skill: float  # 1 is average; scales answers, wins and meetings held


class Contact(NamedTuple):
    id: str
    account: str
    segment: str


class Customer(NamedTuple):
    id: str
    account: str
    segment: str
    currency: str


class World:
    """Who and what there is, the simulated time, and the dice. One seed gives one world and one series of throws."""

    def __init__(self, seed: int, start_ms: int, reps: int) -> None:
        self.rng = Random(seed)
        self.random = self.rng.random
        self.now_ms = start_ms
        # In every id, so that two runs into the same topics never share an entity or an event.
        self.tag = f"{seed}-{start_ms // 1000:x}"
        self.newborn: list[tuple[Story, int]] = []
        self.reps = [self._rep(n) for n in range(reps)]
        busy = [rep for rep in self.reps for _ in range(self.rng.randint(3, 10))]
        # What every event needs is dealt from decks. Their sizes are primes, so that they do not keep step.
        self.rep = self._deck([self.pick(busy) for _ in range(4_999)])
        self.contact = self._deck(self._contacts(accounts=400, each=20)[:7_993])
        self.campaign = self._deck([self.pick(CAMPAIGNS) for _ in range(2_003)])
        self.product = self._deck([self.pick(PRODUCTS) for _ in range(1_999)])
        self.normal = self._deck([self.rng.gauss(0.0, 1.0) for _ in range(20_011)])
        self.customers: list[Customer] = []
        self.appeal = {name: self.rng.uniform(0.8, 1.2) for name in (*CAMPAIGNS, *PARTNERS)}
        self._ids = 0

    def _rep(self, n: int) -> Rep:
        team = list(TEAMS)[n % len(TEAMS)]
        return Rep(f"rep-{n + 1:03d}", team, TEAMS[team], self.rng.triangular(0.6, 1.5, 0.95))

    def _contacts(self, accounts: int, each: int) -> list[Contact]:
        """Contacts look like the pseudonyms of real ones: 16 bytes in base32."""
        found = []
        for n in range(accounts):
            segment = self.pick(SEGMENTS)
            for _ in range(each):
                pseudonym = b32encode(self.rng.randbytes(16)).decode().rstrip("=")
                found.append(Contact(pseudonym, f"account-{n + 1:03d}", segment))
        return found

    def _deck(self, cards: list[T]) -> Callable[[], T]:
        """A function that deals the cards, shuffled once, over and over: far cheaper than a throw for each."""
        self.rng.shuffle(cards)
        return cycle(cards).__next__

    def begin(self, story: Story, kind: int = QUICK) -> None:
        """Let a further life begin; the organisation takes it from `newborn`."""
        self.newborn.append((story, kind))

    def id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}{self._ids}-{self.tag}"

    def pick(self, things: list[T] | tuple[T, ...]) -> T:
        return things[int(self.random() * len(things))]

    def chance(self, share: float) -> bool:
        return self.random() < share

    def tail(self, median: float, sigma: float, most: float, least: float = 0.0) -> float:
        """A long-tailed (log-normal) number between `least` and `most`."""
        number = median * exp(sigma * self.normal())
        return most if number > most else least if number < least else number

    def react_s(self, median_s: float, quick: float = 0.5) -> float:
        """Seconds until a person reacts: the share `quick` is at the desk (seconds), the others take their time."""
        if self.random() < quick:
            return self.tail(20.0, 1.0, 600.0, 1.0)
        return self.tail(median_s, 1.3, 5 * DAY_S, 2.0)

    def currency(self, rep: Rep) -> str:
        return self.pick(REGIONS[rep.region])

    def amount(self, currency: str, median_eur: float, least_eur: float, most_eur: float) -> float:
        """A log-normal amount in `currency`, whole tens."""
        return round(self.tail(median_eur, 0.95, most_eur, least_eur) / FX[currency] / 10) * 10.0

    def remember(self, customer: Customer) -> None:
        """Keep some customers for further business; the memory is bounded."""
        if len(self.customers) < 500:
            self.customers.append(customer)
        else:
            self.customers[int(self.random() * 500)] = customer


def instant(time_ms: int) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    second, ms = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(second, UTC).isoformat()[:19]}.{ms:03d}Z"


def reference(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Type, subject and data of the roster, the stages and the exchange rates; no `valid_from`: they always held."""
    teams = {rep.team: rep.region for rep in world.reps}
    for team, region in teams.items():
        yield "team.defined", f"team/{team}", {"team": team, "name": f"Team {team.upper()}", "region": region}
    for rep in world.reps:
        yield "rep.defined", f"rep/{rep.id}", {"rep": rep.id, "team": rep.team, "region": rep.region}
    for order, (stage, probability) in enumerate(STAGES, start=1):
        data = {"stage": stage, "pipeline": "default", "order": order, "probability": probability}
        yield "stage.defined", f"stage/default/{stage}", {**data, "qualified": order > 1}
    for currency, rate in FX.items():
        if currency != "EUR":
            yield "fx.rate", f"fx/{currency}", {"currency": currency, "rate": rate}
