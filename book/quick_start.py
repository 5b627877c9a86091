"""Imported before anything else by what builds the book: it spares each process two seconds.

jsonschema loads rfc3987_syntax where it is found, to check addresses, which no notebook here needs; that package then
compiles grammars.
"""

import sys

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
