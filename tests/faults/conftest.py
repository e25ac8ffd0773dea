"""One broker for the trials of this folder: they stop it, kill it and change its topics, so it is not everybody's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.site import Site
from streamproc.bus.embedded import is_available

SIZE = 0.3  # of the full suite's histories


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if not is_available():
        pytest.skip("embedded Kafka not installed: pip install 'streamproc[embedded]'")
    folder: Path = tmp_path_factory.mktemp("faults")
    with Site(folder, SIZE) as site:
        yield site
