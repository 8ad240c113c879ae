// A small client of Lambda's Runtime API in plain node:http, as AWS's own one falls back to.
// The event says how long to sleep, how many bytes to allocate and whether to fail; or FUNCTION names a
// file whose handler gets it.
import http from "node:http";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const prefix = "/2018-06-01/runtime";

function request(method, path, body) {
  return new Promise((resolve, reject) => {
    const outgoing = http.request({ host, port, agent, method, path: prefix + path }, (incoming) => {
      const parts = [];
      incoming.on("data", (part) => parts.push(part));
      incoming.on("end", () =>
        resolve({ headers: incoming.headers, text: Buffer.concat(parts).toString() }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

async function handle(event) {
  if (event.timed) {
    return (await import("./timed.mjs")).timed(event.timed);
  }
  if (event.fail) {
    throw new Error(event.fail);
  }
  if (event.way) {
    const { hang } = await import("./hangs.mjs");
    return hang(event);
  }
  await new Promise((resolve) => setTimeout(resolve, (event.sleep ?? 0) * 1000));
  return { allocated: Buffer.alloc(event.bytes ?? 0, 1).length };
}

const { FUNCTION } = process.env;
const own = FUNCTION && (await import(FUNCTION)).default;
const handler = own ? async (event) => (await own.handler(event)) ?? null : handle;

for (;;) {
  const { headers, text } = await request("GET", "/invocation/next");
  const id = headers["lambda-runtime-aws-request-id"];
  try {
    const answer = JSON.stringify(await handler(JSON.parse(text)));
    await request("POST", `/invocation/${id}/response`, answer);
  } catch (error) {
    const body = JSON.stringify({ errorMessage: error.message, errorType: error.name });
    await request("POST", `/invocation/${id}/error`, body);
  }
}
