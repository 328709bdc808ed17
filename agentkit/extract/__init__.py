"""Structured extraction."""

from agentkit.extract.extract import Extracted, extract

__all__ = ["Extracted", "extract"]
