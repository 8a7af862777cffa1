"""The signatures that `help()` and notebooks show for the methods of the clients."""

import inspect
from collections.abc import Callable, Iterator
from inspect import Parameter, Signature
from typing import Any, get_args, get_type_hints


class _LeftOut:
    """Stands for an optional argument's default: without the argument, nothing is sent."""

    def __repr__(self) -> str:
        return "..."


LEFT_OUT = _LeftOut()


def method_signature(build: Callable[..., Any]) -> Signature:
    """The signature of a method that sends the call which ``build`` returns.

    It has ``self``, each keyword of an unpacked `TypedDict` by name, and the type of the answer in place of the call's.
    """
    hints = get_type_hints(build)
    (answer,) = get_args(hints["return"])
    parameters = [Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)]
    for parameter in inspect.signature(build).parameters.values():
        if parameter.kind is Parameter.VAR_KEYWORD:
            parameters += _keywords(hints[parameter.name])
        else:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
    return Signature(parameters, return_annotation=None if answer is type(None) else answer)


def _keywords(unpacked: object) -> Iterator[Parameter]:
    (fields,) = get_args(unpacked)
    for name, kind in get_type_hints(fields).items():
        yield Parameter(name, Parameter.KEYWORD_ONLY, default=LEFT_OUT, annotation=kind)
