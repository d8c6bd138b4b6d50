# One image, every service: `docker run IMAGE gateway`, `docker run IMAGE fingerprint`, ... or all of them in one process:
#   docker run -p 127.0.0.1:8000:8000 -v tunescout:/var/lib/tunescout IMAGE
# Under another address or port, TUNESCOUT_PUBLIC_URL says where clients upload to and play from.

# The pages. Node.js comes by hash like everything else, and stays in this stage.
FROM python:3.11-slim-bookworm AS pages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PATH=/opt/node/bin:$PATH
WORKDIR /build/web
COPY requirements/node.txt ../requirements/
RUN python -m venv /opt/node \
    && /opt/node/bin/pip install --require-hashes --only-binary :all: -r ../requirements/node.txt
COPY web/package.json web/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY web .
RUN npm run build

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
# The dependencies first: they change less often than the code. All by hash: nobody can swap one on the way.
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --only-binary :all: -r requirements/runtime.txt \
    && python -m venv tools \
    && tools/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY services services
COPY shared shared
COPY tunescout tunescout
COPY --from=pages /build/services/gateway/static services/gateway/static
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
    && /opt/venv/bin/pip install --no-deps --no-index wheels/*.whl

FROM python:3.11-slim-bookworm
# The folders that must be writable: everything else may be mounted read-only.
#   /var/lib/tunescout    data of the one-process service, scratch of the others
#   /var/cache/tunescout  code that numba has compiled for this machine's processor
# Open like /tmp: a tmpfs mounted there takes over the mode, but belongs to root.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/tunescout tunescout \
    && install -d -o tunescout -g tunescout -m 1777 /var/lib/tunescout /var/cache/tunescout
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/var/lib/tunescout \
    NUMBA_CACHE_DIR=/var/cache/tunescout \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TUNESCOUT_DATA_DIR=/var/lib/tunescout \
    TUNESCOUT_HOST=0.0.0.0 \
    TUNESCOUT_PUBLIC_URL=http://127.0.0.1:8000
USER 10001:10001
VOLUME ["/var/lib/tunescout"]
EXPOSE 8000
ENTRYPOINT ["tunescout", "serve"]
