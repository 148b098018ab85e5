"""XML annotation files, without entities and external references."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from automl_vision.core.errors import DataError
from automl_vision.data.source import Source


def read_xml(source: Source, path: str) -> Element:
    """The root element of an XML file.

    Raises:
        DataError: it is no XML, or uses entities.
    """
    try:
        root: Element = defusedxml.ElementTree.fromstring(source.read(path), forbid_dtd=False)
    except DefusedXmlException as error:
        raise DataError(f"{path} uses XML entities, which are not read ({error})") from None
    except (ParseError, ValueError, RecursionError, LookupError) as error:
        raise DataError(f"{path} is not valid XML ({error})") from None
    return root


def root_tag(source: Source, path: str) -> str:
    """The tag of the root element; empty when the file is no XML."""
    try:
        return str(read_xml(source, path).tag)
    except DataError:
        return ""


def text_of(element: Element, path: str) -> str:
    """The text of a child element without space around it; empty when there is none."""
    return (element.findtext(path) or "").strip()
