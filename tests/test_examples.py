"""The examples run as they stand; tests/test_evaluate.py has the one that needs an Inception."""

import re

import pytest
from conftest import example

pytestmark = pytest.mark.slow


@pytest.mark.long
def test_the_layer_in_a_classifier_learns():
    right = re.search(r"([01]\.\d+) of the held-out digits are right", example("classifier.py", "--steps", 300))
    assert float(right[1]) > 0.6, "chance is 0.1"
