"""Types that a file names by `type`: policies, samplings and distributions, open to those of others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import get_annotations
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, cast

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import core_schema

from automl_vision.core.errors import InvalidValueError, Problem
from automl_vision.core.text import did_you_mean
from automl_vision.core.validation import cause_of, sentence_of

T = TypeVar("T")
S = TypeVar("S")


class Registry(Generic[T]):
    """The types of one kind by their names: a discriminated union that grows when a type is registered.

    As metadata of a pydantic field (`Annotated[Any, REGISTRY]`) it parses the field and describes it in JSON Schema.

    Args:
        noun: what the types are, for messages, such as "policy".
        label: how messages call one of them; `{}` stands for its name.
        default: name of the type when a mapping has no `type`.
        aliases: other names of keys in a mapping.
        suffix: that the name of a type may have, such as "_policy".
        untyped: added to the message on a mapping without `type`.
    """

    def __init__(
        self,
        noun: str,
        *,
        label: str = "{}",
        default: str = "",
        aliases: Mapping[str, str] | None = None,
        suffix: str = "",
        untyped: str = "",
    ) -> None:
        self.noun, self._label, self._default = noun, label, default
        self._aliases, self._suffix, self._untyped = aliases or {}, suffix, untyped
        self._types: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[S]], type[S]]:
        """Class decorator: make the class a frozen pydantic dataclass that a mapping with this `type` stands for.

        Fields that its base classes declare come first.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._types:
            raise ValueError(f'a {self.noun} is named "{name}" already')

        def registered(cls: type[S]) -> type[S]:
            fields: dict[str, Any] = {}
            for base in cls.__mro__[:0:-1]:
                fields |= get_annotations(base, eval_str=True)  # by the names of the base's own module
            fields |= get_annotations(cls)
            cls.__annotations__ = {field: kind for field, kind in fields.items() if field != "type"} | {
                "type": Literal[name]
            }
            cls.type = dataclasses.field(default=name, kw_only=True, repr=False)  # type: ignore[attr-defined]
            made = cast("type[T]", dataclass(frozen=True, config=ConfigDict(extra="forbid"))(cls))
            self._raise_config_error(name, made)
            self._types[name] = made
            return cast("type[S]", made)

        return registered

    def unregister(self, name: str) -> None:
        """Remove a type, such as one that a test registered."""
        del self._types[name]

    @property
    def types(self) -> dict[str, type[T]]:
        """Every type by its name."""
        return dict(self._types)

    def parse(self, value: Any) -> T:
        """An instance from its mapping in a file, such as `{type: bandit, slack_factor: 0.1}`.

        Raises:
            InvalidValueError: the mapping breaks the rules; all mistakes at once.
        """
        if isinstance(value, tuple(self._types.values())):
            return cast("T", value)
        if not isinstance(value, Mapping):
            raise self._error([f"a mapping with type is expected, not {value!r}"])
        given = {self._aliases.get(str(key), str(key)): part for key, part in value.items()}
        name = str(given.pop("type", self._default)).lower().removesuffix(self._suffix)
        if name not in self._types:
            raise self._error([Problem(("type",), self._unknown(name))])
        fields = self._fields(name)
        unknown = [key for key in given if key not in fields]
        problems = [Problem((key,), self._no_field(name, key)) for key in unknown]
        try:  # the known keys alone: pydantic checks no rule between fields beside an unknown key
            parsed = TypeAdapter(self._types[name]).validate_python({k: v for k, v in given.items() if k in fields})
        except ValidationError as error:
            raise self._error(problems + self._problems(name, error)) from None
        if problems:
            raise self._error(problems)
        return parsed

    def to_json(self, value: T) -> dict[str, Any]:
        """The instance as plain values; `parse` reads them."""
        dumped: dict[str, Any] = TypeAdapter(type(value)).dump_python(value, mode="json")
        return dumped

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of a mapping that stands for one of the types."""
        members = tuple(self._types.values())
        union: Any = Annotated[Union[members], Field(discriminator="type")]  # noqa: UP007 - of a tuple of types
        schema = TypeAdapter(union).json_schema()
        definitions = schema.pop("$defs")
        options = [definitions[cls.__name__] for cls in members]
        for option in options:
            option["description"] = option["description"].partition("\n")[0]
            if not self._default:
                option["required"] = ["type", *option.get("required", [])]
        return {"anyOf": options}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Parse the field when it is validated, with the types that there are by then."""
        return core_schema.no_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(self.to_json)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe the types that are registered now."""
        return self.json_schema()

    def _raise_config_error(self, name: str, cls: type[T]) -> None:
        """Let the constructor raise mistakes as an `InvalidValueError`."""
        validating = cls.__init__

        @wraps(validating)
        def init(instance: T, *values: Any, **named: Any) -> None:
            try:
                validating(instance, *values, **named)
            except ValidationError as error:
                raise self._error(self._problems(name, error)) from None

        cls.__init__ = init  # type: ignore[method-assign, assignment]

    def _problems(self, name: str, error: ValidationError) -> list[Problem]:
        found: list[Problem] = []
        fields = self._fields(name)
        for detail in error.errors():
            first, *inner = detail["loc"] or ("",)
            place = fields[first] if isinstance(first, int) else first  # a number: of a positional argument
            path = (place, *inner) if place else ()
            cause = cause_of(detail)
            if cause is not None:
                found += [Problem((*path, *problem.path), problem.sentence) for problem in cause.problems]
            elif detail["type"].startswith("missing"):
                found.append(Problem((), f"{self._label.format(name)} needs {place}"))
            elif detail["type"] == "unexpected_keyword_argument":
                found.append(Problem(path, self._no_field(name, place)))
            else:
                found.append(Problem(path, sentence_of(detail, place)))
        return found

    def _fields(self, name: str) -> list[str]:
        return [field.name for field in dataclasses.fields(self._types[name]) if field.name != "type"]  # type: ignore[arg-type]

    def _no_field(self, name: str, key: str) -> str:
        return f'{self._label.format(name)} has no "{key}".{did_you_mean(key, self._fields(name))}'

    def _unknown(self, name: str) -> str:
        names = tuple(self._types)
        if not name:
            return f"a {self.noun} has a type: {', '.join(names)}{self._untyped}"
        return f'no {self.noun} is named "{name}".{did_you_mean(name, names)} Choose: {", ".join(names)}'

    def _error(self, problems: list[Problem] | list[str]) -> InvalidValueError:
        return InvalidValueError(problems, subject=f"The {self.noun}")
