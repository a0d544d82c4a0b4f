# syntax=docker/dockerfile:1
# Serving: FastAPI on Ray Serve behind HAProxy. No Dagster, and of MLflow only the client.
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
COPY infra/requirements-serving.lock infra/docker/slim.py infra/docker/warm.py ./
RUN /opt/builder/bin/pip --python /opt/prodclf/bin/python install \
        --no-cache-dir --no-compile --no-deps --require-hashes -r requirements-serving.lock \
    && /opt/builder/bin/python slim.py /opt/prodclf --serving
COPY pyproject.toml README.md LICENSE ./
COPY prodclf_assets prodclf_assets
COPY prodclf_serving prodclf_serving
# Bytecode is written now, for what a start imports: the file system is read-only later, and every process would compile anew.
RUN /opt/builder/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/builder/bin/pip --python /opt/prodclf/bin/python install --no-cache-dir --no-deps --no-index dist/*.whl \
    && /opt/prodclf/bin/python warm.py

FROM python:${PYTHON} AS serving
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="prodclf serving" \
      org.opencontainers.image.description="HTTP service that answers with the promoted product classifier" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# tini passes the stop signal on and reaps Ray's processes; LightGBM needs the OpenMP library.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1=12.2.* tini=0.19.0-* \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 prodclf \
    && useradd --uid 10001 --gid prodclf --home-dir /var/lib/prodclf --shell /usr/sbin/nologin prodclf \
    && install --directory --owner prodclf --group prodclf /var/lib/prodclf
COPY --from=build /opt/prodclf /opt/prodclf
COPY infra/docker/healthcheck.py /opt/prodclf/
# Numba keeps compiled loops where this user may write. Replicas get one core each: see infra/serve/README.md.
ENV PATH=/opt/prodclf/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PRODCLF_HOME=/var/lib/prodclf \
    NUMBA_CACHE_DIR=/var/lib/prodclf/numba \
    PRODCLF_SERVE_HOST=0.0.0.0 \
    PRODCLF_SERVE_REQUEST_LOG=/proc/1/fd/1 \
    OMP_NUM_THREADS=1
WORKDIR /var/lib/prodclf
# Writable with a read-only root: state and scratch, owned by the user also where the platform mounts them.
VOLUME ["/var/lib/prodclf", "/tmp"]
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["prodclf", "serve"]
# Alive, not ready: a container that waits for its first model must not be restarted. Balancers ask /ready.
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "/opt/prodclf/healthcheck.py", "http://127.0.0.1:8000/health"]
