"""The examples in the documentation run, and what is public is documented."""

from __future__ import annotations

import doctest
import inspect
from typing import Any

import pytest

import twinfs
import twinfs.aiofs.sync
from twinfs import _async_binary, _async_text, _filesystem, _sync_binary, _sync_text, aiofs

FLAGS = doctest.ELLIPSIS
MODULES = (
    *(twinfs, twinfs.errors, _filesystem),
    *(_sync_binary, _sync_text, _async_binary, _async_text),
    *(aiofs, aiofs._asynchronous, aiofs.sync, aiofs.sync._synchronous),
)


def examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    parser = doctest.DocTestParser()
    found: list[doctest.DocTest] = []
    for module in MODULES:
        found += finder.find(module, module.__name__)
    # A compiled method is not looked at by the finder.
    for name, method in inspect.getmembers(twinfs.SyncFileSystem):
        text = inspect.getdoc(method)
        if not name.startswith("__") and text and not inspect.isfunction(method):
            found.append(parser.get_doctest(text, {}, f"SyncFileSystem.{name}", None, None))
    unique = {test.name: test for test in found if test.examples}
    return list(unique.values())


@pytest.mark.parametrize("test", examples(), ids=lambda test: test.name)
def test_example(test: doctest.DocTest) -> None:
    test.globs.update(twinfs=twinfs, fs=twinfs.SyncFileSystem("memory://"))
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test)
    assert result.failed == 0


def public() -> list[tuple[str, Any]]:
    kinds = [kind for kind in vars(twinfs).values() if inspect.isclass(kind)]
    named = [("twinfs", twinfs), ("twinfs.errors", twinfs.errors)]
    named += [(kind.__name__, kind) for kind in kinds]
    own = (
        (f"{kind.__name__}.{name}", member)
        for kind in kinds
        for base in kind.__mro__
        for name, member in vars(base).items()
        if not name.startswith("_") and base.__module__.startswith("twinfs")
    )
    return named + [(name, member) for name, member in own if callable(member)]


@pytest.mark.parametrize("member", public(), ids=lambda member: member[0])
def test_what_is_public_says_what_it_is(member: tuple[str, Any]) -> None:
    assert inspect.getdoc(member[1])


@pytest.mark.parametrize("kind", [twinfs.SyncFileSystem, twinfs.AsyncFileSystem])
def test_every_method_has_a_signature(kind: type) -> None:
    for name, method in inspect.getmembers(kind, callable):
        if not name.startswith("_"):
            assert next(iter(inspect.signature(method).parameters)) == "self"


def test_both_faces_have_the_same_methods() -> None:
    sync, asynchronous = (
        {
            name: str(inspect.signature(method)).split(" -> ")[0]
            for name, method in inspect.getmembers(kind, callable)
            if not name.startswith("_")
        }
        for kind in (twinfs.SyncFileSystem, twinfs.AsyncFileSystem)
    )
    assert sync == asynchronous
