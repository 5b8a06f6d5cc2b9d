"""One consumer of this machine that outlives who started it, and the files it is known by.

``NAME.lock`` is locked by the consumer itself for as long as it lives, and holds its process ID: so
a number that has passed on to another process is never taken for it. ``NAME.leaving`` says that it
was told to leave, and ``NAME.log`` is what it has said.
"""

import fcntl
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ServerError, UsageError

# The shell ends at once, and leaves behind a process that belongs to nobody: as a child of a
# controller that runs for weeks it would stay a zombie.
# It notes its number itself before it becomes the consumer: whoever starts it may be killed
# meanwhile, and nobody could end one without a number. Without truncating: both write the same.
_NOTED = 'echo $$ 1<>"$0"; exec "$@"'
_SCRIPT = f"""lock=$1 log=$2; shift 2; /bin/sh -c '{_NOTED}' "$lock" "$@" >>"$log" 2>&1 & echo $!"""

_LAST_BYTES = 2000


@dataclass(frozen=True, slots=True)
class LocalProcess:
    """A consumer by its files, whether it lives or not."""

    folder: Path
    name: str

    @property
    def lock(self) -> Path:
        return self.folder / f"{self.name}.lock"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def _left(self) -> Path:
        return self.folder / f"{self.name}.leaving"

    @property
    def living(self) -> bool:
        """Whether it runs."""
        try:
            with self.lock.open("rb") as file:
                # Shared: others may look at the same moment.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @property
    def leaving(self) -> bool:
        """Whether it was told to leave."""
        return self._left.exists()

    @property
    def pid(self) -> int | None:
        """Its process ID; None if it is not known, or does not run."""
        told = self.lock.read_text(errors="replace").strip() if self.living else ""
        return int(told) if told.isdecimal() else None

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it, away from terminal, session and parent.

        It must not run, and nobody else may start it meanwhile. Raises UsageError if its files
        cannot be written; ServerError if no process can be started.
        """
        self._left.unlink(missing_ok=True)
        try:
            lock = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UsageError(f"cannot write {self.lock}: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.ftruncate(lock, 0)
            done = subprocess.run(
                ["/bin/sh", "-c", _SCRIPT, "sh", str(self.lock), str(self.log), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                env=dict(environment),
                # The lock belongs to the open file: from here on it is the consumer's.
                pass_fds=[lock],
                start_new_session=True,
                check=True,
            )
            os.pwrite(lock, done.stdout, 0)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ServerError(f"cannot start {self.name}: {error}") from None
        finally:
            os.close(lock)

    def tell_to_leave(self) -> None:
        """Have it finish what is quick, hand back the rest, and end."""
        self._left.touch()
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once: what it held comes back after its lease."""
        self._send(signal.SIGKILL)

    def last_words(self) -> str:
        """The end of its log."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _LAST_BYTES))
                return log.read().decode(errors="replace").strip()
        except OSError:
            return ""

    def forget(self) -> None:
        """Remove what marks it, once it is gone; its log stays."""
        for path in (self.lock, self._left):
            path.unlink(missing_ok=True)

    def _send(self, number: signal.Signals) -> None:
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
