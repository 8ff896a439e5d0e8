# One image for each service: `docker build .` builds the operator, `--build-arg SERVICE=migrator` one service.
#
# BUILD_IMAGE has Node 24, npm and a compiler (add-ons are built here, not downloaded); BASE_IMAGE has glibc and libstdc++ and nothing else
# that is used. Without a network, hand in a BUILD_IMAGE with an npm cache in it, and NPM_FLAGS="--offline --cache=/npm-cache".
ARG BUILD_IMAGE=node:24-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

# What package-lock.json names. The manifests alone decide whether this layer is made anew.
FROM ${BUILD_IMAGE} AS dependencies
ARG NPM_FLAGS=""
WORKDIR /src
COPY .npmrc package.json package-lock.json ./
COPY shared/package.json shared/
COPY cli/package.json cli/
COPY services/ec-encoder/package.json services/ec-encoder/
COPY services/mayastor-simulator/package.json services/mayastor-simulator/
COPY services/metrics-watcher/package.json services/metrics-watcher/
COPY services/migrator/package.json services/migrator/
COPY services/policy-brain/package.json services/policy-brain/
RUN npm ci ${NPM_FLAGS}

# For tilt: from source, by Node itself, started again when a file changes. Its entrypoint comes from tilt/Tiltfile.
FROM dependencies AS dev
COPY --chown=10001:10001 tsconfig.base.json ./
COPY --chown=10001:10001 shared shared
COPY --chown=10001:10001 services services
COPY --chown=10001:10001 cli cli
COPY --chown=10001:10001 scripts scripts
COPY --chown=10001:10001 deploy/local deploy/local
RUN mkdir /data && chown 10001:10001 /data
ENV HEALTH_ADDR=0.0.0.0:8081
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "/src/scripts/probe-health.mjs"]
CMD ["node", "--conditions=source", "cli/src/main.ts", "operator"]

FROM dependencies AS build
ARG NPM_FLAGS=""
COPY tsconfig.base.json ./
COPY shared shared
COPY services services
COPY cli cli
RUN node node_modules/typescript/bin/tsc -b cli services/ec-encoder && npm prune --omit=dev ${NPM_FLAGS}
COPY scripts scripts
COPY deploy/local deploy/local
ARG SERVICE=operator
RUN node scripts/assemble-image.mjs "${SERVICE}" /image
# The codecs' add-ons, where they are wanted; found at run time by the hash of the sources beside them.
RUN if [ -d /image/app/services/ec-encoder ]; then node scripts/provision-native.mjs /image/app/native; fi

FROM ${BASE_IMAGE}
COPY --from=build /image/bin /usr/local/bin
COPY --from=build /image/app /app
# Nothing else is written, so that the root file system can be read-only. A named volume takes its owner from here.
COPY --from=build --chown=10001:10001 /image/data /data
ENV NODE_ENV=production HEALTH_ADDR=0.0.0.0:8081 COUCHESTOR_NATIVE_DIR=/app/native
WORKDIR /app
USER 10001:10001
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "/app/probe-health.mjs"]
ENTRYPOINT ["node", "/app/main.mjs"]
