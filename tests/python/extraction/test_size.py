"""A large table is extracted without being held in memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.application import Application

ROWS = 5_000_000


def test_five_million_orders_take_less_than_a_gigabyte(
    application: Application, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    application.sql(
        f"""
        insert into orders
        select id, id % 1000000, id % 10000 / 100.0, 'completed', placed, placed
        from (
            select id, timestamptz '2024-01-01 00:00+00' + id % 432000 * interval '1 second' as placed
            from generate_series(1, {ROWS}) as ids(id)
        ) as orders
        """
    )
    begun = time.monotonic()
    copy = ["-d", application.dsn, "-c", f"\\copy orders to '{tmp_path}/orders.csv' csv"]
    subprocess.run([application.server.psql, *copy], check=True, timeout=300, stdin=subprocess.DEVNULL)
    by_psql = time.monotonic() - begun
    begun = time.monotonic()
    command = ["-m", "user_metrics", "extract", "--table", "orders", "--date", "2024-01-05", "--whole"]
    with (tmp_path / "said").open("w") as said:
        extraction = subprocess.Popen(
            [sys.executable, *command, "--lake", str(tmp_path / "lake")], stdin=subprocess.DEVNULL, stdout=said
        )
        peak = 0
        while extraction.poll() is None:
            # Not from getrusage, which begins with what the process that started it has.
            status = Path(f"/proc/{extraction.pid}/status").read_text()
            peak = max([peak, *map(int, re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE))])
            assert time.monotonic() - begun < 300
            time.sleep(0.05)
    seconds = time.monotonic() - begun
    assert extraction.returncode == 0
    result = json.loads((tmp_path / "said").read_text())
    with capsys.disabled():
        print(
            f"\n{ROWS:,} orders: {peak / 1024:,.0f} MB; {seconds:.1f} s, {ROWS / seconds:,.0f} a second, where psql"
            f" copies {ROWS / by_psql:,.0f}; {result['bytes'] / 1e6:,.0f} MB of parquet"
        )
    assert result["rows"] == ROWS
    assert 0 < peak < 1024 * 1024
