"""YAML files read strictly and validated, with errors that name the key and the nearest match."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from nasbase.errors import ConfigError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice; plain YAML keeps the last one silently."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Here keys are still as written; merge keys (`<<`) are resolved later and may override.
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.composer.ComposerError(
                    None, None, f"key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return node


def load_yaml(path: Path) -> Any:
    """Content of a YAML file; None if it is empty.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not YAML or gives a key twice.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            return yaml.load(stream, _StrictLoader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise ConfigError(
            "A configuration file cannot be read.", where=path, found=error.strerror
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        found = " ".join(str(error).split())
        raise ConfigError("A configuration file is not valid YAML.", where=path, found=found) from (
            error
        )


def validate(document: Any, schema: Mapping[str, Any], file: Path) -> None:
    """Check a document against a JSON schema.

    Parameters
    ----------
    document
        What `load_yaml` returned.
    schema
        A JSON schema, draft 2020-12.
    file
        Where the document stands, for messages.

    Raises
    ------
    ConfigError
        For the first offence: its key, the file, what is allowed, the nearest match.
    """
    from jsonschema import Draft202012Validator

    refuse_keys_that_are_no_text(document, file)
    errors = sorted(
        Draft202012Validator(schema).iter_errors(document),
        # A misspelt key explains why the right one is missing: it comes first.
        key=lambda e: ([str(s) for s in e.absolute_path], e.validator != "additionalProperties"),
    )
    if errors:
        raise _explain(errors[0], file)


def nearest(word: str, words: Iterable[str]) -> str | None:
    """A question that offers the most similar word, or None if none is similar."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else None


def refuse_keys_that_are_no_text(document: Any, file: Path, path: tuple[str, ...] = ()) -> None:
    """YAML reads a bare ``1.0:`` as a number; releases are text (``"1.0":``)."""
    if isinstance(document, list):
        for i, item in enumerate(document):
            refuse_keys_that_are_no_text(item, file, (*path, str(i)))
    if not isinstance(document, dict):
        return
    for key, value in document.items():
        if not isinstance(key, str):
            raise ConfigError(
                f"The key {key!r} is a {type(key).__name__}, not text.",
                where=_where(file, path),
                expected="text",
                found=repr(key),
                todo=f'Put it into quotes: "{key}":',
            )
        refuse_keys_that_are_no_text(value, file, (*path, key))


def _where(file: Path, path: Iterable[Any]) -> str:
    keys = "/".join(str(step) for step in path)
    return f"{file}, at {keys}" if keys else str(file)


def _explain(error: ValidationError, file: Path) -> ConfigError:
    """One offence in the words of the file's author."""
    where = _where(file, error.absolute_path)
    schema: Any = error.schema
    rule: Any = error.validator_value
    given: Any = error.instance
    if error.validator == "additionalProperties":
        allowed = list(schema.get("properties", ()))
        patterns = list(schema.get("patternProperties", ()))
        fits = {*allowed, *(k for k in given for p in patterns if re.search(p, k))}
        key = next(k for k in given if k not in fits)
        return ConfigError(
            f"There is no key {key!r} here.",
            where=where,
            expected=", ".join([*allowed, *(f"a name like {p}" for p in patterns)]),
            found=repr(key),
            todo=nearest(key, allowed),
        )
    if error.validator == "enum":
        allowed = ["null" if v is None else str(v) for v in rule]
        return ConfigError(
            "A value is none of those allowed.",
            where=where,
            expected=", ".join(allowed),
            found=repr(given),
            todo=nearest(str(given), allowed),
        )
    if error.validator == "required":
        missing = [k for k in rule if k not in given]
        return ConfigError(
            f"The key {missing[0]!r} is missing.",
            where=where,
            expected=", ".join(schema["properties"]),
            found=", ".join(given) or "nothing",
        )
    text_meant = error.validator == "type" and "string" in rule
    hint = "If it is meant as text, put it into quotes." if text_meant else None
    expected = f"{error.validator} {rule}"
    return ConfigError(
        "A value has the wrong form.",
        where=where,
        expected=schema.get("description", expected) + f" ({expected})",
        found=repr(given),
        todo=hint,
    )
