"""Who we are to a server: a user name, and a password that never shows.

What may live here: where the password comes from, and reading it. No Redis client.
"""

from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import UsageError


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password, or the file that holds the password. ``repr`` shows no password."""

    username: str = ""
    """Empty for the server's default user."""
    password: str = field(default="", repr=False)
    password_file: Path | None = None

    def read(self) -> str:
        """The password as it is now: a file is read each time, since passwords are rotated.

        Raises UsageError if the file cannot be read or is empty.
        """
        if self.password_file is None:
            return self.password
        try:
            # Editors and `echo` end a line; a password with a line end in it cannot be told.
            password = self.password_file.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UsageError(f"cannot read the password in {self.password_file}: {why}") from None
        if not password:
            raise UsageError(f"{self.password_file} is empty: must hold the password")
        return password
