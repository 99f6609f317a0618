# One image for every process; docker-compose.yml gives each its command. Runs as user 10001 on a read-only root:
# what it writes goes to /data (FTWORKER_HOME) and /tmp. Embedded servers are not in it: name yours by URL.
#   docker build -t ftworker .
#   docker run --rm ftworker ftworker --help

ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_CONSTRAINT=/src/requirements.lock
# pip stays behind in this stage: the environment that is shipped can install nothing.
RUN python3 -m venv /tools && python3 -m venv --without-pip /opt/ftworker
COPY pyproject.toml requirements.lock README.md ./
# First the dependencies alone, against an empty package: a change of our code does not install them again.
RUN mkdir ftworker fine_tuning \
    && echo '__version__ = "0"' > ftworker/__init__.py && touch fine_tuning/__init__.py main.py \
    && /tools/bin/pip --python /opt/ftworker/bin/python install ".[s3]"
COPY ftworker ftworker
COPY fine_tuning fine_tuning
COPY main.py ./
RUN /tools/bin/pip --python /opt/ftworker/bin/python install --no-deps --force-reinstall .

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ftworker" \
      org.opencontainers.image.description="Retrains a RAG's language model from its own conversations" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 ftworker \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin ftworker \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /opt/ftworker /opt/ftworker
COPY config /etc/ftworker
ENV PATH=/opt/ftworker/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FTWORKER_HOME=/data \
    FTWORKER_CONFIG=/etc/ftworker/ftworker.toml
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 9464
# For `ftworker web`; docker-compose.yml names the process for each of the others.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["ftworker", "health", "web"]
CMD ["ftworker", "web", "--host", "0.0.0.0"]
