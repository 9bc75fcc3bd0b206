# One image for worker, web and indexer; the command says which. The same install as in the README.
FROM python:3.11-slim AS build
# Compilers are for platforms without ready-made wheels; they stay in this stage.
RUN apt-get update && apt-get install --yes --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/recognizer
ENV PATH=/opt/recognizer/bin:$PATH
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir .

FROM python:3.11-slim
COPY --from=build /opt/recognizer /opt/recognizer
ENV PATH=/opt/recognizer/bin:$PATH PYTHONUNBUFFERED=1 XDG_CACHE_HOME=/tmp/cache
RUN useradd --system --uid 10001 --home-dir /data recognizer && install --directory --owner recognizer /data
USER recognizer
VOLUME /data
WORKDIR /data
CMD ["recognizer", "--help"]
