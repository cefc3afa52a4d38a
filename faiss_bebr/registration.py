"""`register`: FAISS's own functions and classes know this package's types.

FAISS's Python functions look up the compiled ones at each call, so replacing
those reaches names that were imported earlier too. Attributes that are indexes
are properties bound to compiled getters, so these are replaced in the classes.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import faiss

from faiss_bebr import index_io, stock, swigfaiss_bebr
from faiss_bebr._variant import _swigfaiss_bebr
from faiss_bebr.factory import index_binary_factory, index_factory
from faiss_bebr.index_io.containers import contains_own
from faiss_bebr.index_io.domains import DOMAINS, domain_of

_ABSENT = object()

# compiled functions that give a part of an index, which FAISS does not name by
# our classes
_PART_FUNCTIONS = (
    "extract_index_ivf",
    "try_extract_index_ivf",
    "ThreadedIndexBase_at",
    "ThreadedIndexBaseBinary_at",
    "VectorTransformVector_at",
)
# what FAISS calls a part of a class that it does not know
_GENERAL_CLASSES = (
    faiss.Index,
    faiss.IndexBinary,
    faiss.IndexIVF,
    faiss.VectorTransform,
)
_PART_TYPES = {
    "faiss::Index *",
    "faiss::IndexBinary *",
    "faiss::IndexIVF *",
    "faiss::VectorTransform *",
}
_GPU_FUNCTIONS = (
    "index_cpu_to_all_gpus",
    "index_cpu_to_gpu_multiple_py",
    "index_cpu_to_gpus_list",
)


class _Replacement(NamedTuple):
    """An attribute of a module or a class."""

    holder: Any
    name: str
    before: Any
    after: Any

    def apply(self) -> None:
        setattr(self.holder, self.name, self.after)

    def undo(self) -> None:
        """Not if somebody else has put another thing there, who may need it."""
        if vars(self.holder).get(self.name) is not self.after:
            return
        if self.before is _ABSENT:
            delattr(self.holder, self.name)
        else:
            setattr(self.holder, self.name, self.before)


_lock = threading.RLock()
_replacements: list[_Replacement] = []


def register() -> None:
    """Let FAISS's own functions know the types of this package.

    For pipelines that only know `faiss`: `faiss.index_factory`,
    `faiss.read_index`, `faiss.write_index`, `faiss.clone_index`,
    `faiss.downcast_index`, their kin, pickle and copy.deepcopy of indexes then
    take and give these types, also where they were imported by name before.
    Attributes such as `IndexPreTransform.index` are of their real class;
    `faiss.ParameterSpace` and `faiss.contrib.factory_tools` know the types; and
    the classes are attributes of `faiss`. A second call does nothing.
    """
    with _lock:
        if _replacements:
            return
        try:
            for holder, name, after in list(_plan()):
                before = vars(holder).get(name, _ABSENT)
                replacement = _Replacement(holder, name, before, after)
                replacement.apply()
                _replacements.append(replacement)
            _handle_torch()
        except BaseException:
            unregister()
            raise


def unregister() -> None:
    """Undo `register`. What other packages have replaced since stays theirs."""
    with _lock:
        while _replacements:
            _replacements.pop().undo()


def _own_classes() -> list[type]:
    """The public indexes, transforms and search parameters of this package."""
    import faiss_bebr

    public = [getattr(faiss_bebr, name) for name in faiss_bebr.__all__]
    families = (*(domain.base for domain in DOMAINS), faiss.SearchParameters)
    return [c for c in public if inspect.isclass(c) and issubclass(c, families)]


def _plan() -> Iterator[tuple[Any, str, Any]]:
    """What is replaced: module or class, name of the attribute, new value."""
    native = stock.native
    yield native, "index_factory", index_factory
    yield native, "index_binary_factory", index_binary_factory
    for name in index_io.__all__:
        if hasattr(native, name):
            yield native, name, getattr(index_io, name)
    for name in _PART_FUNCTIONS:
        yield native, name, _give_own_class(getattr(native, name))
    for the_class, name, attribute in _find_part_attributes():
        getter = _give_own_class(attribute.fget)
        changed = property(getter, attribute.fset, attribute.fdel, attribute.__doc__)
        yield the_class, name, changed
    # objects of the class that was imported earlier are of ours inside too
    yield native, "new_ParameterSpace", _swigfaiss_bebr.new_ParameterSpace
    for module in (faiss, faiss.swigfaiss):
        yield module, "ParameterSpace", swigfaiss_bebr.ParameterSpace
        for the_class in _own_classes():
            yield module, the_class.__name__, the_class
    for name in _GPU_FUNCTIONS:
        for module in (faiss, faiss.gpu_wrappers):
            yield module, name, _refuse_own_types(getattr(module, name))
    # here, as importing this package does not import faiss.contrib
    from faiss_bebr import factory_tools

    yield from factory_tools.replacements()


def _find_part_attributes() -> Iterator[tuple[type, str, property]]:
    """The properties of FAISS's classes and ours that are indexes or transforms.

    The compiled setters say what they take when they are given something else.
    """
    names = vars(faiss.swigfaiss) | vars(swigfaiss_bebr)
    for the_class in set(filter(inspect.isclass, names.values())):
        for name, attribute in vars(the_class).items():
            if (
                isinstance(attribute, property)
                and inspect.isbuiltin(attribute.fset)
                and _type_of_attribute(attribute.fset) in _PART_TYPES
            ):
                yield the_class, name, attribute


def _type_of_attribute(setter: Callable[[Any, Any], None]) -> str:
    """The C++ type that a SWIG setter takes, or ""."""
    try:
        setter(None, object())
    except TypeError as error:
        match = re.search("argument 2 of type '(.*)'", str(error))
        return match[1] if match else ""
    return ""


def _give_own_class(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose result is of our class if it is of ours."""

    def replacement(*args: Any) -> Any:
        part = function(*args)
        if type(part) not in _GENERAL_CLASSES:
            return part
        own = domain_of(part).find_own(part)
        return part if own is None else own

    return replacement


def _refuse_own_types(function: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def replacement(*args: Any, **kwargs: Any) -> Any:
        arguments = signature.bind(*args, **kwargs).arguments
        if contains_own(arguments["index"]):
            raise RuntimeError(
                "indexes with types of faiss_bebr inside cannot be copied to a GPU: "
                "search them on the CPU"
            )
        return function(*args, **kwargs)

    return replacement


def _handle_torch() -> None:
    """Let our classes take tensors if FAISS's own do already.

    `faiss.contrib.torch_utils` handles the classes that it finds when it is
    imported.
    """
    torch_utils: ModuleType | None = sys.modules.get("faiss.contrib.torch_utils")
    if torch_utils is None:
        return
    for the_class in _own_classes():
        if not issubclass(the_class, faiss.Index):
            continue
        before = dict(vars(the_class))
        torch_utils.handle_torch_Index(the_class)
        for name, after in dict(vars(the_class)).items():
            if before.get(name, _ABSENT) is not after:
                _replacements.append(
                    _Replacement(the_class, name, before.get(name, _ABSENT), after)
                )
