# The server behind a URL; docs/hosting.md says how to run it, and compose.yaml runs two of them.
FROM python:3.13-slim-bookworm AS build
# With `postgres,observability,video` it can also join clips and show previews (100 MB more).
ARG EXTRAS=postgres,observability
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src src
# A new volume takes over the owner of /data.
RUN python -m venv /opt/seedance-mcp \
    && /opt/seedance-mcp/bin/pip install --no-cache-dir --quiet --compile ".[${EXTRAS}]" \
    && install -d -m 0700 -o 10001 -g 10001 /data

FROM python:3.13-slim-bookworm
COPY --from=build /opt/seedance-mcp /opt/seedance-mcp
COPY --from=build --chown=10001:10001 /data /data
ENV PATH=/opt/seedance-mcp/bin:$PATH \
    HOME=/data \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SEEDANCE_STATE_DIR=/data/state \
    SEEDANCE_OUTPUT_DIR=/data/clips
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# In this form the server is the first process, so that SIGTERM reaches it.
ENTRYPOINT ["seedance-mcp"]
# It refuses to start unless a variable says who may call.
CMD ["serve", "--transport", "http", "--host", "0.0.0.0", "--port", "8000"]
