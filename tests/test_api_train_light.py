"""The frozen network's run whose features are known loads no torch, which alone takes over a second."""

import shutil
import subprocess
import sys
from pathlib import Path

import neocog.data.builtin as builtin

CODE = "import sys, neocog; neocog.train('data', output=sys.argv[1]); print('torch' in sys.modules)"


def test_the_second_run_on_the_same_pictures_loads_no_torch(tmp_path: Path) -> None:
    photos = Path(builtin.__file__).parent / "photos"
    for name in ("cat", "coffee"):
        for file in sorted((photos / name).iterdir())[:5]:
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tmp_path / "data" / name)
    said = [
        subprocess.run(
            [sys.executable, "-c", CODE, run], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()
        for run in ("one", "two")
    ]
    assert said[1] == "False"
