"""Run services: ``python -m services [NAME …]``, all in one process where none is named."""

import sys

if __name__ == "__main__":
    # Imported here, because worker processes import this module too, and need nothing of it.
    from services.hosting import run

    run(sys.argv[1:])
