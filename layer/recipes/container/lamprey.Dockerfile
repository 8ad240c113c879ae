# The layer as an image with nothing else in it, to copy from. Unpack the zip of the architecture
# first, into the build context:
#
#   unzip dist/lamprey-x86_64.zip -d build/layer-image
#   docker build -f layer/recipes/container/lamprey.Dockerfile -t lamprey:x86_64 build/layer-image
FROM scratch
COPY . /opt/
