"""200 SIGKILLs of runtime, companion and both, while four threads allocate and write. The 10,000 of
the bench: storm.py.
"""

import pytest
from storm import MUST_BE_EMPTY, storm


@pytest.mark.slow
@pytest.mark.alone  # how many invocations are answered before the kill depends on the machine's load
def test_a_storm_of_kills_loses_and_repeats_nothing(local_lambda):
    result = storm(local_lambda, kills=200, seed=7)
    assert sum(result["kills"].values()) == 200
    assert result["answered"] > 50
    assert not any(result[name] for name in MUST_BE_EMPTY), result
    assert result["records"] >= result["answered"]
