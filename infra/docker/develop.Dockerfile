# syntax=docker/dockerfile:1
# Where the project is worked on, for `.devcontainer`: Python, uv, git, and a browser for the tests of the console.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS develop
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends chromium git libatomic1 libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir "uv==0.13.9" \
    && useradd --create-home --shell /bin/bash --uid 1000 developer
ENV PATH=/opt/uv/bin:$PATH
USER 1000
# Nothing in it serves.
HEALTHCHECK NONE
