// Makes every kind of JavaScript stack, and says what V8 itself sees of it. Run by
// test_node_frames.py. Usage: node_shapes.js RESULT SHAPE. RESULT gets a line of JSON for each point:
// its tag, and its frames as [file, line, function, is it awaited]. Runs on Node.js 18 and later.
'use strict';
const fs = require('fs');
const path = require('path');
const vm = require('vm');
const { Worker, isMainThread } = require('worker_threads');

const [result, wanted] = process.argv.slice(2);
const LARGE = 4 << 20; // far above the mean distance of samples: always one
Error.stackTraceLimit = 100;

const awaited = (call) => (call.isAsync ? call.isAsync() : false);
function noted(_, calls) {
  return calls
    .filter((call) => !call.isNative() && call.getLineNumber() !== null && !/^wasm:/.test(call.getFileName() || ''))
    .map((call) => [call.isEval() ? '(eval)' : call.getFileName(), call.getLineNumber(), call.getFunctionName(), awaited(call)]);
}

// The library records the stack; V8 is asked for the same from the caller on.
function point(tag) {
  Buffer.allocUnsafeSlow(LARGE);
  const before = Error.prepareStackTrace;
  const here = {};
  Error.prepareStackTrace = noted;
  Error.captureStackTrace(here, point);
  const frames = here.stack;
  Error.prepareStackTrace = before;
  fs.appendFileSync(result, `${JSON.stringify({ tag, frames })}\n`);
}

class Base {
  constructor() { point('constructor'); }
  method() { point('method'); }
  static made() { point('static method'); }
  get property() { point('getter'); return 1; }
  #hidden() { point('private method'); }
  callHidden() { this.#hidden(); }
  field = () => { point('field'); };
  static { point('static block'); }
  async later() { await 1; point('async method'); }
  *each() { point('generator'); yield 1; }
}
class Derived extends Base { constructor() { super(); point('derived'); } }

function ofClasses() {
  const base = new Base();
  base.method(); Base.made(); base.property; base.callHidden(); base.field(); base.later();
  new Derived();
  [...base.each()];
}

exports.handler = () => { point('handler'); };
function ünï_日本() { point('unicode'); }
function again(n) { if (n > 0) return again(n - 1); point('recursion'); return 0; }

function ofFunctions() {
  const object = { own() { point('object'); }, ['comp' + 'uted']() { point('computed'); }, [Symbol('S')]: 1 };
  const closure = (x) => () => { point(`closure ${x}`); };
  object.own(); object.computed(); closure(1)(); exports.handler(); ünï_日本(); again(20);
  [1].forEach(function each() { point('forEach'); });
  [3, 1].sort(function compared(a, b) { point('sort'); return a - b; });
  'x'.replace(/x/, function replaced() { point('replace'); return 'y'; });
  JSON.stringify({ toJSON() { point('toJSON'); return 1; } });
  JSON.parse('{"a":1}', function revived(key, value) { if (key === 'a') point('reviver'); return value; });
  new Proxy({}, { get() { point('proxy'); return 1; } }).anything;
  Reflect.apply(function reflected() { point('Reflect'); }, null, []);
  (function bound() { point('bind'); }).bind(null)();
  eval("(function evaluated() { point('eval'); })()");
  new Function('point', "\npoint('new Function')")(point);
  vm.runInThisContext("\n(function(point) { point('vm'); })", { filename: '/var/task/virtual.js', lineOffset: 9 })(point);
  eval(`(function ${'long'.repeat(50)}() { point('long name'); })()`);
  try { try { throw new Error('e'); } finally { point('finally'); } } catch { point('catch'); }
  const events = new (require('events'))();
  events.on('x', function listens() { point('listener'); });
  events.emit('x');
}

function ofLater() {
  setTimeout(function onTimer() { point('timer'); }, 1);
  setImmediate(function onImmediate() { point('immediate'); });
  process.nextTick(function onTick() { point('nextTick'); });
  Promise.resolve().then(function onThen() { point('then'); });
  queueMicrotask(function onMicrotask() { point('microtask'); });
  fs.readFile(__filename, function onRead() { point('fs callback'); });
  import(path.join(__dirname, 'node_shapes_module.mjs')).then((module) => module.run(point));
}

// Interpreted, baseline, optimised; inlined; entered half way through a loop.
function leaf(i, at) { if (i === at) point(`hot ${at}`); return i + 1; }
function middle(i, at) { return leaf(i, at) + 1; }
function hot(i, at) {
  return middle(i, at) + 1;
}
function entered() {
  let sum = 0;
  for (let i = 0; i < 2000000; i++) {
    sum += i % 7;
    if (i === 1999999) point('entered in a loop');
  }
  return sum;
}
function ofTiers() {
  for (const [times, at] of [[300, 299], [5000, 4999], [300000, 299999]]) {
    for (let i = 0; i < times; i++) hot(i, at);
  }
  entered();
  for (let round = 0; round < 3; round++) [...Array(100000).keys()].forEach(function hotEach(x) { leaf(x, 99999 - round); });
}

async function inner(x) { await new Promise((done) => { setTimeout(done, 2); }); point(`deep ${x}`); }
async function between(x) {
  const value = await inner(x);
  return value;
}
class Service { async call(x) { return await between(x); } }
async function ofAwaiting() {
  const service = new Service();
  await service.call('plain');
  for (let i = 0; i < 3000; i++) await Promise.resolve(i);
  await service.call('after a loop');
  await Promise.all([service.call('all')]);
  await Promise.race([service.call('race')]);
  await Promise.allSettled([service.call('allSettled')]);
  await Promise.any([service.call('any')]);
  await service.call('then').then((x) => x);
  await (async () => { try { await inner('try'); } finally { await inner('finally'); } })();
  await new Promise((done, failed) => { service.call('by hand').then(done, failed); });
}

const WASM = Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 7, 1, 1, 0x6d, 1, 0x66, 0, 0, 3, 2, 1, 0, 7,
  7, 1, 3, 0x72, 0x75, 0x6e, 0, 1, 0x0a, 6, 1, 4, 0, 0x10, 0, 0x0b]);
