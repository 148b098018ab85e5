"""XML annotation files, without entities and external references."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from automl_vision.core.errors import DataError
from automl_vision.core.text import suffix_of
from automl_vision.data.annotations import Annotations
from automl_vision.formats.json_file import HEAD_FILES
from automl_vision.formats.source import Source
from automl_vision.formats.text_encoding import decode_text

_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>\s*")


def read_xml(source: Source, path: str) -> Element:
    """The root element of an XML file, without namespaces.

    Raises:
        DataError: it cannot be read, is not XML, or uses entities.
    """
    return source.parsed(path, parse_xml)


def parse_xml(data: bytes, path: str) -> Element:
    """The root element of an XML document, without namespaces.

    A document that is not in the encoding that it declares is read in the one that its bytes show.

    Raises:
        DataError: it is not XML, or uses entities.
    """
    try:
        try:
            root: Element = defusedxml.ElementTree.fromstring(data, forbid_dtd=False)
        except (ParseError, ValueError, LookupError):
            text = _DECLARATION.sub("", decode_text(data, path), count=1)
            root = defusedxml.ElementTree.fromstring(text, forbid_dtd=False)
    except DefusedXmlException as error:
        raise DataError(f"{path} uses XML entities, which are not read ({error})") from None
    except (ParseError, ValueError, RecursionError, LookupError) as error:
        raise DataError(f"{path} is not valid XML ({error})") from None
    if "}" in root.tag:
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
    return root


def xml_files(source: Source) -> list[str]:
    """The XML files; where none has the suffix, those without any, as of Stanford Dogs, which may be XML too."""
    return source.with_suffix(".xml") or source.with_suffix("")


def has_documents(source: Source, tag: str, *children: str) -> bool:
    """Whether one of the first XML files of a source has this root element, and one of these in it."""
    for path in xml_files(source)[:HEAD_FILES]:
        root = source.try_parsed(path, parse_xml)
        if root is not None and root.tag == tag and (not children or any(root.find(c) is not None for c in children)):
            return True
    return False


def documents(source: Source, tag: str, annotations: Annotations) -> Iterator[tuple[str, Element]]:
    """The XML files with this root element, each with its path; one with the suffix that is not XML is reported."""
    for path in xml_files(source):
        try:
            root = read_xml(source, path)
        except DataError as error:
            if suffix_of(path):
                annotations.reject(path, str(error), "bad record")
            continue
        if root.tag == tag:
            yield path, root


def text_of(element: Element, path: str) -> str:
    """The text of a child element without space around it; empty when there is none."""
    return (element.findtext(path) or "").strip()
