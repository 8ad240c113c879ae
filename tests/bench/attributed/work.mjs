// What a handler does, five times, as work.py: sleeps, asks a slow server, runs a child, all at once,
// after it wrote and read files. Usage: work.mjs PORT
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const port = process.argv[2];
const ask = () =>
  new Promise((resolve) =>
    http.get({ host: "127.0.0.1", port, agent: false }, (incoming) => {
      incoming.on("data", () => {});
      incoming.on("end", resolve);
    }),
  );
const child = () => new Promise((resolve) => spawn("sleep", ["0.03"]).on("close", resolve));

for (let round = 0; round < 5; round++) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "work"));
  for (let i = 0; i < 20; i++) {
    fs.writeFileSync(path.join(folder, `${i}`), "x".repeat(1000));
  }
  for (const name of fs.readdirSync(folder)) {
    fs.readFileSync(path.join(folder, name));
    await fs.promises.stat(path.join(folder, name));
  }
  await Promise.all([sleep(200), ask(), child()]);
  fs.rmSync(folder, { recursive: true });
}
