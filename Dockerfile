# One image with the four programs and the probe of its health checks, and
# nothing else: no shell, no package manager, no user but 65532.
#
#   docker build -t tapedeck .
#   docker run --rm tapedeck demo

FROM golang:1.26.8-alpine AS build
WORKDIR /src
# The modules first: they change less often than the code.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Static, and without the builder's paths; -buildvcs=false because the .git
# directory stays outside (see .dockerignore).
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-s -o /out/ ./cmd/... ./deploy/probe \
 && mkdir -p /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/api /out/analyzer /out/recorder /out/tapedeck /out/probe /usr/local/bin/
# Where the embedded mode keeps everything, if this image runs `tapedeck up`.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV XDG_DATA_HOME=/data
ENTRYPOINT ["/usr/local/bin/tapedeck"]
CMD ["--help"]
