// Ways of never answering, and of dying, for node_client.mjs.
import dns from "node:dns";
import net from "node:net";
import { execFileSync } from "node:child_process";

const kept = [];

function listen(options) {
  return new Promise((resolve) => {
    const server = net.createServer({ pauseOnConnect: true }, (socket) => kept.push(socket));
    kept.push(server);
    server.listen({ host: "127.0.0.1", port: 0, ...options }, () => resolve(server.address().port));
  });
}

const never = () => new Promise(() => setTimeout(() => {}, 600_000));

const ways = {
  fine() {},
  async connect(event) {
    kept.push(net.connect(event.port, "127.0.0.1"));
    await never();
  },
  async recv() {
    const port = await listen({});
    const client = net.connect(port, "127.0.0.1");
    client.write("hello");
    kept.push(client);
    await never();
  },
  dns: () => new Promise((resolve) => dns.lookup("db.internal.example", resolve)),
  busy() {
    for (;;);
  },
  waitpid: () => execFileSync("sleep", ["600"]),
  sleep: never,
  exit: () => process.exit(1),
  abort: () => process.abort(),
  uncaught: () =>
    new Promise(() => {
      setTimeout(() => {
        throw new Error("nobody catches this");
      }, 1);
    }),
  heap() {
    for (;;) {
      kept.push(new Array(100_000).fill({ kept: kept.length }));
    }
  },
};

export const hang = (event) => ways[event.way](event);
