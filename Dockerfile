ARG NODE_VERSION=20

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
COPY cluster ./cluster
# Without testing/: `engine.io-cluster/testing` starts servers that are not here.
RUN npm run build && npm prune --omit=dev

FROM node:${NODE_VERSION}-bookworm-slim
WORKDIR /app
# One node for each container: the process itself, without primary and front.
ENV NODE_ENV=production \
    WORKERS=1 \
    PORT=3000 \
    HEALTH_PORT=9464
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/package.json ./
# For what the command does besides: docker run --rm --entrypoint engine.io-cluster IMAGE doctor URL
RUN ln -s /app/dist/cluster/cli.js /usr/local/bin/engine.io-cluster
# A user that the image has, by number: Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 3000 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "const port = process.env.HEALTH_PORT || 9464; if (port === 'off') process.exit(0); fetch('http://127.0.0.1:' + port + '/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# No shell and no npm before it: signals reach the process itself.
# The whole path: an image that is FROM this one may work in another folder.
ENTRYPOINT ["node", "--enable-source-maps", "/app/dist/cluster/cli.js"]
CMD ["serve"]
