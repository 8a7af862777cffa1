"""A client in TypeScript is typed by the API's description: its calls compile, and calls that are refused do not."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from app.main import api

SOURCES = Path(__file__).parents[1] / "typescript"
COMMANDS = SOURCES / "node_modules" / ".bin"


@pytest.mark.slow
@pytest.mark.skipif(not COMMANDS.exists(), reason="npm's packages are missing: npm ci --prefix tests/typescript")
def test_a_program_in_typescript_compiles_against_the_description(tmp_path: Path) -> None:
    shutil.copy(SOURCES / "calls.ts", tmp_path)
    shutil.copy(SOURCES / "tsconfig.json", tmp_path)
    (tmp_path / "node_modules").symlink_to(SOURCES / "node_modules")
    (tmp_path / "openapi.json").write_text(json.dumps(api().openapi()))

    for command in (["openapi-typescript", "openapi.json", "--output", "generated.d.ts"], ["tsc", "--project", "."]):
        done = subprocess.run(
            [COMMANDS / command[0], *command[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
