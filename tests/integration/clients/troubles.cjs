// The troubles of the table in docs/clients.md, for AWS's Node client.
const fs = require("node:fs/promises");
const net = require("node:net");
const process = require("node:process");
const { Worker } = require("node:worker_threads");

const kept = [];

function ask(port, host = "127.0.0.1") {
  return new Promise((resolve, reject) => {
    const connection = net.connect(port, host);
    connection.on("error", reject);
    connection.on("data", resolve);
    connection.write("GET / HTTP/1.1\r\nHost: quiet\r\n\r\n");
  });
}

function askInWorker(port) {
  const code = `
    const { parentPort } = require("node:worker_threads");
    const connection = require("node:net").connect(${port}, "127.0.0.1");
    connection.on("data", () => parentPort.postMessage("answered"));
    connection.write("GET / HTTP/1.1\\r\\nHost: quiet\\r\\n\\r\\n");`;
  return new Promise((resolve) => new Worker(code, { eval: true }).on("message", resolve));
}

function compute() {
  let number = 0;
  while (number >= 0) {
    number = (number * 31 + 7) & 0xffff;
  }
}

function remember() {
  for (;;) {
    kept.push(Buffer.alloc(1 << 20, 1));
  }
}

exports.handler = async (event) => {
  switch (event.way) {
    case "error":
      throw new RangeError("no such customer");
    case "busy":
      compute();
      break;
    case "silent":
      await ask(event.port);
      break;
    case "named":
      await ask(event.port, "localhost");
      break;
    case "file":
      await fs.readFile(__filename);
      break;
    case "worker":
      await askInWorker(event.port);
      break;
    case "memory":
      remember();
      break;
    case "exit":
      process.exit(3);
      break;
    case "crash":
      process.abort();
      break;
    default:
  }
  return { way: event.way };
};
