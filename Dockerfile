# CPU:   docker build -t gdfq-export .
# TORCH_INDEX_URL picks the build of torch, as on PyTorch's installation page: its CPU index for a small image, a CUDA index for GPUs.
#        docker build -t gdfq-export:cuda --build-arg TORCH_INDEX_URL=... .
# Use:   docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" gdfq-export quantize net.onnx --onnx-out q.onnx

FROM python:3.11-slim AS build
ARG TORCH_INDEX_URL=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/gdfq-export
ENV PATH=/opt/gdfq-export/bin:$PATH
WORKDIR /src
COPY constraints.txt .
RUN pip install "$(grep '^torch==' constraints.txt)" ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"}
COPY . .
RUN pip install --constraint constraints.txt '.[demo]'

FROM python:3.11-slim
COPY --from=build /opt/gdfq-export /opt/gdfq-export
ENV PATH=/opt/gdfq-export/bin:$PATH PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1 HOME=/tmp
RUN useradd --create-home --uid 1000 gdfq
USER gdfq
WORKDIR /work
ENTRYPOINT ["gdfq-export"]
CMD ["--help"]
