// The same work as waterfall.py's, one after the other on the event loop, and the same line.
import { spawn } from "node:child_process";
import dns from "node:dns/promises";
import { once } from "node:events";
import fs from "node:fs/promises";
import net from "node:net";
import tls from "node:tls";

const PORT = 18443;
const LOCK_MS = 20;
const CPU_MS = 30;
const { PIPE, CERTIFICATE, PLAIN_PYTHON } = process.env;

const server = spawn(PLAIN_PYTHON, ["waterfall_server.py", `${PORT}`, CERTIFICATE, PIPE], {
  stdio: ["ignore", "pipe", "inherit"],
});
await once(server.stdout, "data");

function waitForLock() {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_MS);
}

function compute() {
  const begin = process.cpuUsage();
  let used = begin;
  do {
    used = process.cpuUsage(begin);
  } while (used.user + used.system < CPU_MS * 1000);
}

async function query(stream) {
  stream.write("q");
  await once(stream, "data");
}

async function connect() {
  const connection = net.connect(PORT, "127.0.0.1");
  connection.setNoDelay(true);
  await once(connection, "connect");
  return connection;
}

async function shakeHands(connection) {
  const stream = tls.connect({ socket: connection, rejectUnauthorized: false });
  await once(stream, "secureConnect");
  return stream;
}

async function handler() {
  const steps = [];
  const timed = async (name, work) => {
    const before = process.cpuUsage();
    const begin = process.hrtime.bigint();
    const result = await work();
    const took = Number(process.hrtime.bigint() - begin) / 1e6;
    const { user, system } = process.cpuUsage(before);
    steps.push([name, begin, took, (user + system) / 1000]);
    return result;
  };
  await timed("dns", () => dns.lookup("db.internal.example", 4));
  const connection = await timed("connect", connect);
  const stream = await timed("tls", () => shakeHands(connection));
  for (let i = 0; i < 3; i++) {
    await timed("query", () => query(stream));
  }
  await timed("pipe", () => fs.readFile(PIPE));
  await timed("lock", waitForLock);
  await timed("cpu", compute);
  stream.destroy();
  const told = steps.map(([name, begin, ...rest]) => [name, Number(begin - steps[0][1]) / 1e6, ...rest]);
  console.log("steps", JSON.stringify(told));
}

export default { handler };
