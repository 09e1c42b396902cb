"""Marks for single rows of a table of parameters."""

import pytest


def wrong_on_real(reason: str, *values, name=None):
    """A row that kodosumi's own server fails, and must go on failing."""
    return pytest.param(*values, marks=pytest.mark.real_deviates(reason), id=name)
