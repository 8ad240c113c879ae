"""200 SIGKILLs of runtime, companion and both, while four threads allocate and write. The 10,000 of
the bench: storm.py.
"""

import pytest
from storm import storm


@pytest.mark.slow
def test_a_storm_of_kills_loses_and_repeats_nothing(local_lambda, root):
    result = storm(local_lambda, root, kills=200, seed=7)
    assert sum(result["kills"].values()) == 200
    assert result["answered"] > 50
    assert (result["lost"], result["twice"], result["wrong_ids"]) == ([], [], []), result
    assert result["records"] >= result["answered"]
