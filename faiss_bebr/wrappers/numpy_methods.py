"""FAISS's numpy methods for our classes."""

from __future__ import annotations

from typing import Any

from faiss import class_wrappers


def handle_Index(the_class: type) -> None:
    """`class_wrappers.handle_Index`, also after faiss.contrib.torch_utils.

    That changes the methods of the base class; so those that our class inherits
    would be wrapped as if they were compiled ones.
    """
    class_wrappers.handle_Index(the_class)
    for name, method in list(vars(the_class).items()):
        wrapped = getattr(method, "__name__", "")
        if name.endswith("_c") and wrapped.startswith("torch_replacement_"):
            delattr(the_class, name)  # the base class has the compiled one


def refuse_unknown_attributes(the_class: type) -> None:
    """Setting an attribute that the class does not have raises an AttributeError."""
    original_setattr = the_class.__setattr__
    internal = ("this", "thisown", "referenced_objects")

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if name not in internal and not hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        original_setattr(self, name, value)

    setattr(the_class, "__setattr__", __setattr__)  # noqa: B010
