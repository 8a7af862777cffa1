# Two images from one file:
#   docker build --target api -t seqrec .                 serves; has nothing that only training needs
#   docker build --target training -t seqrec-training .   can also train: `seqrec prepare`, `seqrec up`
# Build with torch for the CPU (the default) or for CUDA:
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
FROM python:3.11-slim AS service-dependencies

RUN python -m venv /opt/seqrec
ENV PATH=/opt/seqrec/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_RETRIES=2
WORKDIR /build

# An index that is out of reach is passed over, and the pinned version taken from wherever pip finds it.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY constraints.txt .
RUN pip install --constraint constraints.txt --extra-index-url "$TORCH_INDEX" torch

# The dependencies alone, of a package without code: a change of the code does not install them again.
COPY pyproject.toml LICENSE ./
COPY docs/pypi.md docs/pypi.md
RUN mkdir app model migrations seqrec \
 && touch app/__init__.py model/__init__.py migrations/__init__.py seqrec/__init__.py \
 && pip install --constraint constraints.txt '.[service]'


FROM service-dependencies AS training-dependencies

RUN pip install --constraint constraints.txt '.[training]'


FROM service-dependencies AS service-build

COPY app app
COPY model model
COPY migrations migrations
COPY seqrec seqrec
RUN pip install --no-deps --force-reinstall .


FROM training-dependencies AS training-build

COPY app app
COPY model model
COPY migrations migrations
COPY seqrec seqrec
RUN pip install --no-deps --force-reinstall .


FROM python:3.11-slim AS base

RUN useradd --create-home seqrec \
 && install --directory --owner seqrec /srv/seqrec /srv/seqrec/data /srv/seqrec/artifacts /srv/seqrec/given
ENV PATH=/opt/seqrec/bin:$PATH PYTHONUNBUFFERED=1 SEQREC_HOST=0.0.0.0
USER seqrec
WORKDIR /srv/seqrec
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
ENTRYPOINT ["seqrec"]


FROM base AS api

COPY --from=service-build /opt/seqrec /opt/seqrec
CMD ["serve"]


FROM base AS training

COPY --from=training-build /opt/seqrec /opt/seqrec
CMD ["up"]
