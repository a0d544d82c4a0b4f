# syntax=docker/dockerfile:1
# The graph: Dagster's webserver, daemon and code location, runs, and the MLflow server. The command says which.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils=2.40-* \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
RUN python -m venv /opt/builder && python -m venv --without-pip /opt/prodclf
# Everything is in the locks, so nothing is left to resolve: pip takes exactly what they name.
COPY infra/requirements-build.lock ./
RUN /opt/builder/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements-build.lock
COPY infra/requirements-graph.lock infra/docker/slim.py ./
RUN /opt/builder/bin/pip --python /opt/prodclf/bin/python install \
        --no-cache-dir --no-compile --no-deps --require-hashes -r requirements-graph.lock \
    && /opt/builder/bin/python slim.py /opt/prodclf
COPY pyproject.toml README.md LICENSE ./
COPY prodclf_assets prodclf_assets
COPY prodclf_serving prodclf_serving
# Bytecode is written now: the file system is read-only later, and every process would compile anew.
RUN /opt/builder/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/builder/bin/pip --python /opt/prodclf/bin/python install --no-cache-dir --no-deps --no-index dist/*.whl \
    && /opt/prodclf/bin/python -m compileall -q -j 0 /opt/prodclf/lib

FROM python:${PYTHON} AS graph
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="prodclf graph" \
      org.opencontainers.image.description="Dagster graph that trains, gates and registers the product classifier" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# tini reaps what Dagster's runs leave behind; LightGBM needs the OpenMP library.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1=12.2.* tini=0.19.0-* \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 prodclf \
    && useradd --uid 10001 --gid prodclf --home-dir /var/lib/prodclf --shell /usr/sbin/nologin prodclf \
    && install --directory --owner prodclf --group prodclf /var/lib/prodclf
COPY --from=build /opt/prodclf /opt/prodclf
COPY infra/docker/healthcheck.py infra/docker/prepare.py /opt/prodclf/
COPY infra/docker/dagster /etc/prodclf/dagster
COPY infra/aws/dagster /etc/prodclf/dagster-ecs
# Numba keeps compiled loops and matplotlib its fonts where this user may write.
ENV PATH=/opt/prodclf/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PRODCLF_HOME=/var/lib/prodclf \
    NUMBA_CACHE_DIR=/var/lib/prodclf/numba \
    MPLCONFIGDIR=/var/lib/prodclf/matplotlib \
    DAGSTER_HOME=/etc/prodclf/dagster \
    DAGSTER_DISABLE_TELEMETRY=1
WORKDIR /var/lib/prodclf
# Writable with a read-only root: state and scratch, owned by the user also where the platform mounts them.
VOLUME ["/var/lib/prodclf", "/tmp"]
USER 10001:10001
EXPOSE 3000
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["dagster-webserver", "--host", "0.0.0.0", "--port", "3000", "--workspace", "/etc/prodclf/dagster/workspace.yaml"]
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "/opt/prodclf/healthcheck.py", "http://127.0.0.1:3000/server_info"]
