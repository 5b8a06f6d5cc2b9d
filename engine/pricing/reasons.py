"""Why a trade was not priced, in words that a record can hold. Pure."""

MAX_REASON = 300
"""Characters of a reason that are kept: a pricer may raise with a page of text."""


def told(error: BaseException) -> str:
    """An error in words, which may raise in turn when it is asked for them."""
    try:
        words = str(error)
    except Exception:
        words = "and cannot say why"
    return f"{type(error).__name__}: {words}"


def kept(reason: str) -> str:
    """What a record keeps of a reason: a pricer's may be long, or no text that JSON can hold."""
    return reason[:MAX_REASON].encode(errors="replace").decode()
