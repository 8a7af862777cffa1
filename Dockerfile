# Two images from one file:
#   docker build --target api -t seqrec .                 serves; has nothing that only training needs
#   docker build --target training -t seqrec-training .   can also train: `seqrec prepare`, `seqrec up`
# Build with torch for the CPU (the default) or for CUDA:
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
FROM python:3.11-slim AS service-dependencies

RUN python -m venv /opt/seqrec
ENV PATH=/opt/seqrec/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_RETRIES=2
WORKDIR /build

# The dependencies alone: a change of the code or of a document does not install them again.
COPY requirements/service.txt requirements/
RUN pip install --no-deps --require-hashes --requirement requirements/service.txt

# Without a checksum: its files differ from index to index. What it needs is there by now, but for the CUDA libraries
# of such a build. An index that is out of reach is passed over, and the pinned version taken from wherever pip finds it.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY constraints.txt .
RUN pip install --constraint constraints.txt --extra-index-url "$TORCH_INDEX" torch


FROM service-dependencies AS training-dependencies

COPY requirements/training.txt requirements/
RUN pip install --no-deps --require-hashes --requirement requirements/training.txt


# The package alone, in a folder of its own, so that it is a small layer of the images.
FROM service-dependencies AS package

COPY requirements/build.txt requirements/
RUN pip install --no-deps --require-hashes --requirement requirements/build.txt
COPY LICENSE pyproject.toml ./
COPY docs/pypi.md docs/pypi.md
COPY app app
COPY model model
COPY migrations migrations
COPY seqrec seqrec
RUN pip install --no-deps --no-build-isolation --prefix /package .


FROM python:3.11-slim AS base

LABEL org.opencontainers.image.title="SeqRec" \
      org.opencontainers.image.description="Predicts ratings and recommends movies from what users rated, in order" \
      org.opencontainers.image.licenses="MIT"

# A user by number, so that a host can tell that it is not root.
RUN useradd --uid 10001 --create-home seqrec \
 && install --directory --owner seqrec /srv/seqrec /srv/seqrec/data /srv/seqrec/artifacts /srv/seqrec/given
# Title models are downloaded beside the artifacts: the root file system may be read-only.
ENV PATH=/opt/seqrec/bin:$PATH PYTHONUNBUFFERED=1 SEQREC_HOST=0.0.0.0 HF_HOME=/srv/seqrec/artifacts/.huggingface
USER 10001:10001
WORKDIR /srv/seqrec
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
ENTRYPOINT ["seqrec"]


FROM base AS api

COPY --from=service-dependencies /opt/seqrec /opt/seqrec
COPY --from=package /package /opt/seqrec
CMD ["serve"]


FROM base AS training

COPY --from=training-dependencies /opt/seqrec /opt/seqrec
COPY --from=package /package /opt/seqrec
CMD ["up"]
