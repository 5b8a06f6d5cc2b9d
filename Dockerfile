# One image for every role: docker run IMAGE consume …, job …, pool …
#
# The root folder may be read-only (/tmp must be writable), the user is none in particular, and the
# kernels are compiled already, for two kinds of processor (infra/image/on-this-cpu).
# `azfinsim infra build` gives VERSION, COMMIT and the commit's time. To pin the base image further:
# --build-arg PYTHON_IMAGE=python:3.13.7-slim-bookworm@sha256:…

ARG PYTHON_IMAGE=python:3.13.7-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# All files bear this time, and nothing depends on the order of a hash: the same source gives the
# same files, but for Numba's, in which it keeps more than the machine code.
ARG SOURCE_DATE_EPOCH=0
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONHASHSEED=0 \
    NUMBA_CACHE_DIR=/var/cache/azfinsim

WORKDIR /src
COPY requirements-azure.lock ./
RUN python -m venv --without-pip /opt/azfinsim \
    && python -m pip --python /opt/azfinsim/bin/python install \
        --only-binary :all: --require-hashes -r requirements-azure.lock

COPY pyproject.toml README.md LICENSE ./
COPY azfinsim azfinsim
COPY consumer consumer
COPY engine engine
COPY infra infra
COPY loadtest loadtest
COPY producer producer
RUN python -m pip --python /opt/azfinsim/bin/python install --no-deps --no-build-isolation . \
    && find /opt/azfinsim -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

# Python and kernels, compiled. From elsewhere than the source, which would be imported.
COPY infra/image/azfinsim infra/image/on-this-cpu /usr/local/bin/
WORKDIR /opt/azfinsim
RUN /opt/azfinsim/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash lib \
    && /opt/azfinsim/bin/python -m infra.image.warm /usr/local/bin/on-this-cpu \
    && find /opt/azfinsim /var/cache/azfinsim \
        -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +


FROM ${PYTHON_IMAGE}
ARG VERSION=unknown
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="azfinsim" \
      org.opencontainers.image.description="A risk grid: prices books of trades by Monte Carlo" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"

# HOME, because the user has none.
ENV HOME=/tmp \
    NUMBA_CACHE_DIR=/var/cache/azfinsim \
    PATH=/usr/local/bin:/opt/azfinsim/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

COPY --from=build /opt/azfinsim /opt/azfinsim
COPY --from=build /var/cache/azfinsim /var/cache/azfinsim
COPY infra/image/azfinsim infra/image/on-this-cpu /usr/local/bin/

USER 10001:10001
WORKDIR /tmp
STOPSIGNAL SIGTERM
ENTRYPOINT ["azfinsim"]
CMD ["--help"]
