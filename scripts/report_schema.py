"""Write docs/report.schema.json, the format of report.json for validators, from the dataclasses of the report.

python scripts/report_schema.py [--out FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gdfq_export.report.schema import report_schema
from gdfq_export.support.files import atomic_output

SHIPPED = Path(__file__).parent.parent / "docs" / "report.schema.json"


def main() -> None:
    """Write the schema."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=SHIPPED, help="file to write (default: docs/report.schema.json)")
    out: Path = parser.parse_args().out
    with atomic_output(out) as part:
        part.write_text(json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
