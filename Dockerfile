# The image of workers and commands. Build: docker build -t streamproc:0.2.0 .
# Base and packages are pinned (constraints.txt); add the base's digest where builds must be the same to the byte.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/streamproc
# Dependencies first: a change of our code leaves this layer as it is. Wheels only, so no compiler is needed.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt \
 && /opt/streamproc/bin/pip install --only-binary :all: -c constraints.txt -r requirements.txt
COPY README.md LICENSE ./
COPY streamproc streamproc
RUN /opt/streamproc/bin/pip install --no-deps . \
 && /opt/streamproc/bin/pip uninstall --yes pip setuptools \
 && /opt/streamproc/bin/python -m compileall -q /opt/streamproc/lib

FROM ${PYTHON_IMAGE}
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="streamproc" \
      org.opencontainers.image.description="Real-time KPIs for B2B sales" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A number, so that Kubernetes can see that it is not root.
RUN groupadd --gid 10001 streamproc \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin streamproc
COPY --from=build /opt/streamproc /opt/streamproc
# Nothing is written but into /tmp: run it with a read-only file system and a tmpfs there.
ENV PATH=/opt/streamproc/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    STREAMPROC_HOST=0.0.0.0 STREAMPROC_PORT=8700
WORKDIR /tmp
USER 10001:10001
EXPOSE 8700
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['STREAMPROC_PORT'] + '/live', timeout=4)"]
ENTRYPOINT ["streamproc"]
CMD ["worker", "--stage", "kpis"]
