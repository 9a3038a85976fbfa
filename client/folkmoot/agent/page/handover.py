"""The file that hands the token to the browser: readable by its owner only, used once, gone after
a minute.

A token on a browser's command line would be in the list of processes that every user of the
machine can read. So the browser opens a small file which leads to the page. It holds no script.
"""

from __future__ import annotations

import contextlib
import html
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url={address}">
<title>Folkmoot</title>
</head>
<body>
<p><a href="{address}">Open the meeting</a></p>
</body>
</html>
"""


class HandoverFile:
    """One file in a fresh folder that only its owner can enter."""

    def __init__(self, address: str, folder: Path | None = None) -> None:
        """`folder`: where; by default the runtime folder of the person's login (memory, not disk),
        else the temporary folder. Raises OSError when it cannot be written."""
        if folder is None:
            runtime = os.environ.get("XDG_RUNTIME_DIR")
            folder = Path(runtime) if runtime and os.access(runtime, os.W_OK) else None
        self._folder = Path(tempfile.mkdtemp(prefix="folkmoot-", dir=folder))  # mode 0700
        self.path = self._folder / "open-the-meeting.html"
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(PAGE.format(address=html.escape(address, quote=True)))

    def delete(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)
