"""``azfinsim infra acl``: users with the least rights."""

from pathlib import Path

import click

from engine.edge import note
from engine.errors import UsageError
from engine.login import Login
from engine.names import check_name
from infra import acl
from infra.acl import Role


@click.command("acl")
@click.argument("role", type=click.Choice([str(role) for role in Role]), required=False)
@click.option("--user", metavar="NAME", help="The user's name.  [default: the role's]")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Its password, of which only the SHA-256 is printed.",
)
@click.option("--cluster", is_flag=True, help="With what a cluster takes besides.")
@click.option("--aclfile", is_flag=True, help="Lines for the server's aclfile instead.")
def acl_command(
    role: str | None, user: str | None, password_file: Path | None, cluster: bool, aclfile: bool
) -> None:
    """Print users with the least rights that a consumer and a producer need.

    As commands for `redis-cli`: azfinsim infra acl | redis-cli. Without --password-file nobody can
    log in as them until a password is added: ACL SETUSER consumer >PASSWORD.
    """
    if user is not None:
        check_name("user", user)
        if role is None:
            raise UsageError("--user names one user: say which role it has, consumer or producer")
    password = Login(password_file=password_file).read() if password_file is not None else None
    form = acl.acl_file_line if aclfile else acl.setuser
    for each in [Role(role)] if role is not None else list(Role):
        told = acl.rules(each, cluster=cluster, password=password)
        click.echo(form(user or each, told))
    if password is None:
        note("nobody can log in as them yet: name a --password-file, or add a password by hand")
