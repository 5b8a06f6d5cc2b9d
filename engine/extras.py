"""Which extra of azfinsim brings a package that is not installed. Pure."""

_EXTRAS = {
    "aiohttp": "azure",
    "azure": "azure",
    "matplotlib": "plot",
    "opentelemetry.exporter": "otlp",
    "opentelemetry.sdk": "otlp",
    "plotly": "loadtest",
    "psutil": "loadtest",
    "pyarrow": "parquet",
    "QuantLib": "quantlib",
}
"""Extras of ``pyproject.toml``, by the packages that ours import of them."""


def way_out(module: str | None) -> str | None:
    """What to tell who lacks a module of an extra; None if it is no extra's."""
    for package, extra in _EXTRAS.items():
        if module is not None and f"{module}.".startswith(f"{package}."):
            return f"this needs {package}, which is not installed: pip install 'azfinsim[{extra}]'"
    return None
