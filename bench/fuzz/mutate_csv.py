"""Mutations of CSV: of its cells, where one becomes another, or of its text."""

from __future__ import annotations

import csv
import io
from random import Random

from bench.fuzz.mutate_bytes import mutate_bytes
from bench.fuzz.values import number, text


def mutate_csv(data: bytes, random: Random) -> bytes:
    """Change one to three cells or rows; sometimes the text itself."""
    if random.random() < 0.3:
        return mutate_bytes(data, random)
    rows = list(csv.reader(io.StringIO(data.decode())))
    for _ in range(random.choice((1, 1, 2, 3))):
        row = random.choice(rows)
        kind = random.randrange(4)
        if kind == 0:
            rows.append([*row, *row])
        elif kind == 1 and row:
            row.pop()
        else:
            place = random.randrange(len(row) + 1)
            row[place : place + 1] = [random.choice((text(random), str(number(random))))]
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode(errors="surrogatepass")
