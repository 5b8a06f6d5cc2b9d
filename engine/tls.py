"""What goes wrong between a client and a server over TLS, in words, with the way out. Pure."""

import re

_TROUBLE = [
    (
        "certificate has expired",
        "its certificate has expired: have it renewed, or set this machine's clock right",
    ),
    (
        "certificate is not yet valid",
        "its certificate is not valid yet: set this machine's clock right",
    ),
    (
        "(?:Hostname|IP address) mismatch, certificate is not valid for '([^']*)'",
        (
            r"its certificate is for another name than \1: put the name that it is for into the "
            "Redis URL, or have one made for this name"
        ),
    ),
    (
        "self.signed certificate|unable to get (?:local )?issuer certificate",
        (
            "its certificate is signed by a CA that this machine does not know: set "
            "AZFINSIM_REDIS_CA_FILE to the file of that CA's certificate"
        ),
    ),
    (
        "CERTIFICATE_VERIFY_FAILED[^:]*: ([^(]*)",
        r"its certificate cannot be verified: \1",
    ),
    (
        "WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|UNEXPECTED_EOF",
        (
            "it does not speak TLS at this port: take its port for TLS, or let it have one; "
            "redis:// instead of rediss:// would send all in clear"
        ),
    ),
    (
        "CERTIFICATE_REQUIRED|PEER_DID_NOT_RETURN_A_CERTIFICATE|HANDSHAKE_FAILURE",
        (
            "it asks for a certificate of the client's: set AZFINSIM_REDIS_CERT_FILE and "
            "AZFINSIM_REDIS_KEY_FILE"
        ),
    ),
    (
        "ALERT_UNKNOWN_CA|ALERT_BAD_CERTIFICATE|ALERT_CERTIFICATE_|DECRYPT_ERROR",
        (
            "it does not accept the client's certificate: it must be signed by the CA that the "
            "server knows, and be in date"
        ),
    ),
]
"""What OpenSSL says, from the particular to the general, and what we say."""

_HUNG_UP = re.compile("Connection closed by server|Connection reset by peer|Broken pipe")


def trouble(error: str) -> str | None:
    """What is wrong, by the text of a client's error; None if TLS does not say."""
    for pattern, words in _TROUBLE:
        if found := re.search(pattern, error):
            return found.expand(words).strip()
    return None


def hint(error: str, *, over_tls: bool, certificate: bool) -> str | None:
    """What may be wrong when a server hangs up or is silent, as one does that expects TLS, or
    another certificate (its alert is often overtaken by the end of the connection).

    ``certificate`` says whether the client has one.
    """
    if over_tls and "Timeout connecting" in error:
        return (
            "One that does not speak TLS at this port is silent like that: take its port for TLS, "
            "or let it have one"
        )
    if not _HUNG_UP.search(error):
        return None
    if not over_tls:
        return (
            "One that speaks TLS only hangs up like that: then the Redis URL must begin with "
            "rediss://"
        )
    if not certificate:
        return (
            "One that asks for a certificate of the client's hangs up like that: set "
            "AZFINSIM_REDIS_CERT_FILE and AZFINSIM_REDIS_KEY_FILE"
        )
    return (
        "One that does not accept the client's certificate hangs up like that: it must be signed "
        "by the CA that the server knows, and be in date"
    )
