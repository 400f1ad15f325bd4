# The service as an image without anything else: one static program, the certificate authorities of Debian, no shell.
# How to build it, for several architectures and behind mirrors: docs/kubernetes.md#the-image

ARG RUST_IMAGE=rust:1.95-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /build
# A static program runs without a C library beside it. It is optimised as a whole, to be smaller: that takes minutes more.
ENV CARGO_INCREMENTAL=0 \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
    CARGO_PROFILE_RELEASE_LTO=fat \
    CARGO_TARGET_DIR=/target \
    RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=/build=/quittance --remap-path-prefix=/usr/local/cargo=/cargo"

# First all that is not ours, over sources that are empty: this layer stays until a dependency changes.
COPY Cargo.toml Cargo.lock ./
COPY sandbox/Cargo.toml sandbox/
RUN --mount=type=secret,id=cargo_config,target=/usr/local/cargo/config.toml \
    mkdir -p src sandbox/src tests \
    && echo 'fn main() {}' >src/main.rs \
    && touch src/lib.rs sandbox/src/lib.rs tests/main.rs \
    && cargo build --locked --release --package quittance --bin quittance --features vault,otlp --target "$(rustc --print host-tuple)"

# Then ours. What was copied is older than what was built of nothing: it is touched, so that cargo sees it.
COPY migrations migrations
COPY src src
RUN --mount=type=secret,id=cargo_config,target=/usr/local/cargo/config.toml \
    touch src/lib.rs src/main.rs \
    && cargo build --locked --release --package quittance --bin quittance --features vault,otlp --target "$(rustc --print host-tuple)" \
    && install -D "/target/$(rustc --print host-tuple)/release/quittance" /image/usr/local/bin/quittance

# hadolint ignore=DL3006
FROM ${BASE_IMAGE} AS roots
# The newest authorities are wanted, not those of a version.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && echo 'hosts: files dns' >/etc/nsswitch.conf

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Quittance" \
      org.opencontainers.image.description="A self-hosted payment service between Odoo and Stripe: to the cent, exactly once" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=roots /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=roots /etc/nsswitch.conf /etc/nsswitch.conf
COPY --from=build /image /
ENV PATH=/usr/local/bin \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    QUITTANCE_LISTEN=0.0.0.0:8080 \
    QUITTANCE_METRICS_LISTEN=0.0.0.0:9464 \
    QUITTANCE_LOG_FORMAT=json
USER 65532:65532
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=15s CMD ["quittance", "health"]
ENTRYPOINT ["quittance"]
CMD ["serve"]
