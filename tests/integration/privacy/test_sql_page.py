"""The start of pgAdmin's image against a real PostgreSQL; pgAdmin itself has packages that are not installed here."""

import os
import subprocess
import sys
from pathlib import Path

from readmission.settings import Settings

START = Path(__file__).parents[3] / "images" / "pgadmin-entrypoint"
#: What stands for pgAdmin: it connects by libpq to the server of the file that is handed over, as pgAdmin does.
CLIENT = """#!{python}
import json, os, sys
import psycopg2

[server] = json.load(open(os.environ["HOME"] + "/servers.json"))["Servers"].values()
connection = psycopg2.connect(
    service=server["Service"], host=server["Host"], port=server["Port"], dbname=server["MaintenanceDB"],
    user=server["Username"],
)
cursor = connection.cursor()
cursor.execute("SELECT current_user, count(*) FROM analyst.batches")
print(*cursor.fetchone())
try:
    cursor.execute("DELETE FROM analyst.batches")
except psycopg2.Error as error:
    print(error.diag.message_primary)
print(*sys.argv[1:])
"""


def test_the_page_is_connected_as_the_analyst_without_a_password_of_its_user(
    database: Settings, tmp_path: Path
) -> None:
    (tmp_path / "setup.py").write_text("import sys\nprint(*sys.argv[1:])\n")
    (tmp_path / "gunicorn").write_text(CLIENT.replace("{python}", sys.executable))
    (tmp_path / "gunicorn").chmod(0o755)
    assert database.postgres.password_analyst is not None
    password = database.postgres.password_analyst.get_secret_value()
    environment = {
        "PATH": os.pathsep.join((str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"])),
        "HOME": str(tmp_path),
        "READMISSION_POSTGRES_HOST": database.postgres.host,
        "READMISSION_POSTGRES_PORT": str(database.postgres.port),
        "READMISSION_POSTGRES_DATABASE": database.postgres.database,
        "READMISSION_POSTGRES_PASSWORD_ANALYST": password,
        "PGADMIN_SETUP_EMAIL": "analyst@example.org",
    }
    done = subprocess.run([START], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "setup-db",
        f"load-servers {tmp_path}/servers.json --user analyst@example.org --replace",
        "readmission_analyst 0",
        "permission denied for view batches",
        "--bind 0.0.0.0:18094 --workers 1 --threads 25 --access-logfile - pgAdmin4:app",
    ]
    # Nothing that is written has the password.
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and password in path.read_text()] == []
