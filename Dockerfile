# One build, three images: docker build --target updater|inference|worker|simulator .
# Only updater carries torch. Nothing in here needs BuildKit.
ARG PYTHON_IMAGE=python:3.11-slim

# --- what all services share: the code's needs, installed into /opt/venv and copied from there ------------------------------
FROM ${PYTHON_IMAGE} AS base-build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY pyproject.toml requirements.txt ./
COPY deploy/install-torch.sh deploy/install-extra.sh deploy/

FROM base-build AS inference-build
RUN deploy/install-extra.sh serving

FROM base-build AS worker-build
RUN deploy/install-extra.sh worker

FROM base-build AS updater-build
# Empty: deploy/install-torch.sh names the index of the CPU build; without it torch comes from plain PyPI.
ARG TORCH_INDEX=
RUN TORCH_INDEX=${TORCH_INDEX} deploy/install-torch.sh && deploy/install-extra.sh training

FROM base-build AS simulator-build
RUN deploy/install-extra.sh simulator

# --- the services ------------------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS service
LABEL org.opencontainers.image.title="allora-worker-node" \
      org.opencontainers.image.description="A worker node for the Allora network" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LOG_FORMAT=json \
    CONFIG_FILE=/app/config.json DATABASE_URL=sqlite:////data/node.db MODEL_STORE=/models \
    INFERENCE_HOST=0.0.0.0 STATUS_HOST=0.0.0.0
# The folders are made here so that new volumes inherit their owner.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin node \
    && mkdir -p /data /models && chown node:node /data /models
WORKDIR /app
COPY LICENSE ./
COPY node ./node

FROM service AS inference
COPY --from=inference-build /opt/venv /opt/venv
COPY market ./market
COPY forecasting ./forecasting
COPY model_store ./model_store
COPY inference ./inference
USER node
EXPOSE 8000
CMD ["python", "-m", "inference"]

FROM service AS worker
COPY --from=worker-build /opt/venv /opt/venv
COPY worker ./worker
USER node
EXPOSE 8002
CMD ["python", "-m", "worker"]

FROM service AS simulator
COPY --from=simulator-build /opt/venv /opt/venv
COPY simulator ./simulator
USER node
CMD ["python", "-m", "simulator.exchange"]

FROM service AS updater
COPY --from=updater-build /opt/venv /opt/venv
COPY market ./market
COPY forecasting ./forecasting
COPY model_store ./model_store
COPY updater ./updater
COPY cli ./cli
USER node
EXPOSE 8001
CMD ["python", "-m", "updater"]
