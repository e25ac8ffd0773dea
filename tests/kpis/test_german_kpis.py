"""Every KPI says in German, too, what it means."""

from __future__ import annotations

import pytest

from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.catalogue.german import MEANS, means_de
from streamproc.kpis.kpi import Kpi


@pytest.mark.parametrize("kpi", catalogue("CHF").kpis, ids=lambda kpi: kpi.name)
def test_every_kpi_is_explained_in_german(kpi: Kpi) -> None:
    assert kpi.means_de.endswith("."), f"{kpi.name}: expected a sentence in kpis/catalogue/german.py"
    assert kpi.means_de != kpi.means
    assert "{" not in kpi.means_de


def test_quantiles_and_currencies_have_names_of_their_own() -> None:
    found = means_de("chf")
    assert found["email_response_p90_seconds"].startswith("90 % der ersten Antworten")
    assert "revenue_chf" in found
    assert "revenue_eur" not in found
    assert len(found) == len(MEANS) + sum("{q}" in name for name in MEANS)
