"""FAISS's numpy methods for our classes."""

from __future__ import annotations

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
