"""Reject options that would have no effect beside others."""

from collections.abc import Mapping

from packlight.errors import PacklightError


def refuse(given: Mapping[str, object], why: str) -> None:
    """Reject the first option that is set.

    Args:
        given: values by the options' names; None, False and an empty list stand for an option that is not set.
        why: what the option is for, and what to do. It follows the option's name.

    Raises:
        PacklightError: if an option is set.
    """
    for name, value in given.items():
        if value is not None and value is not False and value != []:
            raise PacklightError(f"{name} {why}")
