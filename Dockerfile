# The platform's base image for Python connectors (Debian, Python 3.11); `make docker` names another where no engine can pull it.
ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.0.2@sha256:9fdb1888c4264cf6fee473649ecb593f56f58e5d0096a87ee0b231777e2e3e73

FROM ${BASE_IMAGE} AS builder
USER root
COPY requirements.lock /tmp/requirements.lock
# Without dependencies: the lock is complete, but for what only other kinds of connectors import (requirements-overrides.txt).
RUN python -m venv --without-pip /airbyte/venv \
 && python -m pip --python /airbyte/venv/bin/python install --no-cache-dir --no-deps --only-binary :all: \
    --require-hashes --requirement /tmp/requirements.lock
COPY main.py /airbyte/integration_code/
COPY source_retently /airbyte/integration_code/source_retently
# Compiled here, since the user of the image can't write.
RUN python -m compileall -q /airbyte/integration_code

FROM ${BASE_IMAGE}
LABEL io.airbyte.version=1.0.0 io.airbyte.name=airbyte/source-retently
COPY --from=builder /airbyte/venv /airbyte/venv
COPY --from=builder /airbyte/integration_code /airbyte/integration_code
# The CDK makes an (empty) temporary folder; this one can be written even where the root file system is read-only.
ENV PATH=/airbyte/venv/bin:$PATH TZ=UTC TMPDIR=/dev/shm \
    AIRBYTE_ENTRYPOINT="python /airbyte/integration_code/main.py"
WORKDIR /airbyte/integration_code
USER airbyte
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
