# A function in an image of your own base: nothing there reads AWS_LAMBDA_EXEC_WRAPPER, so the
# wrapper stands before the runtime's command in the entry point. glibc 2.26 or newer, bash.
FROM lamprey:x86_64 AS lamprey

FROM python:3.13-slim
RUN pip install --no-cache-dir awslambdaric
COPY --from=lamprey /opt/ /opt/
WORKDIR /function
COPY index.py .
ENTRYPOINT ["/opt/lamprey", "python3", "-m", "awslambdaric"]
CMD ["index.handler"]
