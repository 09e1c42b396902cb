"""The exceptions and the table they come from."""

from __future__ import annotations

import builtins
import errno
import io
import pickle

import pytest

from twinfs import SyncFileSystem, TwinfsError, _twinfs, errors

SPECIAL = {
    "UnsupportedOperation": (io.UnsupportedOperation,),
    "Closed": (RuntimeError, ValueError),
}


@pytest.mark.parametrize("row", _twinfs._mapping_table(), ids=lambda row: row[0])
def test_each_row_of_the_table_has_its_class(row: tuple[str, str, str, bool]) -> None:
    name, built_in, _, _ = row
    kind = getattr(errors, name)
    assert issubclass(kind, TwinfsError)
    if name == "ConditionFailed":
        assert issubclass(errors.AbsenceConditionFailed, (kind, FileExistsError))
        assert issubclass(errors.VersionConditionFailed, (kind, BlockingIOError))
        return
    for expected in SPECIAL.get(built_in) or (getattr(builtins, built_in),):
        assert issubclass(kind, expected)


def test_what_an_error_says() -> None:
    fs = SyncFileSystem("memory://")
    with pytest.raises(FileNotFoundError) as caught:
        fs.read("no/such")
    error = caught.value
    assert isinstance(error, errors.NotFound)
    assert (error.errno, error.filename) == (errno.ENOENT, "no/such")
    assert (error.kind, error.operation, error.path) == ("not found", "read", "no/such")
    assert (error.store, error.retryable) == ("memory", False)
    assert str(error) == "read 'no/such' [memory]: not found"


def test_an_error_travels() -> None:
    fs = SyncFileSystem("memory://")
    fs.write("a", b"")
    for call in (
        lambda: fs.read("no/such"),
        lambda: fs.read("../x"),
        lambda: fs.write("a", b"", if_absent=True),
        lambda: fs.open("a", "zb"),
    ):
        with pytest.raises(TwinfsError) as caught:
            call()
        again = pickle.loads(pickle.dumps(caught.value))
        assert type(again) is type(caught.value)
        assert str(again) == str(caught.value)
        assert vars(again) == vars(caught.value)


def test_exceptions_can_be_made_by_hand() -> None:
    assert str(errors.Closed("why")) == "why"
    assert errors.NotFound(2, "gone", "a").filename == "a"
    assert errors.Closed().retryable is False
