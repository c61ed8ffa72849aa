# On CPUs: docker build -t hwr-jax .
# With CUDA: docker build --build-arg EXTRA=cuda13 -t hwr-jax .   (or cuda12; run it with --gpus=all)
FROM python:3.13-slim

ARG EXTRA=""

# The compiler is for the kernels of CPUs, which are compiled for the one that they run on.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /hwr_jax
COPY . .
RUN pip install --no-cache-dir -e ".${EXTRA:+[$EXTRA]}" -c constraints.txt

# What runs write belongs to a user who is not root, in a folder to mount.
RUN useradd --create-home --uid=1000 reader && mkdir /work && chown reader /work
USER 1000
WORKDIR /work

ENTRYPOINT ["hwr"]
CMD ["--help"]
