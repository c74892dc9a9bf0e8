# Diarist with the models of a folder inside, for machines that reach no network.
#
#   docker build -f docker/offline.Dockerfile --build-arg IMAGE=diarist -t diarist:offline ~/.cache/diarist
#
# The context is a model folder (DIARIST_CACHE). Of its models, MODELS are checked byte by byte and taken along. A
# machine that reaches the network needs no such folder: see STARTER_MODELS in docker/Dockerfile.
ARG IMAGE=diarist

FROM ${IMAGE} AS models
ARG MODELS="base segmentation-3.0 campplus"
USER 0
COPY models/ /context/models/
RUN mkdir -p /chosen/models \
 && for model in ${MODELS}; do \
      DIARIST_CACHE=/context diarist models verify "$model" \
      && cp -r "$(DIARIST_CACHE=/context diarist models path "$model")" /chosen/models/ \
      || exit 1; \
    done \
 && chmod -R a+rX /chosen

FROM ${IMAGE}
COPY --from=models /chosen /opt/starter
ENV HF_HUB_OFFLINE=1
