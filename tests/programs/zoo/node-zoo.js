// Node.js: timers, promises, a child, a worker thread, a stream to a file. Usage: node node-zoo.js SECONDS
'use strict';
const assert = require('assert');
const fs = require('fs');
const { spawn } = require('child_process');
const { Worker } = require('worker_threads');
const readline = require('readline');

const steps = Number(process.argv[2]) * 20;
const rest = (ms) => new Promise((done) => setTimeout(done, ms));

async function main() {
  const cat = spawn('cat');
  const lines = readline.createInterface({ input: cat.stdout })[Symbol.asyncIterator]();
  const worker = new Worker(`
    const { parentPort } = require('worker_threads');
    let turns = 0;
    parentPort.on('message', (n) => parentPort.postMessage([turns++, n * 2]));`, { eval: true });
  const ask = (n) => new Promise((answer) => { worker.once('message', answer); worker.postMessage(n); });
  const file = fs.openSync('log.txt', 'w');
  const seen = new Map();
  let ticks = 0;
  const ticking = setInterval(() => ticks++, 20);
  for (let i = 0; i < steps; i++) {
    fs.writeSync(1, `${i}\n`);
    cat.stdin.write(`line ${i}\n`);
    assert.strictEqual((await lines.next()).value, `line ${i}`);
    assert.deepStrictEqual(await ask(i), [i, i * 2]);
    seen.set(`k${i}`, Buffer.alloc(1000, i & 255));
    assert.strictEqual(seen.get(`k${i >> 1}`)[999], (i >> 1) & 255);
    fs.writeSync(file, `${i}\n`);
    const before = ticks;
    await rest(50);
    assert(ticks > before, 'the interval does not tick');
  }
  clearInterval(ticking);
  fs.closeSync(file);
  assert.strictEqual(fs.readFileSync('log.txt', 'utf8'), Array.from({ length: steps }, (_, i) => `${i}\n`).join(''));
  cat.stdin.end();
  await worker.terminate();
  fs.writeSync(1, 'ok node-zoo\n');
}

main().catch((error) => { console.error(error); process.exit(1); });
