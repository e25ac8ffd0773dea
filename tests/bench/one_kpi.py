"""A worker with one KPI by rep only, as other systems are asked to compute one: arguments as of `streamproc`."""

from __future__ import annotations

from dataclasses import replace

from streamproc import app
from streamproc.cli import main
from streamproc.ingest.kpis_file import full_catalogue
from streamproc.kpis.kpi import Catalogue


def only_calls(currency: str, path: str = "") -> Catalogue:
    return Catalogue((replace(full_catalogue(currency, path)["calls"], by=("rep",)),))


if __name__ == "__main__":
    app.full_catalogue = only_calls
    app.Worker._page = lambda _: (None, None)  # shows KPIs that are not there
    main()
