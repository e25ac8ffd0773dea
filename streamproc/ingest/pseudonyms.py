"""Pseudonyms: stable names for people that only the holder of the key can recompute."""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata

KEY_VARIABLE = "STREAMPROC_PSEUDONYM_KEY"  # the environment variable that the key is taken from


def pseudonym(value: str, secret: bytes) -> str:
    """HMAC-SHA-256 of the value under the key: first 16 bytes, base32, lower case (26 characters).

    Case, surrounding space and compatible spellings do not matter: `Ann@X.org ` and `ann@x.org` are one person.
    """
    normal = unicodedata.normalize("NFKC", value.strip().casefold())
    digest = hmac.digest(secret, normal.encode(), hashlib.sha256)
    return base64.b32encode(digest[:16]).decode().rstrip("=").lower()
