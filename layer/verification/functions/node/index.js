// The function that `layer/verify` invokes, in Node.js; verify_function.py says what each scenario does.
const fs = require("fs");
const net = require("net");

if (process.env.VERIFY_INIT === "fail") {
  throw new Error("init fails on purpose");
}

const WRITES = 37;
const PIECE = 100;
const SENT = 1000;
const RECEIVED = 2000;
const SLEEP_MS = 50;
const KEPT_BYTES = 100_000;
const kept = [];

function tell(event, truth) {
  const line = { number: event.number, scenario: event.scenario, ...truth };
  fs.writeSync(1, `lamprey-verify ${JSON.stringify(line)}\n`);
}

function writeFile(number) {
  const path = `/tmp/verify-${number}`;
  const file = fs.openSync(path, "w", 0o600);
  for (let i = 0; i < WRITES; i++) {
    fs.writeSync(file, ".".repeat(PIECE));
  }
  fs.closeSync(file);
  fs.unlinkSync(path);
  return { path, writes: WRITES, bytes: WRITES * PIECE };
}

function talk() {
  return new Promise((resolve, reject) => {
    const server = net.createServer((answering) => {
      let got = 0;
      answering.on("data", (part) => {
        got += part.length;
        if (got === SENT) {
          answering.end("!".repeat(RECEIVED));
        }
      });
    });
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      const client = net.connect(port, "127.0.0.1", () => client.write("?".repeat(SENT)));
      client.on("error", reject);
      client.on("data", () => {});
      client.on("close", () => {
        server.close();
        resolve({ port, sent: SENT, received: RECEIVED });
      });
    });
  });
}

class VerifyError extends Error {
  constructor(message) {
    super(message);
    this.name = "VerifyError";
  }
}

const never = () => new Promise(() => setTimeout(() => {}, 900_000));

const scenarios = {
  async healthy(event) {
    const truth = { file: writeFile(event.number), peer: await talk() };
    await new Promise((resolve) => setTimeout(resolve, SLEEP_MS + 1)); // timers may be a little early
    tell(event, { slept_ms: SLEEP_MS, ...truth });
    return { well: true };
  },
  async error(event) {
    tell(event, { error_type: "VerifyError" });
    throw new VerifyError("on purpose");
  },
  async large_response(event) {
    tell(event);
    return "x".repeat(event.bytes);
  },
  async leak(event) {
    kept.push(Buffer.alloc(KEPT_BYTES, 1));
    tell(event, { kept_bytes: KEPT_BYTES });
    return null;
  },
  async silent_host(event) {
    const server = net.createServer((answering) => kept.push(answering));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address();
    const client = net.connect(port, "127.0.0.1", () => {
      client.write("?");
      tell(event, { port });
    });
    kept.push(client);
    await never();
  },
  async busy_loop(event) {
    tell(event);
    for (;;);
  },
  async out_of_memory(event) {
    tell(event);
    for (;;) {
      kept.push(Buffer.alloc(1_000_000, 1));
    }
  },
  async exit(event) {
    tell(event);
    process.exit(3);
  },
  async crash(event) {
    tell(event);
    process.abort();
  },
  async binaries(event) {
    const maps = fs.readFileSync("/proc/self/maps", "utf8");
    const paths = new Set(maps.split("\n").map((line) => line.split(/\s+/)[5]).filter(Boolean));
    const found = {};
    for (const path of paths) {
      if (/\/(libc[.-][^/]*|node|libnode[^/]*)$/.test(path)) {
        found[path.split("/").pop()] = look(path, "v8dbg_");
      }
    }
    tell(event);
    return found;
  },
};

// A file's build id, and whether it has the words by which a reader finds its way.
function look(path, words) {
  const piece = Buffer.alloc(1 << 20);
  const file = fs.openSync(path, "r");
  let buildId = null;
  let has = false;
  let tail = Buffer.alloc(0);
  for (let at = 0, n; (n = fs.readSync(file, piece, 0, piece.length, at)) > 0; at += n) {
    const here = Buffer.concat([tail, piece.subarray(0, n)]);
    const note = at === 0 ? here.indexOf(Buffer.from("040000001400000003000000474e5500", "hex")) : -1;
    buildId = note >= 0 ? here.subarray(note + 16, note + 36).toString("hex") : buildId;
    has = has || here.includes(words);
    tail = here.subarray(-words.length);
  }
  fs.closeSync(file);
  return { build_id: buildId, [words]: has };
}

exports.handler = (event) => scenarios[event.scenario](event);

// A function of its own, since a function is either streamed or not.
if (typeof awslambda !== "undefined") {
  exports.stream = awslambda.streamifyResponse(async (event, response) => {
    for (let i = 0; i < 3; i++) {
      response.write("x".repeat(100_000));
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    tell(event, { slept_ms: 80 });
    response.end();
  });
}
