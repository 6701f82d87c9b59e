# The server in production mode: it takes its database, mail server and secrets from the environment.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /userdocks
COPY Cargo.toml Cargo.lock ./
COPY .sqlx .sqlx
COPY config config
COPY migrations migrations
COPY src src
RUN cargo build --release --locked

FROM debian:bookworm-slim
# For TLS to the mail server.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /userdocks/target/release/userdocks /usr/local/bin/userdocks
ENV USERDOCKS_ENV=production \
    USERDOCKS_SERVER__LISTEN=0.0.0.0:8080 \
    USERDOCKS_SERVER__METRICS_LISTEN=0.0.0.0:9090
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["userdocks"]
