"""What is defined of the stages of deals."""

from __future__ import annotations

from dataclasses import dataclass, field

from oracle.dims import Row


@dataclass
class Stages:
    """stage.defined by (pipeline, stage); the last definition holds, the first one gives the position."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        key = (row["pipeline"], row["stage"])
        position = sum(pipeline == row["pipeline"] for pipeline, _ in self.rows)
        self.rows[key] = {**row, "position": self.rows[key]["position"] if key in self.rows else position}

    def order(self, pipeline: str, stage: str) -> int | None:
        row = self.rows.get((pipeline, stage))
        return None if row is None else row["position"] if row["order"] is None else row["order"]

    def probability(self, pipeline: str, stage: str | None, told: float | None) -> float:
        defined = self.rows.get((pipeline, stage or ""), {}).get("probability")
        return next((p for p in (defined, told) if p is not None), 0.5)

    def decision(self, pipeline: str, stage: str | None) -> str | None:
        row = self.rows.get((pipeline, stage or ""), {})
        return "won" if row.get("is_won") else "lost" if row.get("is_lost") else None

    def is_opportunity(self, pipeline: str, stage: str | None) -> bool:
        marked = {name for (of, name), row in self.rows.items() if of == pipeline and row["qualified"]}
        return not marked or stage in marked
