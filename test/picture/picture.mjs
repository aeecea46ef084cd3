// Records the terminal of a running rehearsal as docs/picture.svg: a real build in tmux, which ends when the picture is
// taken.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { svgOf } from "./svg.mjs";

const root = resolve(import.meta.dirname, "../..");
const [columns, rows] = [96, 24];
const patienceMs = 15 * 60_000;
const command = "tbuild recipe ol6-grid --rehearse";

const home = join(root, ".tbuild/picture");
rmSync(home, { recursive: true, force: true });
mkdirSync(join(home, "recipes"), { recursive: true });
mkdirSync(join(root, ".tbuild/media"), { recursive: true });
symlinkSync(join(root, ".tbuild/media"), join(home, "media"));

const socket = join(home, "tmux");
const tmux = (...args) =>
  execFileSync("tmux", ["-S", socket, "-f", "/dev/null", ...args], { encoding: "utf8" });
const options = ["--home", home, "--recipes", join(home, "recipes")];
const shell = [process.execPath, join(root, "dist/bin/main.js"), ...command.split(" ").slice(1), ...options];
tmux("new-session", "-d", "-x", String(columns), "-y", String(rows), "-e", "TERM=xterm-256color", ...shell);
try {
  const until = Date.now() + patienceMs;
  // The installer at work: its console has lines, and packages are counted.
  while (!/installing packages +[3-9]\d %/.test(tmux("capture-pane", "-p")))
    if (Date.now() > until) throw new Error(`the build did not come so far:\n${tmux("capture-pane", "-p")}`);
    else await sleep(200);
  const screen = tmux("capture-pane", "-p", "-e").trimEnd().split("\n");
  writeFileSync(join(root, "docs/picture.svg"), svgOf([`$ ${command}`, ...screen], columns));
  tmux("send-keys", "C-c");
  while (tmux("list-sessions", "-F", "x") !== "") await sleep(200);
} catch (error) {
  // The session ends with the build.
  if (!/no server running|error connecting/.test(String(error))) throw error;
} finally {
  try {
    tmux("kill-server");
  } catch {}
  rmSync(home, { recursive: true, force: true });
}
console.log("docs/picture.svg");
