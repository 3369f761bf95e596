"""Exact money for tests: decimal text in, integers out."""

from decimal import Decimal


def picodollars_per_token(usd_per_million):
    """'2.5' (USD per million tokens) -> 2500000 picodollars per token."""
    value = Decimal(str(usd_per_million)) * 1_000_000
    if value != int(value):
        raise ValueError(f"{usd_per_million} is no whole number of picodollars")
    return int(value)


def nanodollars_of_header(text):
    """'0.000012345' -> 12345."""
    value = Decimal(text) * 1_000_000_000
    if value != int(value):
        raise ValueError(f"{text} has more than 9 decimals")
    return int(value)


def fnv1a_hex(text):
    """The key of a prompt in a script's `lengths`."""
    value = 14695981039346656037
    for byte in text.encode():
        value = ((value ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"
