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

MOST = 300_000
"""kB of memory that an extraction may take, however large it is: 120 MB were measured with five million orders."""


def test_a_large_extraction_takes_little_memory(
    application: Application, tmp_path: Path, capsys: pytest.CaptureFixture[str], pytestconfig: pytest.Config
) -> None:
    count = pytestconfig.getoption("--orders")
    application.sql(
        f"""
        insert into orders
        select id, id % 1000000, id % 10000 / 100.0, 'completed', placed, placed
        from (
            select id, timestamptz '2024-01-01 00:00+00' + id % 432000 * interval '1 second' as placed
            from generate_series(1, {count}) as ids(id)
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
            f"\n{count:,} orders: {peak / 1024:,.0f} MB; {seconds:.1f} s, {count / seconds:,.0f} a second, where psql"
            f" copies {count / by_psql:,.0f}; {result['bytes'] / 1e6:,.0f} MB of parquet"
        )
    assert result["rows"] == count
    assert 0 < peak < MOST
