# The environment of requirements.lock, for jobs on a cluster: docs/cluster.md. Code and parameters stay outside, in the
# checkout that the jobs run in.
FROM python:3.12-slim-bookworm
# git names the commit that a result was made at; torch.compile calls a C++ compiler.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ git \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.lock /requirements.lock
RUN python -m pip install --no-cache-dir --require-hashes --requirement /requirements.lock
