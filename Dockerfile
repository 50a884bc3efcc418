# One build for every binary of this repository, then one small image each.
#
#   docker compose up --build                      the demo (docker-compose.yml)
#   docker build --target web-api-obo .            one image alone
#   docker build --target entra-lab --build-arg PACKAGES="-p entra-lab" .
#                                                  the lab, without building what it does not need
#
# The build stage is the same for all, so compose compiles once and not once a service.
FROM rust:1.95-slim-bookworm AS build
ARG PACKAGES="-p entra-lab -p web-api-obo -p web-app -p daemon-app"
WORKDIR /src

# First the dependencies, against empty sources: this layer stays until a manifest or Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY shared-auth/Cargo.toml shared-auth/
COPY daemon-app/Cargo.toml daemon-app/
COPY web-api-obo/Cargo.toml web-api-obo/
COPY web-app/Cargo.toml web-app/
COPY desktop-app/Cargo.toml desktop-app/
COPY entra-lab/Cargo.toml entra-lab/
COPY e2e/Cargo.toml e2e/
COPY xtask/Cargo.toml xtask/
RUN for member in */; do \
      mkdir "$member/src" && touch "$member/src/lib.rs" && echo 'fn main() {}' > "$member/src/main.rs"; \
    done \
 && rm shared-auth/src/main.rs \
 && cargo build --locked --release $PACKAGES

# Then our own code. cargo compares times: without the touch the empty sources would count as newer.
COPY . .
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
 && cargo build --locked --release $PACKAGES

# What the lab needs beside itself: the C library that it was linked with, and the authorities that the web knows.
FROM build AS needed
RUN mkdir /needed \
 && ldd target/release/entra-lab | grep -o '/[^ ]*' | xargs cp --parents --dereference --target-directory /needed \
 && cp --parents --dereference /etc/ssl/certs/ca-certificates.crt /needed

# What runs: glibc, certificates, an unprivileged user (by number, so that Kubernetes can check it), no shell.
FROM gcr.io/distroless/cc-debian12:nonroot AS runtime
USER 65532:65532

# The lab goes into the pipelines of others, so it is as small as can be: its program, and nothing else that runs.
FROM scratch AS entra-lab
COPY --from=needed /needed /
COPY --from=build /src/target/release/entra-lab /entra-lab
USER 65532:65532
ENTRYPOINT ["/entra-lab"]

FROM runtime AS web-api-obo
COPY --from=build /src/target/release/web-api-obo /web-api-obo
ENTRYPOINT ["/web-api-obo"]

FROM runtime AS web-app
COPY --from=build /src/target/release/web-app /web-app
ENTRYPOINT ["/web-app"]

FROM runtime AS daemon-app
COPY --from=build /src/target/release/daemon-app /daemon-app
ENTRYPOINT ["/daemon-app"]
