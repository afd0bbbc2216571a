FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY libs/protocol/package.json libs/protocol/
COPY libs/client/package.json libs/client/
COPY libs/realtime/package.json libs/realtime/
RUN npm ci --include=dev --no-audit --no-fund
COPY nest-cli.json tsconfig.base.json tsconfig.json ./
COPY libs libs
COPY apps apps
RUN npm run build

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json package-lock.json ./
COPY libs/protocol/package.json libs/protocol/
COPY libs/client/package.json libs/client/
COPY libs/realtime/package.json libs/realtime/
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force
COPY --from=build /app/libs/protocol/dist libs/protocol/dist
COPY --from=build /app/libs/client/dist libs/client/dist
COPY --from=build /app/libs/realtime/dist libs/realtime/dist
COPY --from=build /app/dist dist
# By number: Kubernetes can't tell from a name that it isn't root.
USER 1000:1000
EXPOSE 3000
# node is process 1 and gets SIGTERM itself: no shell, no npm in between.
CMD ["node", "dist/apps/gateway/main.js"]
