# One file, an image a service: docker build --target inference|worker|updater|simulator .
# Only updater carries torch. Nothing in here needs BuildKit.
ARG PYTHON_IMAGE=python:3.11-slim

# --- what each service needs, in the versions of requirements.txt: built here, only /opt/venv is taken over ------------------
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH
WORKDIR /build
RUN python -m venv /opt/venv
COPY pyproject.toml requirements.txt ./
COPY deploy/install-torch.sh deploy/install-extra.sh deploy/slim.sh deploy/

FROM build AS inference-build
RUN deploy/install-extra.sh serving && deploy/slim.sh /opt/venv

FROM build AS worker-build
RUN deploy/install-extra.sh cli worker && deploy/slim.sh /opt/venv

FROM build AS updater-build
# Empty: deploy/install-torch.sh names the index of the CPU build. Where that cannot be reached, torch comes from plain PyPI.
ARG TORCH_INDEX=
RUN TORCH_INDEX=${TORCH_INDEX} deploy/install-torch.sh && deploy/install-extra.sh cli training && deploy/slim.sh /opt/venv

# --- the services ------------------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS service
LABEL org.opencontainers.image.title="allora-worker-node" \
      org.opencontainers.image.description="A worker node for the Allora network" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim"
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1
# The folders are made here so that new volumes inherit their owner.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin node \
    && mkdir -p /app/demo /config /data /models && chown node:node /app/demo /data /models
WORKDIR /app
COPY LICENSE ./
COPY deploy/container.env ./.env
COPY deploy/allora-node /usr/local/bin/
COPY node ./node

# Importing a service while its image is built shows that nothing is missing, and leaves what is imported compiled: a container
# could not write that down itself.
FROM service AS inference
COPY --from=inference-build /opt/venv /opt/venv
COPY market ./market
COPY forecasting ./forecasting
COPY model_store ./model_store
COPY inference ./inference
RUN ["python", "-c", "from inference.application import ROUTES; from inference.routes import openapi as o; o.BUILT.write_bytes(o.write_document(ROUTES))"]
# Large arrays go back to the machine when they are done with, and docstrings stay on the disk: a quarter of the memory of a node with
# six topics.
ENV MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=65536 PYTHONOPTIMIZE=2
RUN ["python", "-c", "import inference.http.server, inference.service, inference.http.tcp_proxy, node.probe"]
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --retries=3 --start-period=2m CMD ["python", "-m", "node.probe", "8000"]
CMD ["python", "-m", "inference"]

FROM service AS worker
COPY --from=worker-build /opt/venv /opt/venv
COPY worker ./worker
COPY cli ./cli
RUN ["python", "-c", "import worker.service, cli.main, node.probe"]
USER 10001:10001
EXPOSE 8002
HEALTHCHECK --interval=5s --timeout=5s --retries=3 --start-period=2m CMD ["python", "-m", "node.probe", "8002"]
CMD ["python", "-m", "worker"]

FROM service AS updater
COPY --from=updater-build /opt/venv /opt/venv
COPY market ./market
COPY forecasting ./forecasting
COPY model_store ./model_store
COPY updater ./updater
COPY cli ./cli
RUN ["python", "-c", "import updater.service, forecasting.training.train, cli.main, cli.models, node.probe"]
USER 10001:10001
EXPOSE 8001
HEALTHCHECK --interval=5s --timeout=5s --retries=3 --start-period=2m CMD ["python", "-m", "node.probe", "8001"]
CMD ["python", "-m", "updater"]

# --- the demo's exchange and chain -------------------------------------------------------------------------------------------
FROM build AS simulator-build
RUN deploy/install-extra.sh simulator && deploy/slim.sh /opt/venv

FROM service AS simulator
COPY --from=simulator-build /opt/venv /opt/venv
COPY simulator ./simulator
RUN ["python", "-c", "import simulator.exchange.app, simulator.chain.server, simulator.announce"]
USER 10001:10001
CMD ["python", "-m", "simulator.exchange"]
