"""Reading the file of a gateway that has stopped."""

import sqlite3


def rows(folder, view="v1_attempts", where="1=1"):
    """Rows of a view of the ledger in that folder."""
    database = sqlite3.connect(f"file:{folder}/jevons.db?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in database.execute(f"SELECT * FROM {view} WHERE {where}")]
    finally:
        database.close()
