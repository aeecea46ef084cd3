// The time of `tbuild --help` compared with the start of node, the minimum for any node program: best of ten, alternating.
import { execFileSync } from "node:child_process";

const main = new URL("../../dist/bin/main.js", import.meta.url).pathname;
const timed = (...args) => {
  const begun = performance.now();
  execFileSync(process.execPath, args, { stdio: "ignore" });
  return performance.now() - begun;
};
const runs = Array.from({ length: 10 }, () => [timed(main, "--help"), timed("-e", "0")]);
const [ours, node] = [0, 1].map((which) => Math.min(...runs.map((run) => run[which])));
console.log(
  `tbuild --help  ${ours.toFixed(0)} ms   node -e 0  ${node.toFixed(0)} ms   ratio ${(ours / node).toFixed(2)}`,
);
