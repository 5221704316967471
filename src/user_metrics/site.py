"""The folder that people look at: a landing page, the report, dbt's documentation and the lineage of columns.

It opens from disk and from any static host: every page is whole in itself and asks nothing of a server.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from user_metrics import report
from user_metrics.dbt_command import run
from user_metrics.pages import filled_in

LINEAGE = Path("columns", "colibri-manifest.json")
"""Lies in every site, and tells it from other folders."""


def build(folder: Path, target: str) -> Path:
    """Makes the site of a target in a folder, from the folder of the dbt project, and returns its first page.

    What it is made of lies beside it, in `docs`. A site of before is replaced once the new one is whole.

    Raises DbtCommandError when nothing has been built yet, and FileExistsError when something else is in the folder.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / LINEAGE).exists():
        raise FileExistsError(
            f"--folder is '{folder}', which holds other things than a site: name another, or empty it."
        )
    work, new = folder.parent / "docs", folder.with_name(f".{folder.name}.new")
    command = ("--target", target, "--target-path", str(work))
    facts = json.loads(run("run-operation", "site_facts", *command)[-1])
    run("docs", "generate", "--static", *command)
    shutil.rmtree(new, ignore_errors=True)
    (new / "dbt").mkdir(parents=True)
    page = (work / "static_index.html").read_text()
    # Its icon has the name of a file that dbt's own build has not filled in.
    page = page.replace("${require('./assets/favicons/favicon.ico')}", "data:,")
    (new / "dbt" / "index.html").write_text(page)
    # As in a full refresh, models read their inputs alone, and not what they hold already.
    run("compile", "--full-refresh", *command)
    write_column_lineage(work / "manifest.json", work / "catalog.json", new / LINEAGE.parent)
    report.build(new / "report.html", target)
    (new / "index.html").write_text(landing_page(facts))
    put_in_place(new, folder)
    return folder / "index.html"


def put_in_place(new: Path, folder: Path) -> None:
    """Replaces a folder by renames alone: wherever this is stopped, a whole one is there or lies beside it."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def write_column_lineage(manifest: Path, catalog: Path, folder: Path) -> None:
    """Has dbt-colibri write which column comes from which, as a page and as JSON."""
    content = json.loads(manifest.read_text())
    engine = content["metadata"]["adapter_type"]
    for node in content["nodes"].values():
        if node["resource_type"] in ("model", "snapshot"):
            node["compiled_code"] = _qualified(node["compiled_code"], node["database"], engine)
    qualified = manifest.with_name("qualified_manifest.json")
    qualified.write_text(json.dumps(content))
    command = [str(Path(sys.executable).with_name("colibri")), "generate", "--disable-telemetry"]
    files = ["--manifest", str(qualified), "--catalog", str(catalog), "--output-dir", str(folder)]
    subprocess.run([*command, *files], check=True, capture_output=True, env={**os.environ, "DO_NOT_TRACK": "1"})


def _qualified(sql: str, database: str, engine: str) -> str:
    """A query in which each table has its database's name; without it, dbt-colibri does not know a table again."""
    query = sqlglot.parse_one(sql, dialect=engine)
    for table in query.find_all(exp.Table):
        if table.db and not table.catalog:
            table.set("catalog", exp.to_identifier(database, quoted=True))
    return query.sql(dialect=engine)


def landing_page(facts: dict[str, Any]) -> str:
    """The first page, of what the macro site_facts has printed."""
    # What this project is for comes first.
    facts["tables"].sort(key=lambda table: (not table["name"].startswith("user_metrics"), table["name"]))
    return filled_in("landing_page.html.jinja", **facts)
