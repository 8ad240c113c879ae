// The same work as timed.py's, all of it at once on the event loop. Answers how long it took in all.
import { spawn } from "node:child_process";
import dns from "node:dns/promises";
import fs from "node:fs/promises";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const ask = (port) =>
  new Promise((resolve, reject) => {
    http
      .get({ host: "127.0.0.1", port, agent: false }, (incoming) => {
        incoming.on("data", () => {});
        incoming.on("end", resolve);
      })
      .on("error", reject);
  });

const child = (seconds) =>
  new Promise((resolve) => spawn("sleep", [`${seconds}`]).on("close", resolve));

export async function timed(event) {
  const begin = process.hrtime.bigint();
  await Promise.all([
    event.sleep ? sleep(event.sleep * 1000) : null,
    event.network ? ask(event.network) : null,
    event.child ? child(event.child) : null,
    event.dns ? dns.lookup(event.dns, 4) : null,
    event.resolve ? dns.resolve4(event.resolve) : null,
    event.read ? fs.readFile(event.read) : null,
  ]);
  return { took: Number(process.hrtime.bigint() - begin) / 1e6 };
}
