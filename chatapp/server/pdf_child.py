"""The child process that reads one PDF, and nothing else of ours. Run by pdf.py; imports no other file of chatapp.

The file comes on stdin, one JSON object goes out: {"text", "pages"}, or {"refusal": what is wrong, as the end of a sentence}.
"""

import io
import json
import sys

MEMORY, SECONDS = 2**30, 30
"""What reading it may take: bytes, and seconds of a processor."""

LONGEST = 1_000_000
"""Characters, as of every attached file (assets/attached.js)."""

DAMAGED = "cannot be read: it is damaged, or no PDF."
FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, RecursionError, TypeError, ValueError)
"""What pypdf raises, besides errors of its own, on files that are damaged or made to hurt."""


def limit() -> None:
    """Where the system can: Linux and macOS."""
    if sys.platform != "win32":
        import os
        import resource

        os.nice(10)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def read(data: bytes) -> dict:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"refusal": "is locked with a password. Save it without one first."}
        return words(reader)
    except DependencyError:
        return {"refusal": "is encrypted. Save it without that first."}
    except MemoryError:
        return {"refusal": "takes more memory to read than it is given here. Save it as text first."}
    except (PyPdfError, *FAILURES):
        return {"refusal": DAMAGED}


def words(reader: object) -> dict:
    """Page by page, with an empty line between."""
    pages: list[str] = []
    for page in reader.pages:
        pages.append(page.extract_text().replace("\0", "").encode(errors="replace").decode())
        if sum(map(len, pages)) > LONGEST:
            which = f"the first {len(pages):,} of {len(reader.pages):,} pages"
            return {"refusal": f"has more than {LONGEST:,} characters on {which}, the most that can be attached. Save the pages you need."}
    if not pages:
        return {"refusal": DAMAGED}
    if not "".join(pages).strip():
        which = "its one page" if len(pages) == 1 else f"any of its {len(pages):,} pages"
        return {"refusal": f"has no text on {which}: what is there are pictures, which the models here cannot read."}
    return {"text": "\n\n".join(pages).strip(), "pages": len(pages)}


if __name__ == "__main__":
    limit()
    json.dump(read(sys.stdin.buffer.read()), sys.stdout)