function ofWorkers() {
  function fromWasm() { point(isMainThread ? 'wasm' : 'wasm in a worker'); }
  new WebAssembly.Instance(new WebAssembly.Module(WASM), { m: { f: fromWasm } }).exports.run();
  if (!isMainThread) {
    (function inWorker() { point('worker'); })();
    return;
  }
  new Worker(__filename, { argv: [result, wanted] }).on('exit', function onExit() {
    point('after a worker');
    vm.runInContext('(function inContext() { point("context") })()', vm.createContext({ point }), { filename: '/var/task/context.js' });
  });
}

function alpha() { Buffer.allocUnsafeSlow(LARGE); }
function beta() { Buffer.allocUnsafeSlow(LARGE); }
function ofAlike() {
  for (let i = 0; i < 20; i++) for (const either of [alpha, beta]) either();
}

// Objects move and die, in several isolates, while nearly every block is a sample.
function churn(n) {
  const kept = [];
  for (let i = 0; i < n; i++) {
    kept.push({ i, f: () => i, s: `x${i}`, a: new Array(10).fill(i) });
    if (kept.length > 50000) kept.splice(0, 25000);
    if (i % 1000 === 0) Buffer.alloc(20000).toString('hex');
  }
}
async function ofCollecting() {
  if (isMainThread) for (let i = 0; i < 2; i++) new Worker(__filename, { argv: [result, wanted] });
  for (let k = 0; k < 3; k++) {
    churn(100000);
    await null;
    global.gc();
    new RegExp(`a(b+)c${k}`).exec('xxabbbc');
    require('zlib').gzipSync(Buffer.alloc(300000, 'ab'));
  }
  fs.appendFileSync(result, '{"tag":"done","frames":[]}\n');
}

({ ofClasses, ofFunctions, ofLater, ofTiers, ofAwaiting, ofWorkers, ofAlike, ofCollecting })[wanted]();
